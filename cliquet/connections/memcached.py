"""Makes clients of Memcached from settings, and translates the errors of the driver.

Only this module knows the driver, which the extra ``cliquet[memcached]`` installs. The module can
be imported without the driver too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from cliquet import settings
from cliquet.connections.translated_errors import TranslatedErrors

try:
    import pymemcache  # type: ignore[import-untyped]
    from pymemcache.client.hash import HashClient  # type: ignore[import-untyped]
except ImportError:  # pragma: no cover - in another process of the tests
    pymemcache = None
    HashClient = object

__all__ = ["ALLOWED_HOSTS", "Servers", "create_from_config", "parse_host", "translated_errors"]

ALLOWED_HOSTS: Final = "one or more of host, host:port or [IPv6 address]:port, between spaces"
DEFAULT_PORT: Final = 11211

# As with Redis, a request must not wait much longer than this for a server that is down.
TIMEOUT_SECONDS: Final = 5.0


class Servers(HashClient):  # type: ignore[misc]  # no types in the driver
    """Several servers, each of which keeps its own keys.

    When a server is down, commands for its keys fail, and those for other keys work. The driver
    itself would answer as if that server were empty, and then give its keys to the others, so that
    outdated values would appear once the server is back.

    Parameters
    ----------
    addresses : pairs of a host and a port.
    pool_size : greatest number of connections in use at once.
    pool_timeout_seconds : time for which a thread waits for a connection.
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
            # Without this, the driver does not read the errors of the server.
            default_noreply=False,
        )
        self.pool_size = pool_size
        self.pool_timeout_seconds = pool_timeout_seconds
        # The limit of the driver itself fails at once instead of waiting.
        self._slots = threading.BoundedSemaphore(pool_size)

    # The driver runs every command through this method, whose original version hides failures.
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
    """Run a command, and run it again on another connection if the server has closed the first.

    A server that was restarted has closed all idle connections.
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
    ValueError : the text is not an address.
    """
    parts = urlsplit(f"//{text}")
    if parts.netloc != text or "@" in text or not parts.hostname:
        raise ValueError(text)
    return parts.hostname, DEFAULT_PORT if parts.port is None else parts.port


def create_from_config(config: Any) -> Servers:
    """Return a client, which is not connected yet.

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
        # Memcached has no passwords, but a deployer may have given one nevertheless.
        given = [text.rpartition("@")[2] for text in settings.read(configured, "cache_hosts")]
        raise settings.SettingError("cache_hosts", " ".join(given), ALLOWED_HOSTS)
    return Servers(
        addresses,
        pool_size=settings.read(configured, "cache_pool_size"),
        pool_timeout_seconds=settings.read(configured, "cache_pool_timeout"),
    )


# The driver lets errors of the network through.
translated_errors = TranslatedErrors(
    *([] if pymemcache is None else [pymemcache.MemcacheError, OSError])
)
