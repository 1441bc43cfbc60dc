"""A storage in the memory of the process.

Not shared between processes, and lost with the process: for development, tests and services that
run as one process. Takes part in the request's transaction and its savepoints (X-18).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from cliquet import utils
from cliquet.connections.memory import MemoryStore, TransactionalMap
from cliquet.core.globs import as_published, compile_pattern
from cliquet.storage import exceptions
from cliquet.storage.base import (
    DEFAULT_DELETED_FIELD,
    DEFAULT_ID_FIELD,
    DEFAULT_MODIFIED_FIELD,
    Page,
    StorageBase,
)
from cliquet.storage.collection_key import CollectionKey, Scope
from cliquet.storage.joining import JoiningStorage
from cliquet.storage.listing import evaluation
from cliquet.storage.listing.evaluation import Entry, Names
from cliquet.storage.listing.memory_based import MemoryBasedStorage
from cliquet.storage.memory.collection import Collection, Counter
from cliquet.storage.memory.transfer import MemoryTransfer
from cliquet.storage.query import Filter, PaginationRule, Sort
from cliquet.storage.timestamps import next_timestamps, require_timestamp
from cliquet.storage.values import copy_object
from cliquet.types import IdGenerator, Record

__all__ = ["MemoryBasedStorage", "Storage", "load_from_config"]

T = TypeVar("T")

# Timestamps of collections that were read and never written: beyond this number, the least
# recently read are forgotten.
MAX_FIRST_ACCESSES = 10_000


class Storage(MemoryTransfer, JoiningStorage, StorageBase):
    """Storage in memory.

    .. code-block:: ini

        cliquet.storage_backend = cliquet.storage.memory

    One request writes at a time, from its first write until it ends; the others read meanwhile,
    and see what was last committed.
    """

    is_transferable = True
    pages_have_timestamp = True

    def __init__(self) -> None:
        self._store = MemoryStore("Storage in memory", commits_last=True)
        self._collections: TransactionalMap[CollectionKey, Collection]
        self._collections = TransactionalMap(self._store)
        self._counters: TransactionalMap[CollectionKey, Counter] = TransactionalMap(self._store)
        # Outside the transactions, unlike the rest; the latch is held.
        self._first_accesses: OrderedDict[CollectionKey, int] = OrderedDict()

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Do nothing: there is no schema."""

    def flush(self, auth: str | None = None) -> None:
        with self._store.write():
            self._collections.clear()
            self._counters.clear()
            with self._store.latch:
                self._first_accesses.clear()

    def _is_in_transaction(self) -> bool:
        return self._store.is_owner

    def _atomic(self, operation: Callable[[], T], key: CollectionKey) -> T:
        with self._store.write():
            return operation()

    def collection_timestamp(
        self, collection_id: str, parent_id: str, auth: str | None = None
    ) -> int:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        with self._store.latch:
            timestamp = self._timestamp(key)
            return self._access(key) if timestamp is None else timestamp

    def _timestamp(self, key: CollectionKey) -> int | None:
        """Return the timestamp of a collection, if it was ever touched. The latch is held."""
        counter = self._counters.get(key)
        if counter is not None:
            return counter.timestamp
        timestamp = self._first_accesses.get(key)
        if timestamp is not None:
            self._first_accesses.move_to_end(key)
        return timestamp

    def _access(self, key: CollectionKey) -> int:
        """Touch a collection for the first time; return its timestamp. The latch is held."""
        timestamp, _ = self._bump_timestamp(None, None)
        pending = self._counters.latest(key)
        if pending is not None:
            # The first write of the collection is under way: its timestamp must be later than all
            # those that were published before it (D-60).
            timestamp = min(timestamp, pending.timestamp - 1)
        self._first_accesses[key] = timestamp
        if len(self._first_accesses) > MAX_FIRST_ACCESSES:
            self._first_accesses.popitem(last=False)
        return timestamp

    def _claim(self, key: CollectionKey) -> int | None:
        """Touch a collection that nobody has touched meanwhile (:attr:`Page.claim`)."""
        with self._store.latch:
            return self._access(key) if self._timestamp(key) is None else None

    def all_resources_timestamps(self, collection_id: str) -> dict[str, int]:
        with self._store.latch:
            timestamps = {
                str(key.parent_id): timestamp
                for key, timestamp in self._first_accesses.items()
                if key.collection_id == collection_id
            }
            for key, counter in self._counters.items():
                if key.collection_id == collection_id:
                    timestamps[str(key.parent_id)] = counter.timestamp
        return timestamps

    def create(
        self,
        collection_id: str,
        parent_id: str,
        record: Record,
        id_generator: IdGenerator | None = None,
        unique_fields: Sequence[str] | None = None,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        auth: str | None = None,
    ) -> Record:
        names = Names(id_field, modified_field, DEFAULT_DELETED_FIELD)
        data = copy_object(record)
        object_id = data.pop(id_field, None)
        if object_id is None:
            object_id = (id_generator or self.id_generator)()
        if not isinstance(object_id, str):
            raise TypeError(f"The id of a record is a text, not {object_id!r}.")
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        with self._store.write():
            collection = self._writable(key)
            existing = collection.live(object_id)
            if existing is not None:
                raise exceptions.UnicityError(id_field, existing.to_record(names))
            return self._put(collection, object_id, data, unique_fields, names)

    def get(
        self,
        collection_id: str,
        parent_id: str,
        object_id: str,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        auth: str | None = None,
    ) -> Record:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        collection = self._collections.get(key)
        entry = None if collection is None else collection.live(object_id)
        if entry is None:
            raise exceptions.RecordNotFoundError(object_id)
        return entry.to_record(Names(id_field, modified_field, DEFAULT_DELETED_FIELD))

    def find_tombstone(
        self,
        collection_id: str,
        parent_id: str,
        object_id: str,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        deleted_field: str = DEFAULT_DELETED_FIELD,
        auth: str | None = None,
    ) -> Record | None:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        collection = self._collections.get(key)
        entry = None if collection is None else collection.tombstone(object_id)
        names = Names(id_field, modified_field, deleted_field)
        return None if entry is None else entry.to_record(names)

    def update(
        self,
        collection_id: str,
        parent_id: str,
        object_id: str,
        record: Record,
        unique_fields: Sequence[str] | None = None,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        auth: str | None = None,
    ) -> Record:
        names = Names(id_field, modified_field, DEFAULT_DELETED_FIELD)
        data = copy_object(record)
        data.pop(id_field, None)
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        with self._store.write():
            collection = self._writable(key)
            return self._put(collection, object_id, data, unique_fields, names)

    def delete(
        self,
        collection_id: str,
        parent_id: str,
        object_id: str,
        with_deleted: bool = True,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        deleted_field: str = DEFAULT_DELETED_FIELD,
        auth: str | None = None,
        last_modified: int | None = None,
    ) -> Record:
        names = Names(id_field, modified_field, deleted_field)
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        with self._store.write():
            collection = self._collections.get(key)
            if collection is None or collection.live(object_id) is None:
                raise exceptions.RecordNotFoundError(object_id)
            tombstone = self._delete(collection, object_id, last_modified, with_deleted)
        return tombstone.to_record(names)

    def delete_all(
        self,
        collection_id: str | None,
        parent_id: str,
        filters: Sequence[Filter] | None = None,
        with_deleted: bool = True,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        deleted_field: str = DEFAULT_DELETED_FIELD,
        auth: str | None = None,
        *,
        sorting: Sequence[Sort] | None = None,
        pagination_rules: Sequence[PaginationRule] | None = None,
        limit: int | None = None,
    ) -> list[Record]:
        names = Names(id_field, modified_field, deleted_field)
        scope = Scope(collection_id=collection_id, parent_id=as_published(parent_id))
        with self._store.write():
            # The same entry may stand in several collections: told apart by identity.
            homes: dict[int, Collection] = {}
            entries = []
            for collection in self._matching(scope):
                for entry in collection.entries(include_deleted=False):
                    homes[id(entry)] = collection
                    entries.append(entry)
            entries = evaluation.apply_filters(entries, filters or (), names)
            entries = evaluation.page(
                entries,
                names,
                sorting=sorting or [Sort(modified_field, 1)],
                pagination_rules=pagination_rules,
                limit=limit,
            )
            tombstones = [
                self._delete(homes[id(entry)], entry.id, None, with_deleted) for entry in entries
            ]
        return [tombstone.to_record(names) for tombstone in tombstones]

    def purge_deleted(
        self,
        collection_id: str | None,
        parent_id: str,
        before: int | None = None,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        auth: str | None = None,
        *,
        max_retained: int | None = None,
        force_commit: bool = False,
    ) -> int:
        if before is not None and max_retained is not None:
            raise ValueError("`before` and `max_retained` exclude each other.")
        scope = Scope(collection_id=collection_id, parent_id=as_published(parent_id))
        purged = 0
        with self._store.write():
            for collection in self._matching(scope):
                entries = collection.entries(include_deleted=True)
                tombstones = [entry for entry in entries if entry.data is None]
                if before is not None:
                    tombstones = [entry for entry in tombstones if entry.timestamp < before]
                if max_retained is not None:
                    tombstones.sort(key=lambda entry: (entry.timestamp, entry.id), reverse=True)
                    tombstones = tombstones[max_retained:]
                for entry in tombstones:
                    collection.forget(entry.id)
                purged += len(tombstones)
        return purged

    def trim_objects(
        self,
        collection_id: str,
        parent_id: str,
        filters: Sequence[Filter] | None,
        max_objects: int,
        with_deleted: bool = True,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        auth: str | None = None,
    ) -> int:
        names = Names(id_field, modified_field, DEFAULT_DELETED_FIELD)
        scope = Scope(collection_id=collection_id, parent_id=parent_id)
        oldest_last = [Sort(modified_field, -1), Sort(id_field, -1)]
        trimmed = 0
        with self._store.write():
            for collection in self._matching(scope):
                entries = collection.entries(include_deleted=False)
                entries = evaluation.apply_filters(entries, filters or (), names)
                entries = evaluation.apply_sorting(entries, oldest_last, names)[max_objects:]
                for entry in reversed(entries):
                    self._delete(collection, entry.id, None, with_deleted)
                trimmed += len(entries)
        return trimmed

    def get_all(
        self,
        collection_id: str,
        parent_id: str,
        filters: Sequence[Filter] | None = None,
        sorting: Sequence[Sort] | None = None,
        pagination_rules: Sequence[PaginationRule] | None = None,
        limit: int | None = None,
        include_deleted: bool = False,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        deleted_field: str = DEFAULT_DELETED_FIELD,
        auth: str | None = None,
    ) -> tuple[list[Record], int]:
        names = Names(id_field, modified_field, deleted_field)
        scope = Scope(collection_id=collection_id, parent_id=parent_id)
        key = scope.key
        with self._store.latch:
            timestamp = None if key is None else self._timestamp(key)
            entries = self._entries(scope, include_deleted=include_deleted)
        entries = evaluation.apply_filters(entries, filters or (), names)
        total = sum(1 for entry in entries if entry.data is not None)
        entries = evaluation.page(
            entries, names, sorting=sorting, pagination_rules=pagination_rules, limit=limit
        )
        listed = Page(entry.to_record(names) for entry in entries)
        if key is not None:
            listed.timestamp = timestamp
            listed.claim = partial(self._claim, key)
        return listed, total

    def count_all(
        self,
        collection_id: str,
        parent_id: str,
        filters: Sequence[Filter] | None = None,
        include_deleted: bool = False,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        deleted_field: str = DEFAULT_DELETED_FIELD,
        auth: str | None = None,
    ) -> int:
        scope = Scope(collection_id=collection_id, parent_id=parent_id)
        key = scope.key
        if key is not None and not filters and not include_deleted:
            counter = self._counters.get(key)
            return 0 if counter is None else counter.live
        names = Names(id_field, modified_field, deleted_field)
        entries = self._entries(scope, include_deleted=include_deleted)
        return len(evaluation.apply_filters(entries, filters or (), names))

    def _matching(self, scope: Scope) -> list[Collection]:
        """Return the collections that are in scope (B-21.19)."""
        one = scope.key
        if one is not None:
            found = self._collections.get(one)
            return [] if found is None else [found]
        matches = compile_pattern(scope.parent_id)
        return [
            collection
            for key, collection in self._collections.items()
            if scope.collection_id in (None, key.collection_id) and matches(key.parent_id)
        ]

    def _entries(self, scope: Scope, *, include_deleted: bool) -> list[Entry]:
        # One instant for all of them.
        with self._store.latch:
            return [
                entry
                for collection in self._matching(scope)
                for entry in collection.entries(include_deleted=include_deleted)
            ]

    def _writable(self, key: CollectionKey) -> Collection:
        """Return a collection, made if need be. The write lock is held."""
        collection = self._collections.get(key)
        if collection is None:
            collection = Collection(self._store, key)
            self._collections.set(key, collection)
        return collection

    def _put(
        self,
        collection: Collection,
        object_id: str,
        data: Record,
        unique_fields: Sequence[str] | None,
        names: Names,
    ) -> Record:
        """Store a live record, whose id was taken out of `data`. The write lock is held."""
        supplied = data.pop(names.modified_field, None)
        candidate = Entry(object_id, 0, data)
        for field in unique_fields or ():
            if field in names[:2]:
                continue
            existing = collection.with_same_value(field, candidate)
            if existing is not None:
                raise exceptions.UnicityError(field, existing.to_record(names))
        added = 1 if collection.live(object_id) is None else 0
        timestamp = self._advance(collection, supplied, added)
        entry = candidate._replace(timestamp=timestamp)
        collection.set(entry)
        return entry.to_record(names)

    def _delete(
        self,
        collection: Collection,
        object_id: str,
        last_modified: int | None,
        with_deleted: bool,
    ) -> Entry:
        """Delete a record that is there; return its tombstone. The write lock is held."""
        tombstone = Entry(object_id, self._advance(collection, last_modified, -1), None)
        if with_deleted:
            collection.set(tombstone)
        else:
            collection.forget(object_id)
        return tombstone

    def _advance(self, collection: Collection, supplied: int | None, added: int) -> int:
        """Change the counter of a collection; return the timestamp of the record written."""
        key = collection.key
        with self._store.latch:
            counter = self._counters.get(key)
            if counter is None:
                timestamp, latest = self._bump_timestamp(self._first_accesses.get(key), supplied)
                self._counters.set(key, Counter(latest, added))
            else:
                timestamp, latest = self._bump_timestamp(counter.timestamp, supplied)
                self._counters.set(key, Counter(latest, counter.live + added))
        return timestamp

    def _bump_timestamp(self, previous: int | None, supplied: int | None) -> tuple[int, int]:
        """Choose the timestamps of a change; tests replace this to make the backend fail (B-9.3).

        Parameters
        ----------
        previous : timestamp of the collection, or ``None`` if it was never touched.
        supplied : timestamp that the caller wants for the record (B-4.7).

        Returns
        -------
        tuple : timestamp of the record, and the new one of the collection, which is always greater
            than the previous one (X-19).
        """
        return next_timestamps(previous, require_timestamp(supplied), utils.msec_time())


def load_from_config(config: Any) -> Storage:
    """Return a new, empty storage; no setting is read (B-9.1, S-11.1)."""
    return Storage()
