"""A collection of records for resources, views and scripts. It knows nothing of HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from cliquet.core.globs import Exact, exact, is_pattern
from cliquet.core.shortcuts import Shortcut
from cliquet.storage import (
    DEFAULT_DELETED_FIELD,
    DEFAULT_ID_FIELD,
    DEFAULT_MODIFIED_FIELD,
    Filter,
    Sort,
    StorageBase,
)
from cliquet.storage.atomicity import creates_at_once
from cliquet.storage.changes import Changes, Wanted, collected
from cliquet.storage.departures import Departure, DepartureKind
from cliquet.storage.history import History
from cliquet.storage.query import COMPARISON, PaginationRule
from cliquet.storage.selecting import finds_at_once
from cliquet.storage.selection import Names
from cliquet.types import IdGenerator, Record

if TYPE_CHECKING:
    from cliquet.resource.tracking import Tracker

__all__ = ["Model"]

T = TypeVar("T")

_CREATES_RECORDS = Shortcut("create_records", "create_record")
_FINDS_RECORDS = Shortcut("find_records", "get_record")
_PAGES_WITH_TIMESTAMP = Shortcut("pages_have_timestamp", "collection_timestamp", "get_all")
_GIVES_TEXTS = Shortcut("gives_texts", "get_all")
_CHANGES = Shortcut(
    "list_changes",
    "collection_history",
    "collection_timestamp",
    "get_all",
    "list_all",
    "list_departures",
)


class Model:
    """The records of one parent in one collection (P-13).

    Parameters
    ----------
    storage : backend of the records, or a mock in a test, of which only published methods are
        called (P-31.1).
    id_generator : function that makes the ids of new records; by default that of the storage.
    collection_id, parent_id : names of the collection. A parent is a name, whatever characters it
        contains; only a :class:`~cliquet.core.globs.Pattern` means several parents (X-29).
    auth : ``Authorization`` header of the request, which the storage gets unchanged.

    Attributes
    ----------
    tracker : says whether writes record departures; ``None`` if they record none.
    """

    tracker: Tracker | None = None
    _creates_alone = _replaces_alone = True

    id_field = DEFAULT_ID_FIELD
    modified_field = DEFAULT_MODIFIED_FIELD
    deleted_field = DEFAULT_DELETED_FIELD

    def __init__(
        self,
        storage: StorageBase,
        id_generator: IdGenerator | None = None,
        collection_id: str = "",
        parent_id: str = "",
        auth: str | None = None,
    ) -> None:
        self.storage = storage
        self.id_generator = id_generator
        self.collection_id = collection_id
        # It has the type of a name, for code that passes it to the storage itself.
        # The user id of a policy is a name by its type.
        self.parent_id = parent_id if isinstance(parent_id, Exact) else exact(parent_id)
        self.auth = auth

    def _collection(self, parent_id: str | None) -> dict[str, Any]:
        # An empty parent is a normal parent.
        parent_id = self.parent_id if parent_id is None else parent_id
        return {
            "collection_id": self.collection_id,
            # The methods that get this read a plain text as a name, and it costs the drivers less
            # than our type.
            "parent_id": str(parent_id) if isinstance(parent_id, Exact) else parent_id,
            "auth": self.auth,
        }

    @property
    def _fields(self) -> dict[str, Any]:
        return {"id_field": self.id_field, "modified_field": self.modified_field}

    @property
    def _all_fields(self) -> dict[str, Any]:
        return {**self._fields, "deleted_field": self.deleted_field}

    def atomic(self, operation: Callable[[], T], parent_id: str | None = None) -> T:
        """Run an operation on the collection as one transaction of the storage.

        Nobody else writes to the collection between the reads and the writes of `operation`.

        Parameters
        ----------
        operation : function that may run more than once. Its changes in the permission backend are
            undone each time; its other effects must allow the repetition (X-24).

        .. versionadded:: 3.2
        """
        if not isinstance(self.storage, StorageBase):
            return operation()
        collection = self._collection(parent_id)
        return self.storage.atomic(
            operation,
            collection_id=collection["collection_id"],
            parent_id=collection["parent_id"],
        )

    @property
    def pages_have_timestamp(self) -> bool:
        """Whether :meth:`get_records` returns a :class:`~cliquet.storage.base.Page`.

        It is false if the application has replaced the method, which may lose the page, or methods
        of the storage, or :meth:`timestamp`. A subclass that keeps the page may override this.

        .. versionadded:: 3.2
        """
        storage = self.storage
        return (
            storage.pages_have_timestamp
            and self._has_own_get_records
            and getattr(self.timestamp, "__func__", None) is Model.timestamp
            and not is_pattern(self.parent_id or "")
            and _PAGES_WITH_TIMESTAMP.is_open(storage)
        )

    @property
    def _has_own_get_records(self) -> bool:
        return getattr(self.get_records, "__func__", None) is Model.get_records

    def timestamp(self, parent_id: str | None = None) -> int:
        """Return the timestamp of the collection, in ms."""
        return self.storage.collection_timestamp(**self._collection(parent_id))

    def get_records(
        self,
        filters: Sequence[Filter] | None = None,
        sorting: Sequence[Sort] | None = None,
        pagination_rules: Sequence[PaginationRule] | None = None,
        limit: int | None = None,
        include_deleted: bool = False,
        parent_id: str | None = None,
    ) -> tuple[list[Record], int]:
        """Return a page of records, and the number of all live ones that match the filters.

        Parameters
        ----------
        filters : all of them must match.
        sorting : criteria, the most important first.
        pagination_rules : lists of filters; all filters of one list must match.
        limit : size of the page; ``None`` for no limit.
        include_deleted : whether tombstones are listed with the records.
        """
        return self.storage.get_all(
            filters=filters,
            sorting=sorting,
            pagination_rules=pagination_rules,
            limit=limit,
            include_deleted=include_deleted,
            **self._collection(parent_id),
            **self._all_fields,
        )

    @property
    def gives_texts(self) -> bool:
        """Whether :meth:`text_of_records` may be called: nobody has replaced what gives lists.

        .. versionadded:: 3.2
        """
        return self._has_own_get_records and _GIVES_TEXTS.is_open(self.storage)

    def text_of_records(self, **which: Any) -> tuple[list[Record], int]:
        """Return the same as :meth:`get_records`, with a page that may still be a text.

        .. versionadded:: 3.2
        """
        # Only storages that give texts have the last argument.
        storage: Any = self.storage
        found: tuple[list[Record], int] = storage.get_all(
            **which, **self._collection(None), **self._all_fields, as_text=True
        )
        return found

    def history(self, parent_id: str | None = None) -> History:
        """Return the horizon and the epoch of the collection.

        .. versionadded:: 3.2
        """
        return self.storage.collection_history(**self._collection(parent_id))

    def _list_changes(self, wanted: Wanted, parent_id: str | None = None) -> Changes:
        """Return what was written, was deleted or departed after a position.

        Records come from :meth:`get_records` if the application has replaced it.
        """
        place = self._collection(parent_id)
        if self._has_own_get_records and _CHANGES.is_open(self.storage):
            return self.storage.list_changes(**place, **wanted._asdict(), **self._all_fields)
        return collected(
            wanted,
            Names(**self._all_fields),
            timestamp=partial(self.timestamp, parent_id),
            departures=lambda after, principals, limit: self.storage.list_departures(
                after=after, principals=principals, limit=limit, **place
            ),
            records=lambda **which: self.get_records(parent_id=parent_id, **which)[0],
            history=partial(self.history, parent_id),
        )

    def delete_records(
        self, filters: Sequence[Filter] | None = None, parent_id: str | None = None
    ) -> list[Record]:
        """Delete the records that match all the filters, and return their tombstones."""
        collection = self._collection(parent_id)
        return self.storage.delete_all(
            filters=filters,
            collection_id=collection["collection_id"],
            # The published method takes plain texts for patterns, so that this must be marked as a
            # name.
            parent_id=exact(collection["parent_id"]),
            auth=collection["auth"],
            **self._all_fields,
        )

    def get_record(self, record_id: str, parent_id: str | None = None) -> Record:
        """Return a live record.

        Raises
        ------
        RecordNotFoundError : there is no record with this id.
        """
        return self.storage.get(object_id=record_id, **self._collection(parent_id), **self._fields)

    @property
    def can_find_records(self) -> bool:
        """Whether :meth:`find_records` may be called instead of :meth:`get_record`."""
        return finds_at_once(self.storage) and _FINDS_RECORDS.is_open(self)

    def find_records(self, record_ids: Sequence[str]) -> list[Record] | None:
        """Return those that :meth:`get_record` finds, in any order; ``None`` if it must be called.

        .. versionadded:: 3.2
        """
        if not self.can_find_records:
            return None
        return self.storage.find_many(
            object_ids=record_ids, **self._collection(None), **self._fields
        )

    def find_tombstone(self, record_id: str, parent_id: str | None = None) -> Record | None:
        """Return the tombstone of a deleted record, or ``None``.

        .. versionadded:: 3.2
        """
        if not self._has_own_get_records or not isinstance(self.storage, StorageBase):
            # A method of the application may or may not list tombstones (P-10.5).
            filters = [
                Filter(self.id_field, record_id, COMPARISON.EQ),
                Filter(self.deleted_field, True, COMPARISON.EQ),
            ]
            records, _ = self.get_records(
                filters=filters, limit=1, include_deleted=True, parent_id=parent_id
            )
            return records[0] if records else None
        return self.storage.find_tombstone(
            object_id=record_id, **self._collection(parent_id), **self._all_fields
        )

    def create_record(
        self,
        record: Record,
        parent_id: str | None = None,
        unique_fields: Sequence[str] | None = None,
    ) -> Record:
        """Store a new record and return it with its id and its timestamp.

        Raises
        ------
        UnicityError : another record has its id, or the same value of one of `unique_fields`.
        """
        create = partial(
            self.storage.create,
            record=record,
            unique_fields=unique_fields,
            id_generator=self.id_generator,
            **self._collection(parent_id),
            **self._fields,
        )
        return self._noticing_late(create, record.get(self.modified_field), parent_id)

    def create_records(self, records: Sequence[Record]) -> list[Record]:
        """Store new records as :meth:`create_record` does, one after the other.

        .. versionadded:: 3.2
        """
        if not (creates_at_once(self.storage) and _CREATES_RECORDS.is_open(self)):
            return [self.create_record(record) for record in records]
        return self.storage.create_many(
            records=records,
            id_generator=self.id_generator,
            **self._collection(None),
            **self._fields,
        )

    def update_record(
        self,
        record: Record,
        parent_id: str | None = None,
        unique_fields: Sequence[str] | None = None,
    ) -> Record:
        """Replace the record with the same id, and return it with its timestamp.

        Raises
        ------
        UnicityError : another record has the same value of one of `unique_fields`.
        """
        update = partial(
            self.storage.update,
            object_id=record[self.id_field],
            record=record,
            unique_fields=unique_fields,
            **self._collection(parent_id),
            **self._fields,
        )
        return self._noticing_late(update, record.get(self.modified_field), parent_id)

    def delete_record(
        self,
        record: Record,
        parent_id: str | None = None,
        last_modified: int | None = None,
    ) -> Record:
        """Delete a record, which is a dictionary with its id, and return its tombstone.

        Parameters
        ----------
        last_modified : timestamp of the tombstone in ms; by default a new one.

        Raises
        ------
        RecordNotFoundError : there is no live record with this id.
        """
        delete = partial(
            self.storage.delete,
            object_id=record[self.id_field],
            last_modified=last_modified,
            **self._collection(parent_id),
            **self._all_fields,
        )
        return self._noticing_late(delete, last_modified, parent_id)

    # Departures

    def _noticing_late(
        self, write: Callable[[], Record], supplied: Any, parent_id: str | None
    ) -> Record:
        """Write a record; if its timestamp is one of the past, make lists of changes show it.

        Parameters
        ----------
        write : function that writes, and returns what is stored.
        supplied : the timestamp that the caller wants; ``None`` for one that is never of the past.
        """
        if supplied is None or not self._may_be_late(supplied):
            return write()

        def run() -> Record:
            written = write()
            if written[self.modified_field] < self.timestamp(parent_id):
                self._depart([Departure(written[self.id_field], DepartureKind.LATE)], parent_id)
            return written

        return self.atomic(run, parent_id)

    def _may_be_late(self, supplied: Any) -> bool:
        return supplied is not None and self.tracker is not None and self.tracker.is_on

    def _depart(self, departures: Sequence[Departure], parent_id: str | None) -> None:
        if departures:
            self.storage.record_departures(departures=departures, **self._collection(parent_id))
