"""A base class for storages whose server neither filters nor sorts, so that Python does it.

The bundled backends do not derive from it; those of other projects may.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cliquet.storage.base import (
    DEFAULT_DELETED_FIELD,
    DEFAULT_ID_FIELD,
    DEFAULT_MODIFIED_FIELD,
    StorageBase,
)
from cliquet.storage.exceptions import UnicityError
from cliquet.storage.listing import evaluation
from cliquet.storage.listing.evaluation import Entry
from cliquet.storage.ordering import resolve
from cliquet.storage.query import COMPARISON, MISSING, Filter, PaginationRule, Sort
from cliquet.storage.selection import Names
from cliquet.types import Record

__all__ = ["MemoryBasedStorage"]


class MemoryBasedStorage(StorageBase):
    """Methods that only need :meth:`get_all`, :meth:`delete` and :meth:`_bump_timestamp` (B-9.2).

    A subclass provides these three and the rest of the contract. Its :meth:`get_all` reads the
    records, and gives them to :meth:`extract_record_set`.
    """

    def _bump_timestamp(
        self, collection_id: str, parent_id: str, last_modified: int | None = None
    ) -> int:
        """Increase the timestamp of a collection, and return that of the written record (B-9.3).

        Parameters
        ----------
        last_modified : timestamp that the caller wants, in milliseconds.
        """
        raise NotImplementedError

    def set_record_timestamp(
        self,
        collection_id: str,
        parent_id: str,
        record: Record,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
    ) -> Record:
        """Set the timestamp of the change in `record`; return the timestamp."""
        supplied = record.get(modified_field)
        record[modified_field] = self._bump_timestamp(collection_id, parent_id, supplied)
        return record

    def strip_deleted_record(
        self,
        record: Record,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        deleted_field: str = DEFAULT_DELETED_FIELD,
    ) -> Record:
        """Return the tombstone of `record`."""
        return {
            id_field: record[id_field],
            modified_field: record[modified_field],
            deleted_field: True,
        }

    def check_unicity(
        self,
        collection_id: str,
        parent_id: str,
        record: Record,
        unique_fields: Sequence[str] | None,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        for_creation: bool = False,
        auth: str | None = None,
    ) -> None:
        """Refuse `record` if another live record has one of its unique values (B-7).

        Parameters
        ----------
        for_creation : whether the id must be free too.

        Raises
        ------
        UnicityError : another record has a unique value; the error has the field and that record.
        """
        object_id = record.get(id_field)
        fields = [field for field in unique_fields or () if field != id_field]
        for field in [id_field, *fields] if for_creation else fields:
            value = resolve(record, field)
            if value is None or value is MISSING:
                continue
            filters = [Filter(field, value, COMPARISON.EQ)]
            if field != id_field and object_id is not None:
                filters.append(Filter(id_field, object_id, COMPARISON.NOT))
            existing = self.list_all(
                collection_id,
                parent_id,
                filters=filters,
                limit=1,
                id_field=id_field,
                modified_field=modified_field,
                auth=auth,
            )
            if existing:
                raise UnicityError(field, existing[0])

    def apply_filters(
        self,
        records: Iterable[Record],
        filters: Sequence[Filter],
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        deleted_field: str = DEFAULT_DELETED_FIELD,
    ) -> list[Record]:
        """Return the records and tombstones that match all `filters` (B-6.8)."""
        names = Names(id_field, modified_field, deleted_field)
        entries = [Entry.from_record(record, names) for record in records]
        return [item.to_record(names) for item in evaluation.apply_filters(entries, filters, names)]

    def apply_sorting(
        self,
        records: Iterable[Record],
        sorting: Sequence[Sort],
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        deleted_field: str = DEFAULT_DELETED_FIELD,
    ) -> list[Record]:
        """Return the records and tombstones in the order of `sorting` (B-6.17)."""
        names = Names(id_field, modified_field, deleted_field)
        entries = [Entry.from_record(record, names) for record in records]
        return [item.to_record(names) for item in evaluation.apply_sorting(entries, sorting, names)]

    def extract_record_set(
        self,
        records: Iterable[Record],
        filters: Sequence[Filter] | None = None,
        sorting: Sequence[Sort] | None = None,
        pagination_rules: Sequence[PaginationRule] | None = None,
        limit: int | None = None,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        deleted_field: str = DEFAULT_DELETED_FIELD,
    ) -> tuple[list[Record], int]:
        """Return the result of :meth:`get_all` from all the records and tombstones (B-6.1)."""
        names = Names(id_field, modified_field, deleted_field)
        entries = [Entry.from_record(record, names) for record in records]
        entries = evaluation.apply_filters(entries, filters or (), names)
        total = sum(1 for entry in entries if entry.data is not None)
        entries = evaluation.page(
            entries, names, sorting=sorting, pagination_rules=pagination_rules, limit=limit
        )
        return [entry.to_record(names) for entry in entries], total

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
        """Delete the records of one collection one by one; patterns are not supported.

        Raises
        ------
        ValueError : there is no name of a collection.
        """
        if collection_id is None:
            raise ValueError(f"{type(self).__name__} deletes from one collection at a time.")
        names: dict[str, Any] = {
            "id_field": id_field,
            "modified_field": modified_field,
            "deleted_field": deleted_field,
        }

        def delete_each() -> list[Record]:
            records, _ = self.get_all(
                collection_id,
                parent_id,
                filters=filters,
                sorting=sorting,
                pagination_rules=pagination_rules,
                limit=limit,
                **names,
                auth=auth,
            )
            return [
                self.delete(
                    collection_id,
                    parent_id,
                    record[id_field],
                    with_deleted=with_deleted,
                    **names,
                    auth=auth,
                )
                for record in records
            ]

        return self.atomic(delete_each, collection_id=collection_id, parent_id=parent_id)
