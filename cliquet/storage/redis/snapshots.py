"""Collections at one moment, as the storage in Redis reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from cliquet.connections.redis.names import from_bytes
from cliquet.storage.history import History
from cliquet.storage.listing.evaluation import Entry
from cliquet.storage.redis.values import Stored, read
from cliquet.storage.selection import CollectionKey

__all__ = ["Snapshot", "history_of", "integer", "snapshots_of"]


class Snapshot(NamedTuple):
    """A collection at one moment.

    Attributes
    ----------
    timestamp : timestamp of the collection; ``None`` if it was never touched.
    revision : revision of its last change; empty if nothing was ever written to it.
    is_locked : whether somebody repeats an operation on it.
    stored : the wanted entries by id, including those that do not exist.
    history : horizon and epoch of the collection, if they were asked for; the epoch is empty for
        data of former versions.
    """

    timestamp: int | None
    revision: bytes
    is_locked: bool
    stored: dict[str, Stored]
    history: History | None = None

    def entries(self) -> list[Entry]:
        """Return the existing records and tombstones."""
        return [stored.entry for stored in self.stored.values() if stored.entry is not None]


def snapshots_of(
    keys: Sequence[CollectionKey], answers: Sequence[Any], *, include_deleted: bool
) -> dict[CollectionKey, Snapshot]:
    """Read the answers to the commands that ask for snapshots."""
    snapshots = {}
    number = len(answers) // max(len(keys), 1)
    for rank, key in enumerate(keys):
        timestamp, revision, lock, records, *more = answers[number * rank : number * (rank + 1)]
        stored = {}
        tombstones, *history = more if include_deleted else ({},)
        for name, value in tombstones.items():
            object_id = from_bytes(name)
            stored[object_id] = read(object_id, None, value)
        for name, value in records.items():
            object_id = from_bytes(name)
            stored[object_id] = read(object_id, value)
        snapshots[key] = Snapshot(
            integer(timestamp),
            revision or b"",
            lock is not None,
            stored,
            history_of(timestamp, *history) if include_deleted else None,
        )
    return snapshots


def history_of(timestamp: bytes | None, purged: bytes | None, epoch: bytes | None) -> History:
    """Read what is stored of the history of a collection with a timestamp."""
    if timestamp is None:
        return History()
    return History(integer(purged) or 0, "" if epoch is None else epoch.decode())


def integer(text: bytes | None) -> int | None:
    """Read a number, if there is one."""
    return None if text is None else int(text)
