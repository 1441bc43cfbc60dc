"""Clients of Memcached, as settings describe them, and its errors, as backends raise them.

The one module that knows the driver, which the extra ``cliquet[memcached]`` installs; without it,
the module can be imported all the same.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, ParamSpec, TypeVar
from urllib.parse import urlsplit

from cliquet import settings
from cliquet.monitoring import logs
from cliquet.storage.exceptions import BackendError

try:
    import pymemcache  # type: ignore[import-untyped]
    from pymemcache.client.hash import HashClient  # type: ignore[import-untyped]
except ImportError:  # pragma: no cover - in another process of the tests
    pymemcache = None
    HashClient = object

__all__ = ["ALLOWED_HOSTS", "Servers", "create_from_config", "parse_host", "wrap_memcached_error"]

P = ParamSpec("P")
T = TypeVar("T")

ALLOWED_HOSTS: Final = "one or more of host, host:port or [IPv6 address]:port, between spaces"
DEFAULT_PORT: Final = 11211

# As for Redis: a request must not wait much longer than this for a server that is down.
TIMEOUT_SECONDS: Final = 5.0


class Servers(HashClient):  # type: ignore[misc]  # no types in the driver
    """Servers, each of which keeps the keys that are its own.

    When one is down its keys fail, and those of the others work. The driver's way, to answer as if
    it were empty, then to give its keys to the others, would show outdated values once it is back.

    Parameters
    ----------
    addresses : pairs of a host and a port.
    pool_size : most connections in use at once.
    pool_timeout_seconds : how long a thread waits for one.
    """

    def __init__(
        self,
        addresses: list[tuple[str, int]],
        *,
        pool_size: int,
        pool_timeout_seconds: float,
    ) -> None:
        super().__init__(
            addresses,
            connect_timeout=TIMEOUT_SECONDS,
            timeout=TIMEOUT_SECONDS,
            no_delay=True,
            use_pooling=True,
            # Otherwise the errors of the server are not told.
            default_noreply=False,
        )
        self.pool_size = pool_size
        self.pool_timeout_seconds = pool_timeout_seconds
        # The driver's own limit does not wait.
        self._slots = threading.BoundedSemaphore(pool_size)

    # The driver runs every command through this method, whose own answers hide failures.
    def _safely_run_func(
        self,
        client: Any,
        func: Callable[..., Any],
        default_val: Any,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if not self._slots.acquire(timeout=self.pool_timeout_seconds):
            raise pymemcache.MemcacheError("All connections are in use")
        try:
            return _run(func, args, kwargs, attempts=1 + len(client.client_pool.free))
        finally:
            self._slots.release()


def _run(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], *, attempts: int
) -> Any:
    """Run a command, again on another connection if the server has closed the first.

    A server that was started again has closed all those that were idle.
    """
    try:
        return function(*args, **kwargs)
    except (pymemcache.exceptions.MemcacheUnexpectedCloseError, ConnectionError):
        if attempts == 1:
            raise
    return _run(function, args, kwargs, attempts=attempts - 1)


def parse_host(text: str) -> tuple[str, int]:
    """Return the host and the port of an address.

    Raises
    ------
    ValueError : it is of another form.
    """
    parts = urlsplit(f"//{text}")
    if parts.netloc != text or "@" in text or not parts.hostname:
        raise ValueError(text)
    return parts.hostname, DEFAULT_PORT if parts.port is None else parts.port


def create_from_config(config: Any) -> Servers:
    """Return a client, which is not connected yet (B-21.34, B-3.10).

    Parameters
    ----------
    config : anything whose ``get_settings()`` returns the settings.

    Raises
    ------
    ImportError : the driver is not installed.
    cliquet.settings.SettingError : `cache_hosts`, or a setting of the pool, cannot be used.
    """
    if pymemcache is None:
        raise ImportError(
            "The cache in Memcached needs pymemcache: pip install 'cliquet[memcached]'."
        )
    configured = config.get_settings()
    try:
        addresses = [parse_host(text) for text in settings.read(configured, "cache_hosts")]
    except ValueError:
        addresses = []
    if not addresses:
        # It has no passwords; somebody may have given one all the same.
        given = [text.rpartition("@")[2] for text in settings.read(configured, "cache_hosts")]
        raise settings.SettingError("cache_hosts", " ".join(given), ALLOWED_HOSTS)
    return Servers(
        addresses,
        pool_size=settings.read(configured, "cache_pool_size"),
        pool_timeout_seconds=settings.read(configured, "cache_pool_timeout"),
    )


def wrap_memcached_error(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a method of a backend so that errors of the driver become its own (B-2.5).

    Raises
    ------
    BackendError : the driver raised; the error, which is logged, is its ``original``.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except (pymemcache.MemcacheError, OSError) as error:
            logs.logger.error(str(error), exc_info=True)
            raise BackendError(original=error) from error

    return wrapped
