"""A cache in Redis, which processes and hosts share. The server drops expired entries.

Each operation is one command, or one script, on one key, so that it also works in a cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cliquet import settings
from cliquet.cache.base import CacheBase
from cliquet.cache.values import decode, encode, milliseconds
from cliquet.connections.redis.client import create_from_config, translated_errors
from cliquet.connections.redis.connecting import Client, connect, pool_status, settings_of
from cliquet.connections.redis.names import to_bytes
from cliquet.types import JSONValue, PoolStatus

__all__ = ["Cache", "create_from_config", "load_from_config"]

NAMESPACE: Final = "cliquet:cache:"

# Number of keys that a flush reads, and removes, at once.
FLUSH_BATCH = 1000

# GETDEL only exists since Redis 6.2.
_DELETE: Final = """
local value = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
return value
"""

# Characters with a special meaning in the patterns of SCAN.
_ESCAPED: Final = str.maketrans({character: f"\\{character}" for character in "\\*?[]^-"})


class Cache(CacheBase):
    """Cache in Redis.

    .. code-block:: ini

        cliquet.cache_backend = cliquet.cache.redis
        cliquet.cache_url = redis://localhost:6379/0

    Several applications may share one database, each with its prefix. The database may also contain
    the storage and the permissions.

    Parameters
    ----------
    client : client of one server, or of a cluster.
    cache_prefix : text put before every key.
    """

    def __init__(self, client: Client, cache_prefix: str = "") -> None:
        super().__init__(cache_prefix=cache_prefix)
        # It is not typed, because the annotations of the driver mix its synchronous and its
        # asynchronous client.
        self._client: Any = client

    @property
    def settings(self) -> dict[str, Any]:
        """The ``host``, ``port``, ``password`` and ``db`` of the server."""
        return settings_of(self._client)

    def pool_status(self) -> PoolStatus | None:
        """Return the use of the pool of connections; ``None`` if it has no size."""
        return pool_status(self._client)

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Do nothing, because there is no schema."""

    @translated_errors
    def flush(self) -> None:
        """Remove every entry whose key starts with the prefix, and nothing else.

        Its cost grows with the number of keys of the database.
        """
        batch = []
        for key in self._keys():
            batch.append(key)
            if len(batch) == FLUSH_BATCH:
                self._remove(batch)
                batch = []
        self._remove(batch)

    @translated_errors
    def ttl(self, key: str) -> float:
        remaining_ms: int = self._client.pttl(self._key(key))
        # Redis answers -1 without an expiry and -2 for an unknown key; both stay negative in
        # seconds.
        return remaining_ms / 1000

    @translated_errors
    def expire(self, key: str, ttl: float) -> None:
        delay_ms = milliseconds(ttl)
        if delay_ms:
            self._client.pexpire(self._key(key), delay_ms)
        else:
            self._client.delete(self._key(key))

    @translated_errors
    def set(self, key: str, value: JSONValue, ttl: float | None = None) -> None:
        text = encode(value)
        delay_ms = None if ttl is None else milliseconds(ttl)
        if delay_ms == 0:
            self._client.delete(self._key(key))
        else:
            self._client.set(self._key(key), text, px=delay_ms)

    @translated_errors
    def get(self, key: str) -> JSONValue:
        return _value(self._client.get(self._key(key)))

    @translated_errors
    def delete(self, key: str) -> JSONValue:
        return _value(self._client.eval(_DELETE, 1, self._key(key)))

    def _key(self, key: str) -> bytes:
        return to_bytes(f"{NAMESPACE}{self.prefix}{key}")

    def _keys(self) -> Iterator[bytes]:
        """Yield the keys with the prefix; some may come twice."""
        pattern = to_bytes(f"{NAMESPACE}{self.prefix}".translate(_ESCAPED)) + b"*"
        found: Iterator[bytes] = self._client.scan_iter(match=pattern, count=FLUSH_BATCH)
        return found

    def _remove(self, keys: list[bytes]) -> None:
        # There is one command for each key, because the keys of a cluster are on different servers.
        pipe = self._client.pipeline(transaction=False)
        for key in keys:
            pipe.unlink(key)
        pipe.execute()


def _value(text: bytes | None) -> JSONValue:
    return None if text is None else decode(text.decode())


def load_from_config(config: Any) -> Cache:
    """Return the cache that the settings describe.

    The server is not contacted yet.

    Raises
    ------
    cliquet.settings.SettingError : the URL, or a number, cannot be used.
    """
    prefix = settings.read(config.get_settings(), "cache_prefix")
    return Cache(connect(config, prefix="cache_"), cache_prefix=prefix)
