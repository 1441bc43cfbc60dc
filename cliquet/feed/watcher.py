"""One thread of a process that asks which of the watched collections have changed (E-14.5).

It knows neither requests nor users: those who wait say which collection they watch, and are woken
when its position moves. To be woken is a hint: a reader who asks for the changes after a position
of their own misses none, and only gets them later if nobody wakes them.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from cliquet.core.forks import in_child
from cliquet.monitoring import logs
from cliquet.storage import StorageBase
from cliquet.storage.selection import CollectionKey
from cliquet.storage.watching import Position

__all__ = ["INTERVAL_SECONDS", "Wake", "Watcher"]

INTERVAL_SECONDS: Final = 0.25
"""Time between two questions, in which other processes may have written."""

_MAX_PAUSE_SECONDS: Final = 5.0

Wake = Callable[[Position | None], None]
"""Is told the position of a collection; it must return at once, and must not raise."""


class Watcher:
    """Wakes those who wait for changes of collections.

    The thread begins when somebody watches, and ends when nobody does.

    Parameters
    ----------
    storage : is asked for positions.
    """

    def __init__(self, storage: StorageBase) -> None:
        self._storage = storage
        self._forget()
        in_child(self, Watcher._forget)

    def _forget(self) -> None:
        # The thread, and those who wait, stay in the parent of a fork.
        self._lock = threading.Lock()
        self._wakes: dict[CollectionKey, set[Wake]] = {}
        self._positions: dict[CollectionKey, Position | None] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, key: CollectionKey, wake: Wake) -> Iterator[None]:
        """Have a function called when a collection moves, until the end of the block.

        The first who watches a collection is called once more, because nobody knows yet whether
        it has moved since it was read for the last time.
        """
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(
                    target=self._run, name="cliquet-feed-watcher", daemon=True
                )
                # It waits for the lock. If there are too many threads, it is not there, and the
                # next one who watches tries again.
                thread.start()
                self._thread = thread
            self._wakes.setdefault(key, set()).add(wake)
        try:
            yield
        finally:
            with self._lock:
                others = self._wakes.get(key, set())
                others.discard(wake)
                if not others:
                    self._wakes.pop(key, None)
                    self._positions.pop(key, None)

    @property
    def is_running(self) -> bool:
        """Whether the thread is there."""
        return self._thread is not None

    def _run(self) -> None:
        pause_seconds = INTERVAL_SECONDS
        while True:
            watch = None
            try:
                watch = self._storage.watch_changes()
                while True:
                    has_changed = watch.wait(INTERVAL_SECONDS)
                    keys = self._wanted(has_changed=has_changed)
                    if keys is None:
                        return
                    if keys:
                        self._tell(keys, self._storage.collection_positions(keys))
                    pause_seconds = INTERVAL_SECONDS
            except Exception as error:
                # Storages of others may raise anything, and the thread must outlive it.
                logs.logger.warning("feed.watch", exc_info=error)
                pause_seconds = min(2 * pause_seconds, _MAX_PAUSE_SECONDS)
            finally:
                if watch is not None:
                    watch.close()
            if self._wanted(has_changed=True) is None:
                return
            # Many processes do not come back to a server at the same moment.
            threading.Event().wait(pause_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - no secret

    def _wanted(self, *, has_changed: bool) -> list[CollectionKey] | None:
        """Return the collections to ask about; ``None`` if nobody watches, so that this ends."""
        with self._lock:
            if not self._wakes:
                self._thread = None
                return None
            if has_changed:
                return list(self._wakes)
            # Of new ones, nobody knows the position yet.
            return [key for key in self._wakes if key not in self._positions]

    def _tell(self, keys: list[CollectionKey], found: dict[CollectionKey, Position]) -> None:
        woken: list[tuple[Wake, Position | None]] = []
        with self._lock:
            for key in keys:
                if key not in self._wakes:
                    continue
                position = found.get(key)
                if key not in self._positions or self._positions[key] != position:
                    self._positions[key] = position
                    woken += [(wake, position) for wake in self._wakes[key]]
        for wake, position in woken:
            wake(position)
