"""A cache in the memory of the process, bounded in size.

Processes do not share it, and it is lost when its process ends: it is for development, tests and
services with a single process.
"""

from __future__ import annotations

import threading
from typing import Any

from cliquet import settings, utils
from cliquet.cache.base import CacheBase
from cliquet.cache.values import decode, encode, milliseconds
from cliquet.core.forks import renew_locks
from cliquet.types import JSONValue

__all__ = ["Cache", "load_from_config"]

NO_EXPIRY_SECONDS = -1.0
DEFAULT_MAX_SIZE_BYTES: int = settings.DEFAULT_SETTINGS["cache_max_size_bytes"]

# The weight of a key, the further size of an entry, and the part of the quota that stays full after
# an eviction (B-21.33).
KEY_WEIGHT = 3
ENTRY_OVERHEAD_BYTES = 48
EVICTION_TARGET = 0.8

# With fewer entries that can expire, a search for the expired ones is not worth its time.
MIN_SWEEP_ENTRIES = 1000


class _Entries(dict[str, str]):
    """Prefixed keys and JSON texts, the oldest first, with their exact total size.

    The total and the lock are here and not in the cache, so that two caches with the same
    dictionaries have them in common.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        renew_locks(self, "lock")
        self.size_bytes = 0

    def __setitem__(self, key: str, text: str) -> None:
        # The entry is deleted first, so that the new one becomes the most recent one.
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
    cache_max_size_bytes : when the entries have this size, the next write drops the expired ones,
        and then the oldest ones until less than 80 % of it is used (B-21.33); ``None`` for no
        limit. The entry that is written is always kept, so that the real limit is larger by one
        entry.
    """

    def __init__(
        self,
        cache_prefix: str = "",
        *,
        cache_max_size_bytes: int | None = DEFAULT_MAX_SIZE_BYTES,
    ) -> None:
        super().__init__(cache_prefix=cache_prefix)
        self.max_size_bytes = cache_max_size_bytes
        # The keys of both contain the prefix. The values are the JSON text, and the expiry in ms
        # since the Epoch.
        self._store = _Entries()
        self._ttl: dict[str, int] = {}
        self._sweep_at_entries = MIN_SWEEP_ENTRIES

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Do nothing, because there is no schema."""

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
        """Return the text of a prefixed key, dropped if expired. The caller holds the lock."""
        expires_ms = self._ttl.get(key)
        if expires_ms is not None and expires_ms <= utils.msec_time():
            self._drop(key)
        return self._store.get(key)

    def _drop(self, key: str) -> None:
        """Remove a prefixed key, if it exists. The caller holds the lock."""
        self._ttl.pop(key, None)
        if key in self._store:
            del self._store[key]

    def _make_room(self) -> None:
        """Drop the entries that exceed the quota. The caller holds the lock."""
        quota = self.max_size_bytes
        is_full = quota is not None and self._store.size_bytes >= quota
        # Without a quota, entries that expire and are not read would stay for ever. The search
        # waits until their number has doubled, so that its cost is proportional to the writes.
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
        # They are chosen in one pass and then dropped, because the first key of a dictionary costs
        # as much as the number of keys that were deleted before it.
        oldest = []
        for key, text in self._store.items():
            if excess_bytes < 0:
                break
            excess_bytes -= _size_bytes(key, text)
            oldest.append(key)
        for key in oldest:
            self._drop(key)


def load_from_config(config: Any) -> Cache:
    """Return the cache that the settings describe.

    Parameters
    ----------
    config : Pyramid's configurator, or any object with ``get_settings()``.
    """
    values = config.get_settings()
    return Cache(
        cache_prefix=settings.read(values, "cache_prefix"),
        cache_max_size_bytes=settings.read(values, "cache_max_size_bytes"),
    )
