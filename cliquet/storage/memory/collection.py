"""The content of the storage in memory: collections with their counters, and first accesses."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from cliquet.connections.memory import MemoryStore, TransactionalMap
from cliquet.core.globs import compile_pattern
from cliquet.storage.departures import StoredDeparture
from cliquet.storage.history import History, new_epoch
from cliquet.storage.listing.evaluation import Entry
from cliquet.storage.ordering import SortKey, resolve, sort_key
from cliquet.storage.query import MISSING
from cliquet.storage.selection import CollectionKey, Scope

__all__ = ["Bump", "Collection", "Counter", "State"]


Bump = Callable[[int | None, int | None], tuple[int, int]]
"""Chooses the timestamps of a change, from that of the collection and a wanted one."""

# Greatest number of timestamps of collections that were read and never written. Beyond it, the
# least recently read ones are forgotten.
MAX_FIRST_ACCESSES = 10_000


class Counter(NamedTuple):
    """The values of a collection that stay for ever, even if all is deleted or purged."""

    timestamp: int
    live: int
    purged: int
    epoch: str

    @classmethod
    def started(cls, timestamp: int, live: int = 0) -> Counter:
        """Return the counter of a collection that had none."""
        return cls(timestamp, live, 0, new_epoch())


class Index:
    """Finds the live entries with a value in one field.

    It is filled at the first lookup. The map also contains whether it was filled, so that this is
    undone with the rest if the request is rolled back.
    """

    _FILLED: SortKey = ("filled",)

    def __init__(self, store: MemoryStore) -> None:
        # The ids by the key of their value. There may be several, if they were stored before the
        # field was declared unique.
        self._ids: TransactionalMap[SortKey, tuple[str, ...]] = TransactionalMap(store)

    @property
    def is_filled(self) -> bool:
        return self._ids.get(self._FILLED) is not None

    def fill(self, field: str, entries: list[Entry]) -> None:
        self._ids.set(self._FILLED, ())
        for entry in entries:
            self.add(field, entry)

    def add(self, field: str, entry: Entry) -> None:
        key = _unique_key(field, entry)
        if key is not None:
            self._ids.set(key, (*(self._ids.get(key) or ()), entry.id))

    def remove(self, field: str, entry: Entry) -> None:
        key = _unique_key(field, entry)
        if key is not None:
            others = tuple(other for other in self._ids.get(key) or () if other != entry.id)
            if others:
                self._ids.set(key, others)
            else:
                self._ids.delete(key)

    def find(self, key: SortKey) -> tuple[str, ...]:
        return self._ids.get(key) or ()


def _unique_key(field: str, entry: Entry) -> SortKey | None:
    """Return the key for an index; ``None`` for a value that is not compared (B-7.2)."""
    value = MISSING if entry.data is None else resolve(entry.data, field)
    return None if value is None or value is MISSING else sort_key(value)


class Collection:
    """The live and deleted entries of one collection, and the indexes of its unique fields.

    The cost of a read or a write of one entry does not depend on the number of entries. All methods
    that change something need the write lock.
    """

    def __init__(self, store: MemoryStore, key: CollectionKey) -> None:
        self.key = key
        self._store = store
        # Both kinds are in one map, because an id is never live and deleted at the same time
        # (B-1.5).
        self._entries: TransactionalMap[str, Entry] = TransactionalMap(store)
        self._indexes: dict[str, Index] = {}
        self._departures: TransactionalMap[tuple[str, str], StoredDeparture]
        self._departures = TransactionalMap(store)

    def departures(self) -> list[StoredDeparture]:
        return self._departures.values()

    def depart(self, departure: StoredDeparture) -> None:
        self._departures.set(departure[:2], departure)

    def forget_departure(self, object_id: str, principal: str) -> None:
        self._departures.delete((object_id, principal))

    def live(self, object_id: str) -> Entry | None:
        entry = self._entries.get(object_id)
        return None if entry is None or entry.data is None else entry

    def tombstone(self, object_id: str) -> Entry | None:
        entry = self._entries.get(object_id)
        return None if entry is None or entry.data is not None else entry

    def entries(self, *, include_deleted: bool) -> list[Entry]:
        entries = self._entries.values()
        return entries if include_deleted else [e for e in entries if e.data is not None]

    def set(self, entry: Entry) -> None:
        if self._indexes:
            self._unindex(entry.id)
        self._entries.set(entry.id, entry)
        for field, index in self._indexes.items():
            if index.is_filled:
                index.add(field, entry)

    def forget(self, object_id: str) -> bool:
        """Remove a record or a tombstone; return whether there was one."""
        is_there = self._entries.get(object_id) is not None
        self._unindex(object_id)
        self._entries.delete(object_id)
        return is_there

    def with_same_value(self, field: str, entry: Entry) -> Entry | None:
        """Return another live entry with the same value in `field` as `entry`."""
        key = _unique_key(field, entry)
        if key is None:
            return None
        index = self._indexes.get(field)
        if index is None:
            index = self._indexes[field] = Index(self._store)
        if not index.is_filled:
            index.fill(field, self.entries(include_deleted=False))
        others = [other for other in index.find(key) if other != entry.id]
        return self.live(others[0]) if others else None

    def _unindex(self, object_id: str) -> None:
        previous = self._entries.get(object_id)
        if previous is not None:
            for field, index in self._indexes.items():
                if index.is_filled:
                    index.remove(field, previous)


class State:
    """The collections of one storage.

    Attributes
    ----------
    first_accesses : counters of collections that were read and never written. They are outside of
        the transactions, unlike the rest (X-22); the caller holds the latch.
    bump : is called before each change; an exception prevents the change.
    """

    def __init__(self, store: MemoryStore, bump: Bump) -> None:
        self.store = store
        self.bump = bump
        self.collections: TransactionalMap[CollectionKey, Collection] = TransactionalMap(store)
        self.counters: TransactionalMap[CollectionKey, Counter] = TransactionalMap(store)
        self.first_accesses: OrderedDict[CollectionKey, Counter] = OrderedDict()

    def flush(self) -> None:
        with self.store.write():
            self.collections.clear()
            self.counters.clear()
            with self.store.latch:
                self.first_accesses.clear()

    def timestamp(self, key: CollectionKey) -> int | None:
        """Return the timestamp of a collection, if it has one. The caller holds the latch."""
        counter = self.counters.get(key)
        if counter is not None:
            return counter.timestamp
        counter = self.first_accesses.get(key)
        if counter is None:
            return None
        self.first_accesses.move_to_end(key)
        return counter.timestamp

    def history(self, key: CollectionKey) -> History:
        """Return the horizon and the epoch of a collection. The caller holds the latch."""
        counter = self.counters.get(key) or self.first_accesses.get(key)
        return History() if counter is None else History(counter.purged, counter.epoch)

    def purge_until(self, key: CollectionKey, position: int | None) -> None:
        """Move the horizon of a collection forward. The caller holds the write lock.

        Parameters
        ----------
        position : the new horizon, if it is later; ``None`` for the timestamp of the collection.
        """
        counter = self.counters.get(key)
        if counter is not None:
            purged = counter.timestamp if position is None else max(counter.purged, position)
            self.counters.set(key, counter._replace(purged=purged))

    def access(self, key: CollectionKey) -> int:
        """Give a collection its first timestamp and return it. The caller holds the latch."""
        timestamp, _ = self.bump(None, None)
        pending = self.counters.latest(key)
        counter = Counter.started(timestamp)
        if pending is not None:
            # The first write of the collection has not committed yet. Its timestamp must be later
            # than all those that were published before it (D-60).
            timestamp = min(timestamp, pending.timestamp - 1)
            counter = Counter(timestamp, 0, 0, pending.epoch)
        self.first_accesses[key] = counter
        if len(self.first_accesses) > MAX_FIRST_ACCESSES:
            self.first_accesses.popitem(last=False)
        return timestamp

    def matching(self, scope: Scope) -> list[Collection]:
        """Return the collections of the scope."""
        one = scope.key
        if one is not None:
            found = self.collections.get(one)
            return [] if found is None else [found]
        matches = compile_pattern(scope.parent_id)
        return [
            collection
            for key, collection in self.collections.items()
            if scope.collection_id in (None, key.collection_id) and matches(key.parent_id)
        ]

    def entries(self, scope: Scope, *, include_deleted: bool) -> list[Entry]:
        """Return all entries of the scope at one moment."""
        with self.store.latch:
            return [
                entry
                for collection in self.matching(scope)
                for entry in collection.entries(include_deleted=include_deleted)
            ]

    def writable(self, key: CollectionKey) -> Collection:
        """Return a collection, which is created if necessary. The caller holds the write lock."""
        collection = self.collections.get(key)
        if collection is None:
            collection = Collection(self.store, key)
            self.collections.set(key, collection)
        return collection

    def advance(self, key: CollectionKey, supplied: int | None, added: int) -> int:
        """Change the counter of a collection; return the timestamp of the record written."""
        with self.store.latch:
            counter = self.counters.get(key)
            counter = counter or self.first_accesses.get(key)
            if counter is None:
                timestamp, latest = self.bump(None, supplied)
                counter = Counter.started(latest, added)
            else:
                timestamp, latest = self.bump(counter.timestamp, supplied)
                counter = Counter(latest, counter.live + added, counter.purged, counter.epoch)
            self.counters.set(key, counter)
        return timestamp
