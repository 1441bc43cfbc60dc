"""Makes the client of PostgreSQL from settings."""

from __future__ import annotations

import inspect
import pkgutil
import warnings
import weakref
from collections.abc import Mapping
from typing import Any

from cliquet import settings
from cliquet.connections.postgresql import client as postgresql
from cliquet.connections.postgresql.replica import Replica
from cliquet.connections.postgresql.server import Server
from cliquet.connections.postgresql.time_limits import Limits
from cliquet.connections.postgresql.url import for_driver, read_url

__all__ = ["MISSING_EXTRA", "create_from_config", "create_replica"]

MISSING_EXTRA = (
    "PostgreSQL SQLAlchemy dependency missing. Refer to installation section in documentation. "
    "(pip install cliquet[postgresql])"
)

# Other spellings, of the published documentation and of deployers who have read it (S-12.2).
_FORMER_NAMES = ("maxoverflow", "pool_maxoverflow")
# The table of settings has rows for these options.
_KNOWN_OPTIONS = ("pool_size", "max_overflow", "max_backlog", "pool_timeout", "pool_recycle")

# The clients in use, by the values that two backends must have in common to share one.
_clients: weakref.WeakValueDictionary[tuple[Any, ...], postgresql.PostgreSQLClient] = (
    weakref.WeakValueDictionary()
)
# What they know of their servers, by URL.
_servers: weakref.WeakValueDictionary[str, Server] = weakref.WeakValueDictionary()
_replicas: weakref.WeakValueDictionary[str, Replica] = weakref.WeakValueDictionary()
_options_of: weakref.WeakKeyDictionary[postgresql.PostgreSQLClient, dict[str, Any]] = (
    weakref.WeakKeyDictionary()
)


def create_from_config(
    config: Any, prefix: str = "", *, is_shared: bool = True
) -> postgresql.PostgreSQLClient:
    """Return the client of a database, which is not connected yet.

    Backends with the same URL share one client, and therefore one pool and, in a request, one
    transaction. The settings of the second backend are ignored, with a warning if they differ.

    Parameters
    ----------
    config : anything whose ``get_settings()`` returns the settings.
    prefix : prefix of the settings ``url``, ``pool_size`` and so on, such as ``storage_``.
    is_shared : ``False`` for a client with a pool of its own.

    Raises
    ------
    ImportWarning : the packages of the extra are not installed.
    cliquet.settings.SettingError : the URL cannot be used.
    TypeError : SQLAlchemy does not know one of the options.
    """
    if postgresql.sqlalchemy is None:
        raise ImportWarning(MISSING_EXTRA)
    configured = config.get_settings()
    url = read_url(configured, f"{prefix}url")
    per_request = bool(configured.get("transaction_per_request", True))
    key = (per_request, url.render_as_string(hide_password=False))
    options = _options(configured, prefix)
    client = _clients.get(key) if is_shared else None
    if client is not None:
        # One transaction for both is what production should have: it is silent.
        if options != _options_of[client]:
            warnings.warn(
                f"Reuse existing PostgreSQL connection. Parameters {prefix}* will be ignored.",
                UserWarning,
                stacklevel=2,
            )
        return client
    writes = not settings.read(configured, "readonly")
    client = _client(configured, for_driver(url, writes=writes), options, key[1])
    if is_shared:
        _clients[key] = client
        _options_of[client] = options
    return client


def create_replica(config: Any, prefix: str) -> Replica | None:
    """Return the replica of the setting ``<prefix>read_url``, or ``None`` if that is empty.

    Backends with the same setting share it.

    Raises
    ------
    cliquet.settings.SettingError : the URL cannot be used.
    """
    configured = config.get_settings()
    name = f"{prefix}read_url"
    if not configured.get(name):
        return None
    url = read_url(configured, name)
    key = url.render_as_string(hide_password=False)
    replica = _replicas.get(key)
    if replica is None:
        options = _options(configured, prefix)
        client = _client(configured, for_driver(url, writes=False), options, key)
        replica = _replicas[key] = Replica(client)
    return replica


def _client(
    configured: Mapping[str, Any], url: Any, options: Mapping[str, Any], server: str
) -> postgresql.PostgreSQLClient:
    return postgresql.PostgreSQLClient(
        _engine(url, options),
        lambda: _engine(url, {**options, "pool_size": 2}),
        limits=Limits(
            statement_seconds=settings.read(configured, "statement_timeout_seconds"),
            lock_seconds=settings.read(configured, "lock_timeout_seconds"),
        ),
        server=_servers.setdefault(server, Server()),
    )


def _options(configured: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the settings that are options of the engine and of its pool."""
    options = {
        name.removeprefix(prefix): value
        for name, value in configured.items()
        if name.startswith(prefix) and _is_option(name, prefix)
    }
    for former in _FORMER_NAMES:
        if former in options:
            warnings.warn(
                f"The setting {prefix}{former} is deprecated: use {prefix}max_overflow.",
                DeprecationWarning,
                stacklevel=3,
            )
            options.setdefault("max_overflow", options[former])
            del options[former]
    poolclass = options.pop("poolclass", None) or settings.read({}, "storage_poolclass")
    if isinstance(poolclass, str):
        poolclass = pkgutil.resolve_name(poolclass)
    known = _parameters_of(poolclass)
    for name in _KNOWN_OPTIONS:
        if name in options:
            # The table does not have the prefix of a plugin.
            row = settings.find(f"{prefix}{name}") or settings.find(f"storage_{name}")
            assert row is not None  # noqa: S101 - the table has the second name
            value = row.value(options[name], f"{prefix}{name}")
            # Other classes of pools have no size, so that nobody waits for a connection.
            if value is None or not known & {name, name.removeprefix("pool_")}:
                del options[name]
            else:
                options[name] = value
    return {**options, "poolclass": poolclass}


def _is_option(name: str, prefix: str) -> bool:
    option = name.removeprefix(prefix)
    if option == "poolclass" or option in _KNOWN_OPTIONS:
        return True
    # Options of other backends of the same kind, such as `cache_prefix`, have rows in the table.
    return option not in ("url", "backend", "prefix", "max_fetch_size") and (
        settings.find(name) is None
    )


def _parameters_of(poolclass: Any) -> set[str]:
    known: set[str] = set()
    for base in inspect.getmro(poolclass):
        if "__init__" in vars(base):
            known.update(inspect.signature(vars(base)["__init__"]).parameters)
    return known


def _engine(url: Any, options: Mapping[str, Any]) -> Any:
    known = _parameters_of(options["poolclass"])
    if "pool_size" not in known:
        options = {name: value for name, value in options.items() if name != "pool_size"}
    return postgresql.sqlalchemy.engine_from_config(
        {f"sqlalchemy.{name}": value for name, value in options.items()},
        prefix="sqlalchemy.",
        url=url,
        # The sessions undo everything before they give a connection back.
        pool_reset_on_return=None,
        use_native_hstore=False,
    )
