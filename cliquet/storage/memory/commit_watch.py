"""Tells a thread of each commit in memory, at once."""

from __future__ import annotations

import threading

from cliquet.connections.memory import MemoryStore
from cliquet.storage.watching import ChangeWatch

__all__ = ["CommitWatch"]


class CommitWatch(ChangeWatch):
    """Is woken by the commits of a store."""

    def __init__(self, store: MemoryStore) -> None:
        self._committed = threading.Event()
        self._store = store
        store.tell_of_commits(self._committed)

    def wait(self, seconds: float) -> bool:
        has_changed = self._committed.wait(seconds)
        # A later commit sets it again, and is asked about again.
        self._committed.clear()
        return has_changed

    def close(self) -> None:
        self._store.tell_of_commits_no_more(self._committed)
