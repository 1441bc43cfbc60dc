"""A cache in the memory of the process, bounded in size.

Not shared between processes, and lost with the process: for development, tests and services that
run as one process.
"""

from __future__ import annotations

import threading
from typing import Any

from cliquet import settings, utils
from cliquet.cache.base import CacheBase
from cliquet.cache.values import decode, encode, milliseconds
from cliquet.types import JSONValue

__all__ = ["Cache", "load_from_config"]

NO_EXPIRY_SECONDS = -1.0
DEFAULT_MAX_SIZE_BYTES: int = settings.DEFAULT_SETTINGS["cache_max_size_bytes"]

# B-21.33: what an entry costs beside its text, and the share of the quota that eviction aims at.
KEY_WEIGHT = 3
ENTRY_OVERHEAD_BYTES = 48
EVICTION_TARGET = 0.8

# Below this number of entries that expire, looking for the expired ones is not worth the time.
MIN_SWEEP_ENTRIES = 1000


class _Entries(dict[str, str]):
    """Prefixed keys and JSON texts, oldest first, with their exact total size.

    The total and the lock live here, not on the cache, so that two caches given the same
    dictionaries (B-14.2) agree on them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.size_bytes = 0

    def __setitem__(self, key: str, text: str) -> None:
        # Deleted first: the replaced entry becomes the most recent one.
        if key in self:
            del self[key]
        super().__setitem__(key, text)
        self.size_bytes += _size_bytes(key, text)

    def __delitem__(self, key: str) -> None:
        self.size_bytes -= _size_bytes(key, self[key])
        super().__delitem__(key)


def _size_bytes(key: str, text: str) -> int:
    return KEY_WEIGHT * len(key) + len(text) + ENTRY_OVERHEAD_BYTES


class Cache(CacheBase):
    """Cache in memory.

    .. code-block:: ini

        cliquet.cache_backend = cliquet.cache.memory
        cliquet.cache_max_size_bytes = 524288

    Parameters
    ----------
    cache_prefix : text put before every key.
    cache_max_size_bytes : when the entries have reached this size, the next write drops the
        expired ones, then the oldest until under 80 % of it (B-21.33); ``None`` for no limit. The
        entry being written is always kept, hence the real limit is this plus one entry.
    """

    def __init__(
        self,
        cache_prefix: str = "",
        *,
        cache_max_size_bytes: int | None = DEFAULT_MAX_SIZE_BYTES,
    ) -> None:
        super().__init__(cache_prefix=cache_prefix)
        self.max_size_bytes = cache_max_size_bytes
        # Both keyed with the prefix: prefixed key to JSON text, to expiry in ms since the Epoch.
        self._store = _Entries()
        self._ttl: dict[str, int] = {}
        self._sweep_at_entries = MIN_SWEEP_ENTRIES

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Do nothing: there is no schema."""

    def flush(self) -> None:
        with self._store.lock:
            for key in [key for key in self._store if key.startswith(self.prefix)]:
                self._drop(key)

    def ttl(self, key: str) -> float:
        with self._store.lock:
            expires_ms = self._ttl.get(self.prefix + key)
        if expires_ms is None:
            return NO_EXPIRY_SECONDS
        remaining_ms = expires_ms - utils.msec_time()
        return remaining_ms / 1000 if remaining_ms > 0 else NO_EXPIRY_SECONDS

    def expire(self, key: str, ttl: float) -> None:
        delay_ms = milliseconds(ttl)
        key = self.prefix + key
        with self._store.lock:
            if self._live(key) is None:
                return
            if delay_ms == 0:
                self._drop(key)
            else:
                self._ttl[key] = utils.msec_time() + delay_ms

    def set(self, key: str, value: JSONValue, ttl: float | None = None) -> None:
        text = encode(value)
        delay_ms = None if ttl is None else milliseconds(ttl)
        key = self.prefix + key
        with self._store.lock:
            self._drop(key)
            if delay_ms == 0:
                return
            self._make_room()
            self._store[key] = text
            if delay_ms is not None:
                self._ttl[key] = utils.msec_time() + delay_ms

    def get(self, key: str) -> JSONValue:
        with self._store.lock:
            text = self._live(self.prefix + key)
        return None if text is None else decode(text)

    def delete(self, key: str) -> JSONValue:
        key = self.prefix + key
        with self._store.lock:
            text = self._live(key)
            self._drop(key)
        return None if text is None else decode(text)

    def _live(self, key: str) -> str | None:
        """Return the text of a prefixed key; drop it if it has expired. The lock is held."""
        expires_ms = self._ttl.get(key)
        if expires_ms is not None and expires_ms <= utils.msec_time():
            self._drop(key)
        return self._store.get(key)

    def _drop(self, key: str) -> None:
        """Forget a prefixed key, if it is there. The lock is held."""
        self._ttl.pop(key, None)
        if key in self._store:
            del self._store[key]

    def _make_room(self) -> None:
        """Drop what the quota does not allow to keep. The lock is held."""
        quota = self.max_size_bytes
        is_full = quota is not None and self._store.size_bytes >= quota
        # Without a quota, entries that expire unread would stay for ever. Waiting until their
        # number has doubled keeps the cost of the search proportional to the writes.
        if not is_full and len(self._ttl) < self._sweep_at_entries:
            return
        now = utils.msec_time()
        for key in [key for key, expires_ms in self._ttl.items() if expires_ms <= now]:
            self._drop(key)
        self._sweep_at_entries = max(MIN_SWEEP_ENTRIES, 2 * len(self._ttl))
        if quota is not None and is_full:
            self._evict(self._store.size_bytes - EVICTION_TARGET * quota)

    def _evict(self, excess_bytes: float) -> None:
        """Drop the oldest entries until `excess_bytes` and one byte more are gone."""
        # Chosen in one pass, then dropped: asking a dictionary for its first key costs as much as
        # the number of keys deleted before it.
        oldest = []
        for key, text in self._store.items():
            if excess_bytes < 0:
                break
            excess_bytes -= _size_bytes(key, text)
            oldest.append(key)
        for key in oldest:
            self._drop(key)


def load_from_config(config: Any) -> Cache:
    """Return the cache that the settings describe (S-11.1).

    Parameters
    ----------
    config : Pyramid's configurator, or any object with ``get_settings()``.
    """
    values = config.get_settings()
    return Cache(
        cache_prefix=settings.read(values, "cache_prefix"),
        cache_max_size_bytes=settings.read(values, "cache_max_size_bytes"),
    )
