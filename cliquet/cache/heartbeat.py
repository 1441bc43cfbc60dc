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

# All the processes of a service try the same key: one of them may delete it between the write
# and the reading of another.
ATTEMPTS = 3


def heartbeat(backend: CacheBase) -> Callable[[Any], bool]:
    """Return a function that tells whether `backend` works (B-17, B-21.39).

    The function takes the request, writes or deletes one entry, and reads it back: even in
    read-only mode, since a cache is no data (P-6.5). It never raises: an exception is logged and
    answered ``False``.
    """

    def is_deleted() -> bool:
        backend.delete(KEY)
        return backend.get(KEY) is None

    def is_written() -> bool:
        backend.set(KEY, VALUE, TTL_SECONDS)
        return bool(backend.get(KEY) == VALUE)

    def ping(request: Any) -> bool:
        # `random` and `logger` are looked up in the package at each call (B-24, P-35.19).
        try:
            check = is_deleted if cache.random.random() < DELETION_RATE else is_written
            return any(check() for _ in range(ATTEMPTS))
        except Exception:
            cache.logger.exception("Heartbeat Failure")
            return False

    return ping
