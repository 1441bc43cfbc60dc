"""How many clients may wait in the threads of a server, so that some are left for other requests.

WSGI does not tell an application how many threads its server has. The program that makes the server
says it here, as it belongs to the process, and not to an application.
"""

from __future__ import annotations

from typing import Final

__all__ = ["announce", "limit"]

_KEPT_THREADS: Final = 4

_threads: int | None = None


def announce(threads: int | None) -> None:
    """Say how many threads the server of this process has; ``None`` if nobody knows.

    .. versionadded:: 3.2
    """
    global _threads
    _threads = threads


def limit(max_streams: int | None) -> int | None:
    """Return how many clients may wait.

    Parameters
    ----------
    max_streams : the setting ``feed_max_streams``; ``None`` for no limit.
    """
    if _threads is None:
        return max_streams
    free = max(_threads - _KEPT_THREADS, _threads // 2)
    return free if max_streams is None else min(free, max_streams)
