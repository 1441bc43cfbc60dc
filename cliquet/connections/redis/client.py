"""Makes clients of Redis from settings, and translates the errors of the driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cliquet import settings
from cliquet.connections.redis.pool import Connection, Pool, TLSConnection, takes_no_write
from cliquet.connections.translated_errors import TranslatedErrors
from cliquet.monitoring import logs
from cliquet.settings.parsers import Integer, Number, Text
from cliquet.settings.secrets import without_credentials
from cliquet.storage.exceptions import BackendError, ReadonlyError

__all__ = [
    "ALLOWED_URL",
    "CLUSTER_SCHEMES",
    "TIMEOUT_SECONDS",
    "Address",
    "Options",
    "create_from_config",
    "parse_url",
    "read_options",
    "single_client",
    "translated_errors",
]

ALLOWED_URL = "redis://[[user]:password@]host[:port][/database], rediss:// for TLS, or nothing"

# The defaults of the driver differ between its releases, from a wait for ever to ten attempts with
# pauses. A request must not wait much longer than this for a server that is down.
TIMEOUT_SECONDS = 5.0

# The schemes of a cluster, with those of each of its nodes.
CLUSTER_SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}

# Time for which a thread waits for a connection if no row of the table of settings gives it. It is
# the default of the driver.
POOL_TIMEOUT_SECONDS = 20.0


class Address(NamedTuple):
    """The place of a database, and the credentials for it.

    Attributes
    ----------
    db : number of the database.
    username, password : ``None`` if the server asks for none.
    tls : whether the connection is encrypted.
    """

    host: str = "localhost"
    port: int = 6379
    db: int = 0
    username: str | None = None
    password: str | None = None
    tls: bool = False


def parse_url(url: str) -> Address:
    """Return the address in a URL; the empty URL is the local database 0.

    A query string is ignored.

    Raises
    ------
    ValueError : the URL is of another form, such as ``localhost:6379`` without scheme.
    """
    if not url:
        return Address()
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss") or not url.startswith(f"{parts.scheme}://"):
        raise ValueError("scheme")
    if parts.fragment:
        # It is probably the end of a password with a `#` that is not escaped.
        raise ValueError("fragment")
    path = parts.path.removeprefix("/")
    if path and not (path.isascii() and path.isdigit()):
        raise ValueError("database")
    return Address(
        host=parts.hostname or Address().host,
        port=Address().port if parts.port is None else parts.port,
        db=int(path or 0),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=parts.scheme == "rediss",
    )


class Options(NamedTuple):
    """The settings of one client.

    Attributes
    ----------
    pool_size : greatest number of connections.
    pool_timeout_seconds : time for which a thread waits when all connections are in use.
    is_cluster : whether the address is that of a node of a cluster.
    """

    address: Address
    pool_size: int
    pool_timeout_seconds: float
    is_cluster: bool


def read_options(config: Any, prefix: str = "") -> Options:
    """Read the settings of a client.

    Parameters
    ----------
    config : anything whose ``get_settings()`` returns the settings.
    prefix : prefix of the settings ``url``, ``pool_size`` and ``pool_timeout``, such as
        ``storage_``.

    Raises
    ------
    cliquet.settings.SettingError : a setting cannot be used; the message names it.
    KeyError : with the prefix of a plugin, a setting without a default is missing.
    """
    configured = config.get_settings()
    url = _read(configured, f"{prefix}url", Text(switchable=True))
    pool_size = _read(configured, f"{prefix}pool_size", Integer(minimum=1))
    if pool_size < 1:
        raise settings.SettingError(f"{prefix}pool_size", pool_size, "a whole number of 1 or more")
    scheme, separator, rest = url.partition("://")
    is_cluster = bool(separator) and scheme in CLUSTER_SCHEMES
    try:
        address = parse_url(f"{CLUSTER_SCHEMES[scheme]}://{rest}" if is_cluster else url)
    except ValueError:
        # Neither the value nor the cause is shown, because they may contain the password.
        allowed = f"{scheme}://[[user]:password@]host[:port]" if is_cluster else ALLOWED_URL
        raise settings.SettingError(f"{prefix}url", without_credentials(url), allowed) from None
    if is_cluster and address.db:
        allowed = f"{scheme}://…, without a database"
        raise settings.SettingError(f"{prefix}url", without_credentials(url), allowed)
    return Options(address, pool_size, _pool_timeout_seconds(configured, prefix), is_cluster)


def create_from_config(
    config: Any, prefix: str = "", *, timeout_seconds: float | None = None
) -> redis.Redis:
    """Return a client with its own pool, which is not connected yet.

    When all connections of the pool are in use, a thread waits for one.

    Parameters
    ----------
    config, prefix : as in ``read_options()``.
    timeout_seconds : longest time for which a thread waits for a free connection, for the server to
        accept a connection, and for the answer to a command. The default is the setting
        ``pool_timeout`` for the first, and ``TIMEOUT_SECONDS`` for the others.

    Raises
    ------
    cliquet.settings.SettingError : a setting cannot be used, or names a cluster, for which the
        caller would need another client.
    KeyError : with the prefix of a plugin, a setting without a default is missing.
    """
    options = read_options(config, prefix)
    if options.is_cluster:
        url = without_credentials(str(config.get_settings()[f"{prefix}url"]))
        allowed = f"{ALLOWED_URL}; a cluster is for the storage, the permissions and the cache"
        raise settings.SettingError(f"{prefix}url", url, allowed)
    return single_client(options, timeout_seconds=timeout_seconds)


def single_client(
    options: Options, *, timeout_seconds: float | None = None, **connection: Any
) -> redis.Redis:
    """Return a client of the one server at the address of the options.

    Parameters
    ----------
    timeout_seconds : as in ``create_from_config()``.
    connection : further arguments of connections.
    """
    address = options.address
    socket_timeout = TIMEOUT_SECONDS if timeout_seconds is None else timeout_seconds
    pool_timeout = options.pool_timeout_seconds
    # There is one more attempt, at once: the server closes idle connections, and the pool only
    # notices that when it uses them. There is none after a timeout, because the command may have
    # been executed.
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    # Some releases of the driver do not check the name in the certificate by default.
    tls = {"ssl_cert_reqs": "required", "ssl_check_hostname": True} if address.tls else {}
    pool = Pool(  # type: ignore[no-untyped-call]  # not typed upstream
        max_connections=options.pool_size,
        timeout=pool_timeout if timeout_seconds is None else min(pool_timeout, timeout_seconds),
        connection_class=TLSConnection if address.tls else Connection,
        host=address.host,
        port=address.port,
        db=address.db,
        username=address.username,
        password=address.password,
        socket_timeout=socket_timeout,
        socket_connect_timeout=socket_timeout,
        retry=retry,
        **tls,
        **connection,
    )
    return redis.Redis(connection_pool=pool)


def _read(configured: Mapping[str, Any], name: str, parser: settings.Parser) -> Any:
    if settings.find(name) is not None:
        return settings.read(configured, name)
    # The table of settings does not know the prefix of a plugin.
    return settings.Setting(name, parser, None, "").value(configured[name])


def _pool_timeout_seconds(configured: Mapping[str, Any], prefix: str) -> float:
    name = f"{prefix}pool_timeout"
    row = settings.find(name)
    default = POOL_TIMEOUT_SECONDS if row is None or row.default is None else row.default
    return float(settings.Setting(name, Number(), default, "").value(configured.get(name, default)))


def _translated(error: Exception) -> BackendError:
    logs.logger.error(str(error))
    # A replica for example accepts no writes.
    kind = ReadonlyError if takes_no_write(error) else BackendError
    return kind(original=error)


# Errors of clusters have a base class of their own.
translated_errors = TranslatedErrors(
    redis.RedisError, redis.exceptions.RedisClusterException, translate=_translated
)
