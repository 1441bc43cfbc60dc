"""The client of SQLite that settings describe (E-1.2)."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

from cliquet import settings
from cliquet.connections.sqlite.client import SQLiteClient
from cliquet.connections.sqlite.connection import Prepare

__all__ = ["create_from_config"]

ALLOWED_URL = (
    "sqlite:///relative/file.db or sqlite:////absolute/file.db, in an existing folder that can be "
    "written to; or sqlite:// for a private one, since each connection would have its own memory"
)

# The clients in use, by file: backends on one file share one transaction (E-1.5).
_clients: weakref.WeakValueDictionary[tuple[bool, str], SQLiteClient] = (
    weakref.WeakValueDictionary()
)


def create_from_config(
    config: Any,
    prefix: str = "",
    *,
    prepare: Prepare | None = None,
    sibling: str | None = None,
) -> SQLiteClient:
    """Return the client of a file, which is neither made nor opened yet.

    Parameters
    ----------
    config : anything whose ``get_settings()`` returns the settings.
    prefix : of the settings ``url`` and ``busy_timeout_seconds``, such as ``storage_``.
    prepare : called with each new connection, to give it functions.
    sibling : end of the name of the file beside the one of the URL that is meant instead.

    Raises
    ------
    cliquet.settings.SettingError : the URL is none of SQLite, or its folder cannot be used.
    """
    configured = config.get_settings()
    path = _path(configured.get(f"{prefix}url") or "", f"{prefix}url")
    timeout_setting = f"{prefix}busy_timeout_seconds"
    timeout_seconds = settings.read(configured, timeout_setting)
    if timeout_seconds is None:
        timeout_setting = "lock_timeout_seconds"
        timeout_seconds = settings.read(configured, timeout_setting)
    options = {"busy_timeout_seconds": timeout_seconds, "timeout_setting": timeout_setting}
    if path is None:
        return SQLiteClient(None, **options, prepare=prepare)
    if sibling is not None:
        path = path.with_name(f"{path.name}-{sibling}")
    key = (bool(configured.get("transaction_per_request", True)), str(path))
    client = _clients.get(key)
    if client is None:
        client = _clients[key] = SQLiteClient(path, **options)
    if prepare is not None:
        client.prepare_with(prepare)
    return client


def _path(url: str, name: str) -> Path | None:
    """Return the absolute path of the file; ``None`` for a private one."""
    if url == "sqlite://":
        return None
    if not url.startswith("sqlite:///") or url == "sqlite:///" or "\0" in url:
        raise settings.SettingError(name, url, ALLOWED_URL)
    location = url.removeprefix("sqlite:///")
    # A file would be made of that name: what other programs take these for, SQLite does not.
    if ":memory:" in location or location.startswith("file:") or "?" in location:
        raise settings.SettingError(name, url, ALLOWED_URL)
    path = Path(os.path.abspath(location))
    is_usable = path.parent.is_dir() and os.access(path.parent, os.W_OK | os.X_OK)
    if not is_usable or path.is_dir() or (path.exists() and not os.access(path, os.R_OK)):
        raise settings.SettingError(name, url, f"{ALLOWED_URL} ({path} cannot be used)")
    return path
