"""A pool of connections that limits how many threads may wait for one (B-11.12)."""

from __future__ import annotations

import threading
from typing import Any

try:
    from sqlalchemy.pool import QueuePool
    from sqlalchemy.util.queue import Empty, Queue
except ImportError:  # pragma: no cover - `create_from_config` says that the extra is missing
    QueuePool = Queue = object  # type: ignore[assignment,misc]

__all__ = ["QueuePoolWithMaxBacklog"]

NO_LIMIT = -1


class _QueueWithMaxBacklog(Queue):  # type: ignore[type-arg]
    """Refuses to let more than `max_backlog` threads wait."""

    max_backlog = NO_LIMIT

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._count_lock = threading.Lock()
        self._waiting = 0

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not block:
            return super().get(block, timeout)
        with self._count_lock:
            # A connection that is there needs no waiting.
            if 0 <= self.max_backlog <= self._waiting and self.empty():
                raise Empty
            self._waiting += 1
        try:
            return super().get(block, timeout)
        finally:
            with self._count_lock:
                self._waiting -= 1


class QueuePoolWithMaxBacklog(QueuePool):
    """The queue pool of SQLAlchemy; when it is exhausted, only so many threads may wait.

    Parameters
    ----------
    creator : makes a connection.
    max_backlog : threads that may wait for a connection; one more fails at once, with the error of
        a wait that took too long. -1 for no limit.
    pool_size : connections kept open; 25 by default (B-21.27).
    """

    _queue_class = _QueueWithMaxBacklog

    def __init__(
        self, creator: Any, max_backlog: int = NO_LIMIT, pool_size: int = 25, **options: Any
    ) -> None:
        super().__init__(creator, pool_size=pool_size, **options)
        self._pool.max_backlog = max_backlog  # type: ignore[attr-defined]

    def recreate(self) -> QueuePool:
        """Return a new pool like this one, as the toolkit does after a disconnection (B-11.14)."""
        pool = super().recreate()
        pool._pool.max_backlog = self._pool.max_backlog  # type: ignore[attr-defined]
        return pool
