"""The writes of the storage in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from cliquet.core.globs import exact
from cliquet.storage import departures
from cliquet.storage.exceptions import RecordNotFoundError, UnicityError
from cliquet.storage.listing import evaluation
from cliquet.storage.listing.evaluation import Entry
from cliquet.storage.memory.collection import Collection, State
from cliquet.storage.purging import sliced
from cliquet.storage.selection import CollectionKey, Draft, Names, Scope, Selection
from cliquet.types import Record

__all__ = ["Writer"]

T = TypeVar("T")


class Writer:
    """The part of the storage in memory that writes: single records, and many at once."""

    def __init__(self, state: State) -> None:
        self._state = state

    def run_locked(self, operation: Callable[[], T], key: CollectionKey) -> T:
        """Run an operation while nobody else writes to any collection."""
        with self._state.store.write():
            return operation()

    def put(self, draft: Draft) -> Record:
        with self._state.store.write():
            return self._put(self._state.writable(draft.key), draft)

    def create_all(self, drafts: Sequence[Draft]) -> list[Record]:
        return self.put_all(drafts)

    def put_all(self, drafts: Sequence[Draft]) -> list[Record]:
        if not drafts:
            return []
        with self._state.store.write():
            collection = self._state.writable(drafts[0].key)
            return [self._put(collection, draft) for draft in drafts]

    def _put(self, collection: Collection, draft: Draft) -> Record:
        """Store a record; return a copy. The caller holds the write lock."""
        names = draft.names
        existing = collection.live(draft.id)
        if draft.is_new and existing is not None:
            raise UnicityError(names.id_field, existing.to_stored_record(names))
        for field in draft.unique_fields:
            if field in names[:2]:
                continue
            other = collection.with_same_value(field, Entry(draft.id, 0, draft.data))
            if other is not None:
                raise UnicityError(field, other.to_stored_record(names))
        added = 1 if existing is None else 0
        entry = Entry(draft.id, self._state.advance(draft.key, draft.supplied, added), draft.data)
        collection.set(entry)
        return entry.to_stored_record(names)

    def delete_each(
        self, key: CollectionKey, object_ids: Sequence[str], names: Names
    ) -> list[Record]:
        with self._state.store.write():
            return [
                self.delete(key, object_id, names, supplied=None, with_deleted=True)
                for object_id in object_ids
            ]

    def delete(
        self,
        key: CollectionKey,
        object_id: str,
        names: Names,
        *,
        supplied: int | None,
        with_deleted: bool,
    ) -> Record:
        with self._state.store.write():
            collection = self._state.collections.get(key)
            if collection is None or collection.live(object_id) is None:
                raise RecordNotFoundError(object_id)
            tombstone = self._delete(collection, object_id, supplied, with_deleted=with_deleted)
        return tombstone.to_stored_record(names)

    def delete_selected(self, selection: Selection, *, with_deleted: bool) -> list[Record]:
        names = selection.names
        with self._state.store.write():
            # Equal entries may be in several collections, so that they are distinguished by
            # identity.
            homes: dict[int, Collection] = {}
            entries = []
            for collection in self._state.matching(selection.scope):
                for entry in collection.entries(include_deleted=False):
                    homes[id(entry)] = collection
                    entries.append(entry)
            entries = evaluation.matching(entries, selection)
            tombstones = [
                self._delete(homes[id(entry)], entry.id, None, with_deleted=with_deleted)
                for entry in evaluation.on_page(entries, selection)
            ]
        return [tombstone.to_stored_record(names) for tombstone in tombstones]

    def trim(self, selection: Selection, max_objects: int, *, with_deleted: bool) -> int:
        trimmed = 0
        with self._state.store.write():
            for collection in self._state.matching(selection.scope):
                entries = evaluation.surplus(
                    collection.entries(include_deleted=False), selection, max_objects
                )
                for entry in entries:
                    self._delete(collection, entry.id, None, with_deleted=with_deleted)
                trimmed += len(entries)
        return trimmed

    def purge(self, scope: Scope, *, before: int | None, max_retained: int | None) -> int:
        purged = 0
        with self._state.store.write():
            for collection in self._state.matching(scope):
                tombstones = evaluation.purgeable(
                    collection.entries(include_deleted=True), before, max_retained
                )
                for entry in tombstones:
                    collection.forget(entry.id)
                    self._state.purge_until(collection.key, entry.timestamp)
                purged += len(tombstones)
                for departure in departures.purgeable(
                    collection.departures(), before, max_retained
                ):
                    collection.forget_departure(departure.id, departure.principal)
                    self._state.purge_until(collection.key, departure.position)
        return purged

    def purge_slices(
        self, key: CollectionKey, size: int, *, before: int | None, max_retained: int | None
    ) -> Iterator[int]:
        scope = Scope(collection_id=key.collection_id, parent_id=exact(key.parent_id))
        with self._state.store.latch:
            collection = self._state.collections.get(key)
        entries = () if collection is None else collection.entries(include_deleted=True)
        departed = () if collection is None else collection.departures()
        positions = [one.timestamp for one in evaluation.purgeable(entries, before, max_retained)]
        positions += [one.position for one in departures.purgeable(departed, before, max_retained)]
        for found in sliced(positions, size, int):
            yield self.purge(scope, before=found[-1] + 1, max_retained=max_retained)

    def _delete(
        self,
        collection: Collection,
        object_id: str,
        supplied: int | None,
        *,
        with_deleted: bool,
    ) -> Entry:
        """Delete an existing record; return its tombstone. The caller holds the write lock."""
        tombstone = Entry(object_id, self._state.advance(collection.key, supplied, -1), None)
        if with_deleted:
            collection.set(tombstone)
        else:
            collection.forget(object_id)
            # A deletion with a timestamp of the past happens now all the same.
            self._state.purge_until(collection.key, None)
        return tombstone
