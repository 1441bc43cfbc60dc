"""A storage that keeps each collection in a JSON file, which people can read and compare.

It is for a service of one process whose data fit into its memory: the files are read at the start,
and written at each change. Setting: ``storage_url``, the path of the folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from cliquet import utils
from cliquet.core.globs import as_published, compile_pattern, is_pattern
from cliquet.storage.base import Page, StorageBase
from cliquet.storage.exceptions import UnicityError
from cliquet.storage.history import History
from cliquet.storage.listing import evaluation
from cliquet.storage.listing.evaluation import Entry
from cliquet.storage.ordering import MISSING, resolve, sort_key
from cliquet.storage.query import Filter, PaginationRule, Sort
from cliquet.storage.selection import Names
from cliquet.storage.timestamps import next_timestamps, require_timestamp
from cliquet.storage.values import copy_object
from cliquet.types import IdGenerator, Record
from pyramid.exceptions import ConfigurationError

from folder import Collection, Folder, Key

T = TypeVar("T")
U = TypeVar("U")


class Storage(StorageBase):
    """Storage in a folder of JSON files."""

    # Its operations are committed at their own end, and not at that of the request.
    joins_transactions = False
    # A list tells its timestamp, which saves a second question.
    pages_have_timestamp = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._folder = Folder(path)

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Create the folder."""
        if not dry_run:
            self._folder.create()

    def load(self) -> None:
        """Read what is in the folder."""
        self._folder.load()

    # Operations

    def atomic(self, operation: Callable[[], T], *, collection_id: str, parent_id: str) -> T:
        """Run an operation while nobody else reads or writes."""
        return self._folder.run(operation)

    def with_effects(
        self,
        write: Callable[[], T],
        effects: Callable[[T | None], U],
        *,
        collection_id: str,
        parent_id: str,
    ) -> tuple[T, U]:
        """Run a write, and keep its effects in other backends if it is kept."""

        def both() -> tuple[T, U]:
            written = write()
            return written, effects(written)

        return self._folder.run(both)

    # Timestamps

    def flush(self, auth: str | None = None) -> None:
        self._folder.flush()

    def collection_timestamp(
        self, collection_id: str, parent_id: str, auth: str | None = None
    ) -> int:
        key = Key(collection_id, parent_id)
        with self._folder.lock:
            found = self._folder.found(key)
            if found is None or found.timestamp is None:
                # It stays, even if the request that has read it fails.
                found = self._folder.first_reads.setdefault(key, Collection(utils.msec_time()))
            assert found.timestamp is not None
            return found.timestamp

    def collection_history(
        self, collection_id: str, parent_id: str, auth: str | None = None
    ) -> History:
        with self._folder.lock:
            return _history(self._folder.found(Key(collection_id, parent_id)))

    def all_resources_timestamps(self, collection_id: str) -> dict[str, int]:
        with self._folder.lock:
            found = {**self._folder.first_reads, **self._folder.collections}
        return {
            key.parent_id: collection.timestamp
            for key, collection in found.items()
            if key.collection_id == collection_id and collection.timestamp is not None
        }

    @staticmethod
    def _next(collection: Collection, supplied: Any) -> int:
        """Return the timestamp of a change, by which the collection moves."""
        wanted = require_timestamp(supplied)
        timestamp, latest = next_timestamps(collection.timestamp, wanted, utils.msec_time())
        collection.timestamp = latest
        return timestamp

    # Single records

    def create(
        self,
        collection_id: str,
        parent_id: str,
        record: Record,
        id_generator: IdGenerator | None = None,
        unique_fields: Sequence[str] | None = None,
        id_field: str = "id",
        modified_field: str = "last_modified",
        auth: str | None = None,
    ) -> Record:
        names = Names(id_field, modified_field, "deleted")
        object_id = record.get(id_field)
        if object_id is None:
            object_id = (id_generator or self.id_generator)()
        if not isinstance(object_id, str):
            raise TypeError(f"The id of a record is a text, not {object_id!r}.")
        data = copy_object(record)

        def create() -> Record:
            existing = self._folder.collections.get(key, Collection()).entries.get(object_id)
            if existing is not None and existing.data is not None:
                raise UnicityError(id_field, existing.to_record(names))
            return self._put(key, object_id, data, unique_fields or (), names)

        key = Key(collection_id, parent_id)
        return self._folder.run(create)

    def update(
        self,
        collection_id: str,
        parent_id: str,
        object_id: str,
        record: Record,
        unique_fields: Sequence[str] | None = None,
        id_field: str = "id",
        modified_field: str = "last_modified",
        auth: str | None = None,
    ) -> Record:
        names = Names(id_field, modified_field, "deleted")
        key, data = Key(collection_id, parent_id), copy_object(record)
        return self._folder.run(lambda: self._put(key, object_id, data, unique_fields or (), names))

    def _put(
        self,
        key: Key,
        object_id: str,
        data: dict[str, Any],
        unique_fields: Sequence[str],
        names: Names,
    ) -> Record:
        data.pop(names.id_field, None)
        supplied = data.pop(names.modified_field, None)
        collection = self._folder.changed(key)
        for unique in unique_fields:
            value = resolve(data, unique)
            if unique in names[:2] or value is None or value is MISSING:
                continue
            for other in collection.entries.values():
                is_equal = (
                    other.id != object_id
                    and other.data is not None
                    and sort_key(resolve(other.data, unique)) == sort_key(value)
                )
                if is_equal:
                    raise UnicityError(unique, other.to_record(names))
        entry = Entry(object_id, self._next(collection, supplied), data)
        collection.entries[object_id] = entry
        return entry.to_record(names)

    def get(
        self,
        collection_id: str,
        parent_id: str,
        object_id: str,
        id_field: str = "id",
        modified_field: str = "last_modified",
        auth: str | None = None,
    ) -> Record:
        with self._folder.lock:
            collection = self._folder.collections.get(Key(collection_id, parent_id), Collection())
            entry = collection.live(object_id)
        return entry.to_record(Names(id_field, modified_field, "deleted"))

    def delete(
        self,
        collection_id: str,
        parent_id: str,
        object_id: str,
        with_deleted: bool = True,
        id_field: str = "id",
        modified_field: str = "last_modified",
        deleted_field: str = "deleted",
        auth: str | None = None,
        last_modified: int | None = None,
    ) -> Record:
        names = Names(id_field, modified_field, deleted_field)

        def delete() -> Entry:
            self._folder.collections.get(key, Collection()).live(object_id)
            return self._delete(key, object_id, with_deleted, last_modified)

        key = Key(collection_id, parent_id)
        return self._folder.run(delete).to_record(names)

    def _delete(
        self, key: Key, object_id: str, with_deleted: bool, supplied: int | None = None
    ) -> Entry:
        collection = self._folder.changed(key)
        tombstone = Entry(object_id, self._next(collection, supplied), None)
        del collection.entries[object_id]
        if with_deleted:
            collection.entries[object_id] = tombstone
        else:
            # Clients that have not seen the deletion by now will never be told.
            collection.purged = collection.timestamp or 0
        return tombstone

    # Many records

    def _matching(self, collection_id: str | None, parent_id: str) -> list[Key]:
        """Return the collections of all parents that match."""
        matches = compile_pattern(parent_id)
        return [
            key
            for key in self._folder.collections
            if collection_id in (None, key.collection_id) and matches(key.parent_id)
        ]

    def get_all(
        self,
        collection_id: str,
        parent_id: str,
        filters: Sequence[Filter] | None = None,
        sorting: Sequence[Sort] | None = None,
        pagination_rules: Sequence[PaginationRule] | None = None,
        limit: int | None = None,
        include_deleted: bool = False,
        id_field: str = "id",
        modified_field: str = "last_modified",
        deleted_field: str = "deleted",
        auth: str | None = None,
    ) -> tuple[list[Record], int]:
        names = Names(id_field, modified_field, deleted_field)
        found = Page()
        with self._folder.lock:
            if not is_pattern(parent_id):
                self._tell_state(found, Key(collection_id, parent_id), include_deleted)
            entries = [
                entry
                for key in self._matching(collection_id, parent_id)
                for entry in self._folder.collections[key].entries.values()
                if include_deleted or entry.data is not None
            ]
        # The order of all JSON values, and what the operators mean, are the same in all storages.
        matching = evaluation.apply_filters(entries, filters or (), names)
        page = evaluation.page(
            matching, names, sorting=sorting, pagination_rules=pagination_rules, limit=limit
        )
        found += [entry.to_record(names) for entry in page]
        total = len(evaluation.live_ones(matching))
        return list(found) if is_pattern(parent_id) else found, total

    def _tell_state(self, page: Page, key: Key, include_deleted: bool) -> None:
        """Tell, with a page, what is true at the same moment."""
        collection = self._folder.found(key)
        page.timestamp = collection.timestamp if collection else None
        page.history = _history(collection) if include_deleted else None

        def claim() -> int | None:
            with self._folder.lock:
                return None if self._folder.found(key) else self.collection_timestamp(*key)

        page.claim = claim if collection is None else None

    def delete_all(
        self,
        collection_id: str | None,
        parent_id: str,
        filters: Sequence[Filter] | None = None,
        with_deleted: bool = True,
        id_field: str = "id",
        modified_field: str = "last_modified",
        deleted_field: str = "deleted",
        auth: str | None = None,
        *,
        sorting: Sequence[Sort] | None = None,
        pagination_rules: Sequence[PaginationRule] | None = None,
        limit: int | None = None,
    ) -> list[Record]:
        names = Names(id_field, modified_field, deleted_field)

        def delete_all() -> list[Entry]:
            # Two collections may have equal entries.
            homes = {
                id(entry): (key, entry)
                for key in self._matching(collection_id, as_published(parent_id))
                for entry in evaluation.live_ones(self._folder.collections[key].entries.values())
            }
            entries = [entry for _, entry in homes.values()]
            page = evaluation.page(
                evaluation.apply_filters(entries, filters or (), names),
                names,
                sorting=sorting or [Sort(modified_field, 1)],
                pagination_rules=pagination_rules,
                limit=limit,
            )
            return [self._delete(homes[id(entry)][0], entry.id, with_deleted) for entry in page]

        return [tombstone.to_record(names) for tombstone in self._folder.run(delete_all)]

    def trim_objects(
        self,
        collection_id: str,
        parent_id: str,
        filters: Sequence[Filter] | None,
        max_objects: int,
        with_deleted: bool = True,
        id_field: str = "id",
        modified_field: str = "last_modified",
        auth: str | None = None,
    ) -> int:
        names = Names(id_field, modified_field, "deleted")
        newest = [Sort(modified_field, -1), Sort(id_field, -1)]

        def trim() -> int:
            trimmed = 0
            for key in self._matching(collection_id, parent_id):
                live = evaluation.live_ones(self._folder.collections[key].entries.values())
                matching = evaluation.apply_filters(live, filters or (), names)
                ordered = evaluation.apply_sorting(matching, newest, names)
                for entry in ordered[max_objects:][::-1]:
                    self._delete(key, entry.id, with_deleted)
                    trimmed += 1
            return trimmed

        return self._folder.run(trim)

    def purge_deleted(
        self,
        collection_id: str | None,
        parent_id: str,
        before: int | None = None,
        id_field: str = "id",
        modified_field: str = "last_modified",
        auth: str | None = None,
        *,
        max_retained: int | None = None,
        force_commit: bool = False,
    ) -> int:
        if before is not None and max_retained is not None:
            raise ValueError("`before` and `max_retained` exclude each other.")

        def purge() -> int:
            purged = 0
            for key in self._matching(collection_id, as_published(parent_id)):
                entries = self._folder.collections[key].entries.values()
                tombstones = evaluation.purgeable(entries, before, max_retained)
                for tombstone in tombstones:
                    collection = self._folder.changed(key)
                    del collection.entries[tombstone.id]
                    collection.purged = max(collection.purged, tombstone.timestamp)
                purged += len(tombstones)
            return purged

        return self._folder.run(purge)


def _history(collection: Collection | None) -> History:
    return History() if collection is None else History(collection.purged, collection.epoch)


def load_from_config(config: Any) -> Storage:
    """Return the storage in the folder that the setting ``storage_url`` names."""
    folder = config.get_settings().get("storage_url")
    if not folder:
        raise ConfigurationError("storage_url must be the path of a folder")
    storage = Storage(folder)
    storage.initialize_schema()
    storage.load()
    return storage
