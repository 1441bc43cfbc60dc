"""Makes the client of SQLite from settings."""

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
    "written to; or sqlite:// for a private one"
)

# The clients in use, by file: backends on one file share one transaction.
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
    """Return the client of a file, which is neither created nor opened yet.

    Parameters
    ----------
    config : anything whose ``get_settings()`` returns the settings.
    prefix : prefix of the settings ``url`` and ``busy_timeout_seconds``, such as ``storage_``.
    prepare : is called with each new connection, to give it functions.
    sibling : is appended to the name of the file in the URL, for another file beside that one.

    Raises
    ------
    cliquet.settings.SettingError : the URL is not one of SQLite, or its folder cannot be used.
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
    """Return the absolute path of the file; ``None`` for a private temporary file."""
    if url == "sqlite://":
        return None
    if not url.startswith("sqlite:///") or url == "sqlite:///" or "\0" in url:
        raise settings.SettingError(name, url, ALLOWED_URL)
    location = url.removeprefix("sqlite:///")
    # Other programs give these a special meaning, but here they would become the name of a file.
    if ":memory:" in location:
        reason = "since each connection would have its own memory"
        raise settings.SettingError(name, url, f"{ALLOWED_URL}, {reason}")
    if location.startswith("file:") or "?" in location:
        raise settings.SettingError(name, url, ALLOWED_URL)
    path = Path(os.path.abspath(location))
    fault = _fault(path)
    if fault is not None:
        raise settings.SettingError(name, url, f"{ALLOWED_URL} ({fault})")
    return path


def _fault(path: Path) -> str | None:
    """Return why a file cannot be used, in words; ``None`` if it can."""
    folder = path.parent
    if not folder.exists():
        return f"the folder {folder} does not exist"
    if not folder.is_dir():
        return f"{folder} is no folder"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"the folder {folder} cannot be written to"
    if path.is_dir():
        return f"{path} is a folder"
    if path.exists() and not os.access(path, os.R_OK):
        return f"the file {path} cannot be read"
    return None
