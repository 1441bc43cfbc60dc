"""A storage in the memory of the process.

Processes do not share it, and it is lost when its process ends: it is for development, tests and
services with a single process. It takes part in the transaction of a request and its savepoints.
"""

from __future__ import annotations

from typing import Any

from cliquet import utils
from cliquet.connections.memory import MemoryStore
from cliquet.storage.joining import JoinedTransactions
from cliquet.storage.listing.memory_based import MemoryBasedStorage
from cliquet.storage.memory.collection import State
from cliquet.storage.memory.commit_watch import CommitWatch
from cliquet.storage.memory.copying_entries import MemoryTransfer
from cliquet.storage.memory.departures import Departures
from cliquet.storage.memory.reading import Reader
from cliquet.storage.memory.writing import Writer
from cliquet.storage.several import StorageOfSeveral
from cliquet.storage.timestamps import next_timestamps, require_timestamp
from cliquet.storage.watching import ChangeWatch

__all__ = ["MemoryBasedStorage", "Storage", "load_from_config"]


class Storage(StorageOfSeveral):
    """Storage in memory.

    .. code-block:: ini

        cliquet.storage_backend = cliquet.storage.memory

    Only one request writes at a time, from its first write until its end. The others read
    meanwhile, and see the last committed state.
    """

    gives_texts = True

    def __init__(self) -> None:
        store = MemoryStore("Storage in memory", commits_last=True)
        state = State(
            store,
            # It is looked up at each call, because tests replace it.
            lambda previous, supplied: self._bump_timestamp(previous, supplied),
        )
        writer = Writer(state)
        super().__init__(
            reader=Reader(state),
            writer=writer,
            bulk=writer,
            transactions=JoinedTransactions(lambda: store.is_owner, writer.run_locked),
            transfer=MemoryTransfer(state),
            departures=Departures(state),
        )
        self._state = state
        self._store = store

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Do nothing, because there is no schema."""

    def flush(self, auth: str | None = None) -> None:
        self._state.flush()

    def watch_changes(self) -> ChangeWatch:
        return CommitWatch(self._store)

    def _bump_timestamp(self, previous: int | None, supplied: int | None) -> tuple[int, int]:
        """Choose the timestamps of a change; tests replace this to make the backend fail (B-9.3).

        Parameters
        ----------
        previous : timestamp of the collection, or ``None`` if it was never touched.
        supplied : timestamp that the caller wants for the record.

        Returns
        -------
        tuple : timestamp of the record, and the new one of the collection, which is always greater
            than the previous one (X-19).
        """
        return next_timestamps(previous, require_timestamp(supplied), utils.msec_time())


def load_from_config(config: Any) -> Storage:
    """Return a new, empty storage; no setting is read (B-9.1)."""
    return Storage()
