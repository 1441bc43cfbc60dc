"""Copies from and to the storage in Redis, by the contract in ``cliquet.storage.transfer``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from cliquet.core.globs import matches_any
from cliquet.storage.departures import StoredDeparture
from cliquet.storage.redis.commits import EXACT, Change, Part
from cliquet.storage.redis.database import Database
from cliquet.storage.selection import CollectionKey
from cliquet.storage.transfer import (
    CollectionTimestamp,
    ExportedCollection,
    ExportedEntry,
    ImportedCollection,
    StorageTransfer,
)
from cliquet.storage.values import copy_object

__all__ = ["RedisTransfer"]

T = TypeVar("T")

# Number of entries or collections that are read at once.
BATCH = 500


class RedisTransfer(StorageTransfer):
    """Reads and writes collections without changes.

    Redis keeps no order, so that the names of all collections, and the ids of one, are in memory.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def export_timestamps(self, parent_ids: Sequence[str] = ()) -> Iterator[CollectionTimestamp]:
        is_wanted = matches_any(parent_ids)
        stored = self._database.directory.keys()
        keys = sorted(key for key in stored if is_wanted(key.parent_id))
        for batch in _batches(keys):
            timestamps = self._database.directory.timestamps_of(batch)
            for key, timestamp in zip(batch, timestamps, strict=True):
                if timestamp is not None:
                    yield CollectionTimestamp(key.parent_id, key.collection_id, timestamp)

    def export(self, parent_ids: Sequence[str] = ()) -> Iterator[ExportedCollection]:
        for timestamp in self.export_timestamps(parent_ids):
            key = timestamp.key
            history = self._database.history(key)
            yield ExportedCollection(
                *timestamp, self._entries(key), *history, self._departures(key)
            )

    def import_(self, collections: Sequence[ImportedCollection]) -> None:
        for given in collections:
            key = given.key
            if given.timestamp is None:
                self._database.forget(key)
                continue
            latest = str(given.timestamp)
            changes = {one: Change("forget", one, latest) for one in given.removed_ids}
            for entry in given.entries:
                changes[entry.id] = _change(entry)
            part = Part(
                first=EXACT,
                latest=latest,
                horizon="" if given.purged is None else str(given.purged),
                epoch=given.epoch or "",
                changes=changes,
            )
            part.departures.update(dict.fromkeys(given.removed_departures))
            part.departures.update({one[:2]: one for one in given.departures})
            self._database.commit({key: part})

    def rewind(self, collection_id: str, parent_id: str, now: int) -> int | None:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        number = self._database.rewind(key, now)
        return None if number < 0 else number

    def forget_untouched(self, before: int) -> int:
        keys = [one.key for one in self.export_timestamps() if one.timestamp < before]
        return sum(self._database.forget_untouched(key, before) for key in keys)

    def _departures(self, key: CollectionKey) -> Iterator[StoredDeparture]:
        # They are read when the caller comes to them, after the entries.
        yield from sorted(self._database.departures(key))

    def _entries(self, key: CollectionKey) -> Iterator[ExportedEntry]:
        for batch in _batches(sorted(self._database.ids(key))):
            # An entry that has vanished meanwhile is left out.
            for stored in self._database.entries(key, batch).stored.values():
                if stored.entry is not None:
                    object_id, timestamp, data = stored.entry
                    copy = None if data is None else copy_object(data)
                    yield ExportedEntry(object_id, timestamp, copy)


def _change(entry: ExportedEntry) -> Change:
    timestamp = str(entry.last_modified)
    if entry.data is None:
        return Change("bury", entry.id, timestamp)
    return Change("put", entry.id, timestamp, copy_object(entry.data))


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
