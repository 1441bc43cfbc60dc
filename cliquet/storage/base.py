"""The contract of a storage: the methods of all backends, and their promises.

The module knows nothing of HTTP. The tests in :mod:`cliquet.testing.storage` prove the promises;
backends of other projects can run them too. It is long because the methods that the original
library published stand in one place, and is nearly all docstrings. The further parts of the
contract are classes of their own, from which the class here derives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from cliquet.storage import generators
from cliquet.storage.atomicity import StorageAtomicity
from cliquet.storage.changes import StorageChanges
from cliquet.storage.history import History
from cliquet.storage.query import COMPARISON, Filter, PaginationRule, Sort
from cliquet.storage.selecting import StorageSelecting
from cliquet.storage.transfer import StorageTransfer
from cliquet.storage.upkeep import StorageUpkeep
from cliquet.storage.watching import StorageWatching
from cliquet.types import IdGenerator, Record

__all__ = [
    "DEFAULT_DELETED_FIELD",
    "DEFAULT_ID_FIELD",
    "DEFAULT_MODIFIED_FIELD",
    "Page",
    "StorageBase",
]

DEFAULT_ID_FIELD: Final = "id"
DEFAULT_MODIFIED_FIELD: Final = "last_modified"
DEFAULT_DELETED_FIELD: Final = "deleted"


class Page(list[Record]):
    """The records of a list, with the collection timestamp at the same moment.

    A response needs both. A storage that reads them together saves a query, and avoids a race: if
    the timestamp were later than the records, a client would miss a change for ever.

    .. versionadded:: 3.2

    Attributes
    ----------
    timestamp : timestamp of the collection in ms; ``None`` if the collection was never touched, or
        if the storage does not read it.
    claim : function for a collection that was never touched. It stores the present time as the
        timestamp and returns it. If somebody else has touched the collection meanwhile, it returns
        ``None``, and the list may be out of date. The attribute is ``None`` if the storage does not
        support this.
    history : what the collection still knows of its past; ``None`` if the storage does not read it.
        The bundled storages read it for the list of one collection with `include_deleted`.
    is_current : whether the users of the queries in the filters had joined no further groups when
        the page was read, so that it lacks no record of theirs.
    """

    timestamp: int | None = None
    claim: Callable[[], int | None] | None = None
    history: History | None = None
    is_current: bool = True


class StorageBase(
    StorageAtomicity,
    StorageChanges,
    StorageSelecting,
    StorageTransfer,
    StorageUpkeep,
    StorageWatching,
):
    """Base class of all storage backends (B-3.1).

    These parameters have the same meaning in all methods:

    collection_id, parent_id : name of the collection; any texts, which may be empty. Nothing has to
        be created first (B-1.2). A parent is a name, whatever characters it contains; only a
        :class:`~cliquet.core.globs.Pattern` means several parents (X-29).
    id_field, modified_field, deleted_field : names of the id, the timestamp and the mark of
        tombstones in the arguments and results of this call; they are not remembered (B-3.11).
    auth : raw ``Authorization`` header of the request, for backends that need it.

    Timestamps are integer milliseconds since the Unix Epoch, not before it, and not later than
    ``cliquet.storage.timestamps.MAX_TIMESTAMP``. A caller that gives another one gets a
    ``ValueError``, and a collection that has reached the maximum goes on from the clock (X-28).

    Each call is atomic (B-5.20): other callers see the state before it or the state after it.
    Within a request, backends with rollback commit together with the request; outside, each call
    commits by itself.

    Every method raises :class:`~cliquet.storage.exceptions.BackendError` when the server of the
    backend fails (B-2.5).
    """

    client: Any
    """The client of the server, of a class that the backend chooses; memory has none."""

    id_generator: IdGenerator = generators.UUID4()
    """Makes the ids for :meth:`create` if the call gives no generator (B-3.2)."""

    pages_have_timestamp: bool = False
    """Whether :meth:`get_all` returns a :class:`~cliquet.storage.base.Page`.

    For a pattern of parents it never does.

    A subclass that overrides :meth:`get_all` or :meth:`collection_timestamp` must set it again, if
    it is still true.
    """

    def flush(self, auth: str | None = None) -> None:
        """Remove every record, tombstone and timestamp of every collection (B-3.9).

        All collections get a new epoch (E-13.1).
        """
        raise NotImplementedError

    def collection_timestamp(
        self, collection_id: str, parent_id: str, auth: str | None = None
    ) -> int:
        """Return the highest timestamp in the collection so far (B-4.1).

        A collection that was never touched gets the present time, which is kept until the first
        write (B-4.2). It belongs to no request, and survives a rollback (X-22).

        Raises
        ------
        ReadonlyError : the collection was never touched, and nothing can be written.
        """
        raise NotImplementedError

    def all_resources_timestamps(self, collection_id: str) -> dict[str, int]:
        """Return the timestamps of a collection by parent, for all parents that have one (B-21.3).

        .. versionadded:: 3.2
        """
        raise NotImplementedError

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
        """Store a new record and return it with its id and timestamp (B-5.1).

        Parameters
        ----------
        record : the record, which is not modified. If it has no id, `id_generator` makes one. If it
            has a timestamp, this is used unless it equals that of the collection (B-4.7). A
            tombstone with the same id disappears.
        unique_fields : fields whose values no other live record may have (B-7); null and missing
            values are not compared.

        Raises
        ------
        UnicityError : another record has the id or a unique value; nothing was written.
        TypeError : the record contains a value without a JSON form (B-1.8).
        """
        raise NotImplementedError

    def get(
        self,
        collection_id: str,
        parent_id: str,
        object_id: str,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        auth: str | None = None,
    ) -> Record:
        """Return a live record (B-5.6).

        Raises
        ------
        RecordNotFoundError : there is no live record with this id.
        """
        raise NotImplementedError

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
        """Return the tombstone of a deleted record, or ``None`` (B-1.4).

        .. versionadded:: 3.2
        """
        found = self.list_all(
            collection_id,
            parent_id,
            filters=[
                Filter(id_field, object_id, COMPARISON.EQ),
                Filter(deleted_field, True, COMPARISON.EQ),
            ],
            limit=1,
            include_deleted=True,
            **_names(id_field, modified_field, deleted_field),
            auth=auth,
        )
        return found[0] if found else None

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
        """Replace a record, or create it with this id; return the stored record (B-5.7).

        Parameters
        ----------
        object_id : id of the record, which wins over an id inside `record`.
        record : the whole new record, which is not modified.
        unique_fields : as in :meth:`create`.

        Raises
        ------
        UnicityError : another record has a unique value; nothing was written.
        TypeError : the record contains a value without a JSON form (B-1.8).
        """
        raise NotImplementedError

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
        """Delete a record; return its id, the time of deletion and the mark (B-5.12).

        Parameters
        ----------
        with_deleted : whether to leave a tombstone. The collection timestamp grows in both cases
            (B-4.13). Without one, it is also the horizon of the collection (E-13.1).
        last_modified : timestamp of the deletion; ``None`` to let the backend make it.

        Raises
        ------
        RecordNotFoundError : there is no live record with this id.
        """
        raise NotImplementedError

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
        """Delete the live records that match; return one tombstone for each (B-5.16).

        Each deletion has its own timestamp, whether or not a tombstone is kept.

        Parameters
        ----------
        collection_id : ``None`` for every collection of the parents (B-21.19).
        parent_id : a name or a pattern. A plain text with ``*`` is a pattern too (B-21.19);
            :class:`~cliquet.core.globs.Exact` is always a name (X-29).
        sorting, pagination_rules, limit : only delete this page of the list (B-21.23).
        """
        raise NotImplementedError

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
        """Delete tombstones and return their number (B-5.19); no timestamp changes (B-4.14).

        Departures of the same ages go with them, and are not counted (E-12.5). The horizon of their
        collections becomes the latest timestamp of all these, unless it is later (E-13.1).

        Parameters
        ----------
        collection_id, parent_id : the same as in :meth:`delete_all`.
        before : only delete older tombstones; ``None`` for all.
        max_retained : keep that many of each collection, the most recent ones (B-21.24).
        force_commit : a part of the published signature, without effect: a call outside of a
            request always commits, and a call inside commits with the request.

        Raises
        ------
        ValueError : both `before` and `max_retained` are given.
        """
        raise NotImplementedError

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
        """Delete all matching live records but the most recent ones; return the number (B-21.25).

        .. versionadded:: 3.2

        Parameters
        ----------
        max_objects : number of matching records to keep, 0 or more.
        with_deleted : whether to leave tombstones, as in :meth:`delete_all`.
        """
        raise NotImplementedError

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
        """Return a page and the number of live records that match the filters (B-6).

        Both belong to the same moment. The page may be a :class:`~cliquet.storage.base.Page`. If
        only one of them is needed, :meth:`~cliquet.storage.base.StorageBase.list_all` or
        :meth:`~cliquet.storage.base.StorageBase.count_all` is cheaper.

        Parameters
        ----------
        parent_id : a name, or a :class:`~cliquet.core.globs.Pattern` (B-21.19).
        filters : all of them must match; order operators only compare values of the same type
            (X-16).
        sorting : criteria, the most important first; without any, the order is not defined.
        pagination_rules : lists of filters; if there are any, all filters of one list must match.
            Order operators follow the total order of JSON values (B-6.19). The count ignores these
            rules.
        limit : greatest number of returned items; ``None`` or 0 for no limit.
        include_deleted : whether to return tombstones too; they never count (B-6.2).

        Raises
        ------
        ValueError : the value of a filter does not fit its operator (B-21.12).
        """
        raise NotImplementedError

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
        """Return the page of :meth:`get_all` without the count (B-21.10).

        Backends for the interface of the original library only have :meth:`get_all`, which this
        method and
        :meth:`count_all` then use.

        .. versionadded:: 3.2
        """
        records, _ = self.get_all(
            collection_id,
            parent_id,
            filters=filters,
            sorting=sorting,
            pagination_rules=pagination_rules,
            limit=limit,
            include_deleted=include_deleted,
            **_names(id_field, modified_field, deleted_field),
            auth=auth,
        )
        return records

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
        """Return the number of live records that match the filters (B-21.10).

        .. versionadded:: 3.2

        Parameters
        ----------
        include_deleted : whether to count the matching tombstones too.
        """
        records, total = self.get_all(
            collection_id,
            parent_id,
            filters=filters,
            limit=None if include_deleted else 1,
            include_deleted=include_deleted,
            **_names(id_field, modified_field, deleted_field),
            auth=auth,
        )
        return len(records) if include_deleted else total


def _names(id_field: str, modified_field: str, deleted_field: str) -> dict[str, Any]:
    return {
        "id_field": id_field,
        "modified_field": modified_field,
        "deleted_field": deleted_field,
    }
