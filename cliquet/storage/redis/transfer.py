"""Copies from and to the storage in Redis (E-7.3): its part of the contract in ``transfer``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from cliquet.storage.redis.commits import EXACT, Change, Part
from cliquet.storage.redis.database import Database
from cliquet.storage.redis.values import Home
from cliquet.storage.transfer import (
    CollectionTimestamp,
    ExportedCollection,
    ExportedEntry,
    ImportedCollection,
)
from cliquet.storage.values import copy_object

__all__ = ["RedisTransfer"]

T = TypeVar("T")

# Entries, or collections, asked for at once.
BATCH = 500


class RedisTransfer:
    """Reads and writes collections as they are.

    Redis keeps nothing in order: the names of all collections, and the ids of one, are held.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def export_timestamps(self) -> Iterator[CollectionTimestamp]:
        homes = sorted(self._database.homes(), key=lambda home: home[::-1])
        for batch in _batches(homes):
            timestamps = self._database.timestamps_of(batch)
            for home, timestamp in zip(batch, timestamps, strict=True):
                if timestamp is not None:
                    yield CollectionTimestamp(home.parent_id, home.collection_id, timestamp)

    def export(self) -> Iterator[ExportedCollection]:
        for timestamp in self.export_timestamps():
            home = Home(timestamp.collection_id, timestamp.parent_id)
            yield ExportedCollection(*timestamp, entries=self._entries(home))

    def import_(self, collections: Sequence[ImportedCollection]) -> None:
        for given in collections:
            home = Home(given.collection_id, given.parent_id)
            if given.timestamp is None:
                self._database.forget(home)
                continue
            latest = str(given.timestamp)
            changes = {one: Change("forget", one, latest) for one in given.removed_ids}
            for entry in given.entries:
                changes[entry.id] = _change(entry)
            part = Part(first=EXACT, latest=latest, changes=changes)
            self._database.commit({home: part})

    def rewind(self, collection_id: str, parent_id: str, now: int) -> int | None:
        number = self._database.rewind(Home(collection_id, parent_id), now)
        return None if number < 0 else number

    def forget_untouched(self, before: int) -> int:
        homes = [
            Home(one.collection_id, one.parent_id)
            for one in self.export_timestamps()
            if one.timestamp < before
        ]
        return sum(self._database.forget_untouched(home, before) for home in homes)

    def _entries(self, home: Home) -> Iterator[ExportedEntry]:
        for batch in _batches(sorted(self._database.ids(home))):
            # One that has vanished meanwhile is left out.
            for stored in self._database.entries(home, batch).stored.values():
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
