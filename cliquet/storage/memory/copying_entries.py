"""Copies from and to the storage in memory, by the contract in ``cliquet.storage.transfer``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cliquet.core.globs import matches_any
from cliquet.storage.history import new_epoch
from cliquet.storage.listing.evaluation import Entry
from cliquet.storage.memory.collection import Collection, Counter, State
from cliquet.storage.selection import CollectionKey
from cliquet.storage.transfer import (
    CollectionTimestamp,
    ExportedCollection,
    ExportedEntry,
    ImportedCollection,
    StorageTransfer,
)
from cliquet.storage.values import copy_object

__all__ = ["MemoryTransfer"]


class MemoryTransfer(StorageTransfer):
    """The part of the storage in memory for copies."""

    is_transferable = True

    def __init__(self, state: State) -> None:
        self._state = state

    def export_timestamps(self, parent_ids: Sequence[str] = ()) -> Iterator[CollectionTimestamp]:
        is_wanted = matches_any(parent_ids)
        with self._state.store.latch:
            keys = {key for key, _ in self._state.counters.items()}.union(
                self._state.first_accesses
            )
        for key in sorted(key for key in keys if is_wanted(key.parent_id)):
            timestamp = self._timestamp(key)
            if timestamp is not None:
                yield CollectionTimestamp(key.parent_id, key.collection_id, timestamp)

    def export(self, parent_ids: Sequence[str] = ()) -> Iterator[ExportedCollection]:
        for timestamp in self.export_timestamps(parent_ids):
            collection = self._state.collections.get(timestamp.key)
            with self._state.store.latch:
                history = self._state.history(timestamp.key)
            departures = [] if collection is None else sorted(collection.departures())
            yield ExportedCollection(*timestamp, _export(collection), *history, departures)

    def import_(self, collections: Sequence[ImportedCollection]) -> None:
        with self._state.store.write():
            for changes in collections:
                if changes.timestamp is None:
                    self._forget(changes.key)
                else:
                    self._change(changes, changes.timestamp)

    def rewind(self, collection_id: str, parent_id: str, now: int) -> int | None:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        with self._state.store.write():
            timestamp = self._timestamp(key)
            if timestamp is None or timestamp <= now:
                return None
            collection = self._state.collections.get(key)
            rewound, latest = 0, now + 1
            if collection is not None:
                entries = collection.entries(include_deleted=True)
                ahead = sorted((e for e in entries if e.timestamp > now), key=_age)
                for stamp, entry in enumerate(ahead, now + 1):
                    collection.set(entry._replace(timestamp=stamp))
                rewound = len(ahead)
                latest = now + max(rewound, 1)
                for departure in collection.departures():
                    position = min(departure.position, latest)
                    collection.depart(departure._replace(position=position))
            counter = self._state.counters.get(key)
            if counter is None:
                with self._state.store.latch:
                    self._state.first_accesses[key] = Counter.started(latest)
            else:
                purged = min(counter.purged, latest)
                self._state.counters.set(key, Counter(latest, counter.live, purged, new_epoch()))
        return rewound

    def forget_untouched(self, before: int) -> int:
        with self._state.store.write():
            with self._state.store.latch:
                # Collections that were written meanwhile have a counter, whose timestamp counts.
                untouched = [
                    key
                    for key, counter in self._state.first_accesses.items()
                    if counter.timestamp < before and self._state.counters.get(key) is None
                ]
            for key, counter in list(self._state.counters.items()):
                collection = self._state.collections.get(key)
                is_empty = collection is None or not collection.entries(include_deleted=True)
                if counter.timestamp < before and not counter.purged and is_empty:
                    untouched.append(key)
            for key in untouched:
                self._forget(key)
        return len(untouched)

    def _timestamp(self, key: CollectionKey) -> int | None:
        with self._state.store.latch:
            counter = self._state.counters.get(key) or self._state.first_accesses.get(key)
            return None if counter is None else counter.timestamp

    def _forget(self, key: CollectionKey) -> None:
        self._state.collections.delete(key)
        self._state.counters.delete(key)
        with self._state.store.latch:
            self._state.first_accesses.pop(key, None)

    def _change(self, changes: ImportedCollection, timestamp: int) -> None:
        key = changes.key
        present = self._state.counters.get(key)
        with self._state.store.latch:
            counter = present or self._state.first_accesses.get(key) or Counter.started(timestamp)
        live, has_removed = counter.live, False
        if changes.entries or changes.removed_ids:
            collection = self._state.writable(key)
            for object_id in changes.removed_ids:
                live -= collection.live(object_id) is not None
                has_removed = collection.forget(object_id) or has_removed
            for object_id, last_modified, data in changes.entries:
                live += (data is not None) - (collection.live(object_id) is not None)
                stored = None if data is None else copy_object(data)
                collection.set(Entry(object_id, last_modified, stored))
        if changes.departures or changes.removed_departures:
            collection = self._state.writable(key)
            for pair in changes.removed_departures:
                collection.forget_departure(*pair)
            for departure in changes.departures:
                collection.depart(departure)
        if changes.purged is not None:
            purged = changes.purged
        else:
            purged = timestamp if has_removed else min(counter.purged, timestamp)
        epoch = changes.epoch
        if epoch is None:
            epoch = new_epoch() if timestamp < counter.timestamp else counter.epoch
        self._state.counters.set(key, Counter(timestamp, live, purged, epoch))


def _age(entry: Entry) -> tuple[int, str]:
    return entry.timestamp, entry.id


def _export(collection: Collection | None) -> Iterator[ExportedEntry]:
    # The entries never change, so that they need not be copied for sorting.
    entries = [] if collection is None else collection.entries(include_deleted=True)
    for object_id, last_modified, data in sorted(entries, key=lambda entry: entry.id):
        yield ExportedEntry(object_id, last_modified, None if data is None else copy_object(data))
