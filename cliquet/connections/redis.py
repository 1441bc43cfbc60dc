"""Clients of Redis, as settings describe them, and its errors, as backends raise them.

The one module, with the listener, that knows the driver.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, ParamSpec, TypeVar
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cliquet import logs, settings
from cliquet.settings.parsers import Integer, Text
from cliquet.storage.exceptions import BackendError

__all__ = ["ALLOWED_URL", "Address", "create_from_config", "parse_url", "wrap_redis_error"]

P = ParamSpec("P")
T = TypeVar("T")

ALLOWED_URL = "redis://[[user]:password@]host[:port][/database], rediss:// for TLS, or nothing"

# The releases of the driver differ in what they do by default, from waiting for ever to ten
# attempts with pauses. A request must not wait much longer than this for a server that is down.
TIMEOUT_SECONDS = 5.0


class Address(NamedTuple):
    """Where a database is, and who says so (S-13.1).

    Attributes
    ----------
    db : number of the database.
    username, password : ``None`` where the server asks for none.
    tls : whether the connection is encrypted.
    """

    host: str = "localhost"
    port: int = 6379
    db: int = 0
    username: str | None = None
    password: str | None = None
    tls: bool = False


def parse_url(url: str) -> Address:
    """Return the address that a URL stands for; the empty one is the local database 0 (B-10.3).

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
        # The end of a password that holds a `#` which is not escaped.
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


def create_from_config(config: Any, prefix: str = "") -> redis.Redis:
    """Return a client with its own pool, which is not connected yet (S-13, B-10.2 to B-10.4).

    When all connections of the pool are in use, a thread waits for one.

    Parameters
    ----------
    config : anything whose ``get_settings()`` returns the settings.
    prefix : of the settings ``url`` and ``pool_size``, such as ``storage_``.

    Raises
    ------
    cliquet.settings.SettingError : one of the two cannot be used; it names the setting.
    KeyError : one is missing that has no default, with the prefix of a plug-in.
    """
    configured = config.get_settings()
    url = _read(configured, f"{prefix}url", Text(switchable=True))
    pool_size = _read(configured, f"{prefix}pool_size", Integer(minimum=1))
    if pool_size < 1:
        raise settings.SettingError(f"{prefix}pool_size", pool_size, "a whole number of 1 or more")
    try:
        address = parse_url(url)
    except ValueError:
        # Neither the value nor the cause is shown: they may hold the password.
        raise settings.SettingError(f"{prefix}url", _without_password(url), ALLOWED_URL) from None
    # One more attempt, at once: the server closes idle connections, and the pool learns it by using
    # them. Not after a timeout, when the command may have been executed.
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    pool = redis.BlockingConnectionPool(  # type: ignore[no-untyped-call]  # not typed upstream
        max_connections=pool_size,
        connection_class=redis.SSLConnection if address.tls else redis.Connection,
        host=address.host,
        port=address.port,
        db=address.db,
        username=address.username,
        password=address.password,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=retry,
    )
    return redis.Redis(connection_pool=pool)


def _read(configured: Mapping[str, Any], name: str, parser: settings.Parser) -> Any:
    if settings.find(name) is not None:
        return settings.read(configured, name)
    # A plug-in's own prefix, which the table of settings does not know.
    return settings.Setting(name, parser, None, "").value(configured[name])


def _without_password(url: str) -> str:
    credentials, separator, rest = url.rpartition("@")
    if not separator:
        return url
    scheme, slashes, _ = credentials.rpartition("://")
    return f"{scheme}{slashes}***@{rest}"


def wrap_redis_error(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a method of a backend so that errors of the driver become its own (B-2.5, P-29.5).

    Raises
    ------
    BackendError : the driver raised; the error, which is logged, is its ``original``.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except redis.RedisError as error:
            logs.logger.error(str(error), exc_info=True)
            raise BackendError(original=error) from error

    return wrapped
