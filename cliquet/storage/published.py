"""The published methods of the bundled storages.

Their signatures are long, because applications and plugins know them. They are only here: each
method makes one value of its arguments, and passes it to the part of the storage that does the
work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from cliquet.core.globs import as_published
from cliquet.storage.base import (
    DEFAULT_DELETED_FIELD,
    DEFAULT_ID_FIELD,
    DEFAULT_MODIFIED_FIELD,
    StorageBase,
)
from cliquet.storage.departures import Departed, Departure
from cliquet.storage.history import History
from cliquet.storage.parts import BulkWriting, Departing, Reading, Transactions, Writing
from cliquet.storage.query import Filter, PaginationRule, Sort
from cliquet.storage.selection import (
    CollectionKey,
    Names,
    Scope,
    Selection,
    new_draft,
    replacing_draft,
)
from cliquet.storage.transfer import (
    CollectionTimestamp,
    ExportedCollection,
    ImportedCollection,
    StorageTransfer,
)
from cliquet.storage.watching import Position
from cliquet.types import IdGenerator, Record

__all__ = ["PublishedStorage"]

T = TypeVar("T")
U = TypeVar("U")


class PublishedStorage(StorageBase):
    """A storage that consists of parts.

    A subclass makes the parts, and only needs ``initialize_schema`` and ``flush`` besides.
    """

    is_transferable = True
    keeps_departures = True
    pages_have_timestamp = True

    def __init__(
        self,
        *,
        reader: Reading,
        writer: Writing,
        bulk: BulkWriting,
        transactions: Transactions,
        transfer: StorageTransfer,
        departures: Departing,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._bulk = bulk
        self._transactions = transactions
        self._transfer = transfer
        self._departures = departures

    # Operations of several calls

    def atomic(self, operation: Callable[[], T], *, collection_id: str, parent_id: str) -> T:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        return self._transactions.run(operation, key)

    def with_effects(
        self,
        write: Callable[[], T],
        effects: Callable[[T | None], U],
        *,
        collection_id: str,
        parent_id: str,
    ) -> tuple[T, U]:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        return self._transactions.with_effects(write, effects, key)

    # Reading

    def collection_timestamp(
        self, collection_id: str, parent_id: str, auth: str | None = None
    ) -> int:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        return self._reader.timestamp(key)

    def collection_history(
        self, collection_id: str, parent_id: str, auth: str | None = None
    ) -> History:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        return self._reader.history(key)

    def collection_positions(self, keys: Sequence[CollectionKey]) -> dict[CollectionKey, Position]:
        return self._reader.positions(keys) if keys else {}

    def all_resources_timestamps(self, collection_id: str) -> dict[str, int]:
        return self._reader.timestamps(collection_id)

    def get(
        self,
        collection_id: str,
        parent_id: str,
        object_id: str,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        auth: str | None = None,
    ) -> Record:
        return self._reader.get(
            CollectionKey(collection_id=collection_id, parent_id=parent_id),
            object_id,
            Names(id_field, modified_field, DEFAULT_DELETED_FIELD),
        )

    # They do what the methods for one record do for each.
    find_many = StorageBase.find_many
    create_many = StorageBase.create_many
    update_many = StorageBase.update_many
    delete_many = StorageBase.delete_many

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
        return self._reader.find_tombstone(
            CollectionKey(collection_id=collection_id, parent_id=parent_id),
            object_id,
            Names(id_field, modified_field, deleted_field),
        )

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
        *,
        as_text: bool = False,
    ) -> tuple[list[Record], int]:
        return self._reader.page(
            Selection(
                Scope(collection_id=collection_id, parent_id=parent_id),
                Names(id_field, modified_field, deleted_field),
                filters or (),
                sorting or (),
                () if pagination_rules is None else pagination_rules,
                limit,
                include_deleted,
                as_text,
            )
        )

    def list_all(
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
    ) -> list[Record]:
        return self._reader.records(
            Selection(
                Scope(collection_id=collection_id, parent_id=parent_id),
                Names(id_field, modified_field, deleted_field),
                filters or (),
                sorting or (),
                () if pagination_rules is None else pagination_rules,
                limit,
                include_deleted,
            )
        )

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
        return self._reader.count(
            Selection(
                Scope(collection_id=collection_id, parent_id=parent_id),
                Names(id_field, modified_field, deleted_field),
                filters or (),
                include_deleted=include_deleted,
            )
        )

    # Writing

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
        return self._writer.put(
            new_draft(
                CollectionKey(collection_id=collection_id, parent_id=parent_id),
                record,
                id_generator or self.id_generator,
                Names(id_field, modified_field, DEFAULT_DELETED_FIELD),
                unique_fields or (),
            )
        )

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
        return self._writer.put(
            replacing_draft(
                CollectionKey(collection_id=collection_id, parent_id=parent_id),
                object_id,
                record,
                Names(id_field, modified_field, DEFAULT_DELETED_FIELD),
                unique_fields or (),
            )
        )

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
        return self._writer.delete(
            CollectionKey(collection_id=collection_id, parent_id=parent_id),
            object_id,
            Names(id_field, modified_field, deleted_field),
            supplied=last_modified,
            with_deleted=with_deleted,
        )

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
        selection = Selection(
            Scope(collection_id=collection_id, parent_id=as_published(parent_id)),
            Names(id_field, modified_field, deleted_field),
            filters or (),
            sorting or [Sort(modified_field, 1)],
            () if pagination_rules is None else pagination_rules,
            limit,
        )
        return self._bulk.delete_selected(selection, with_deleted=with_deleted)

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
        return self._bulk.purge(scope, before=before, max_retained=max_retained)

    def purge_slices(
        self,
        collection_id: str,
        parent_id: str,
        size: int,
        *,
        before: int | None = None,
        max_retained: int | None = None,
    ) -> Iterator[int]:
        if before is not None and max_retained is not None:
            raise ValueError("`before` and `max_retained` exclude each other.")
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        return self._bulk.purge_slices(key, size, before=before, max_retained=max_retained)

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
        selection = Selection(
            Scope(collection_id=collection_id, parent_id=parent_id),
            Names(id_field, modified_field, DEFAULT_DELETED_FIELD),
            filters or (),
        )
        return self._bulk.trim(selection, max_objects, with_deleted=with_deleted)

    # Departures

    def record_departures(
        self,
        collection_id: str,
        parent_id: str,
        departures: Sequence[Departure],
        auth: str | None = None,
    ) -> int | None:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        return self._departures.record(key, departures)

    def list_departures(
        self,
        collection_id: str,
        parent_id: str,
        after: int,
        principals: Iterable[str],
        limit: int | None = None,
        auth: str | None = None,
    ) -> list[Departed]:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        return list(self._departures.list(key, after, principals, limit))

    # Copies

    def export_timestamps(self, parent_ids: Sequence[str] = ()) -> Iterator[CollectionTimestamp]:
        return self._transfer.export_timestamps(parent_ids)

    def export(self, parent_ids: Sequence[str] = ()) -> Iterator[ExportedCollection]:
        return self._transfer.export(parent_ids)

    def import_(self, collections: Sequence[ImportedCollection]) -> None:
        self._transfer.import_(collections)

    def rewind(self, collection_id: str, parent_id: str, now: int) -> int | None:
        return self._transfer.rewind(collection_id, parent_id, now)

    def forget_untouched(self, before: int) -> int:
        return self._transfer.forget_untouched(before)
