"""The health check of the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cliquet import cache
from cliquet.cache.base import CacheBase

__all__ = ["heartbeat"]

KEY = "__heartbeat__"
VALUE = "alive"
TTL_SECONDS = 3600
DELETION_RATE = 0.5

# All the processes of a service use the same key: one may delete it between the write and the read
# of another.
ATTEMPTS = 3


def heartbeat(backend: CacheBase) -> Callable[[Any], bool]:
    """Return a function that checks whether `backend` works.

    The function takes the request, writes or deletes one entry, and reads it back. It does so in
    read-only mode too, because the entries of a cache are not data. It never raises: it
    logs an exception and returns ``False``.
    """

    def is_deleted() -> bool:
        backend.delete(KEY)
        return backend.get(KEY) is None

    def is_written() -> bool:
        backend.set(KEY, VALUE, TTL_SECONDS)
        return bool(backend.get(KEY) == VALUE)

    def ping(request: Any) -> bool:
        # `random` and `logger` are looked up in the package at each call, where tests replace them
        # (B-24).
        try:
            check = is_deleted if cache.random.random() < DELETION_RATE else is_written
            return any(check() for _ in range(ATTEMPTS))
        except Exception:
            cache.logger.exception("Heartbeat Failure")
            return False

    return ping
