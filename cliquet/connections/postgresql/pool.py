"""A pool of connections that limits how many threads may wait for one."""

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
    """A queue for which at most `max_backlog` threads may wait."""

    max_backlog = NO_LIMIT

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._count_lock = threading.Lock()
        self._waiting = 0

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not block:
            return super().get(False)
        with self._count_lock:
            # If there is a connection, the thread need not wait.
            if 0 <= self.max_backlog <= self._waiting and self.empty():
                raise Empty
            self._waiting += 1
        try:
            return super().get(block, timeout)
        finally:
            with self._count_lock:
                self._waiting -= 1


class QueuePoolWithMaxBacklog(QueuePool):
    """The queue pool of SQLAlchemy, with a limit of threads that wait when it is exhausted.

    Parameters
    ----------
    creator : function that makes a connection.
    max_backlog : number of threads that may wait for a connection; -1 for no limit. One more thread
        fails at once, with the same error as a wait that took too long.
    pool_size : connections kept open; 25 by default.
    """

    _queue_class = _QueueWithMaxBacklog

    def __init__(
        self, creator: Any, max_backlog: int = NO_LIMIT, pool_size: int = 25, **options: Any
    ) -> None:
        super().__init__(creator, pool_size=pool_size, **options)
        self._pool.max_backlog = max_backlog  # type: ignore[attr-defined]

    # Each request takes a connection and brings it back. SQLAlchemy and the conditions of its queue
    # are functions in Python, which are only called if there is no connection, or no room for it,
    # or if a thread waits.

    def _do_get(self) -> Any:
        queue: Any = self._pool
        with queue.mutex:
            if queue.queue:
                return queue.queue.pop() if queue.use_lifo else queue.queue.popleft()
        return super()._do_get()

    def _do_return_conn(self, record: Any) -> None:
        queue: Any = self._pool
        with queue.mutex:
            if not queue._waiting and (queue.maxsize <= 0 or len(queue.queue) < queue.maxsize):
                queue.queue.append(record)
                return
        super()._do_return_conn(record)

    def recreate(self) -> QueuePool:
        """Return a new pool like this one; SQLAlchemy calls it after a disconnection."""
        pool = super().recreate()
        pool._pool.max_backlog = self._pool.max_backlog  # type: ignore[attr-defined]
        return pool
