"""The contract of a storage: what every backend does, and what callers may rely on.

Knows nothing of HTTP. What the methods promise is proved by the suite of
:mod:`cliquet.testing.storage`, which backends written elsewhere can run too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from cliquet.monitoring import logs
from cliquet.storage import generators
from cliquet.storage.atomicity import StorageAtomicity
from cliquet.storage.query import COMPARISON, Filter, PaginationRule, Sort
from cliquet.storage.selecting import StorageSelecting
from cliquet.storage.transfer import StorageTransfer
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
    """The records of a listing, with the collection timestamp of the same instant.

    A response needs both. A storage that reads them together spares a question, and the race
    between the two: with a timestamp that is later than the records, a client would miss a change
    for good.

    .. versionadded:: 3.2

    Attributes
    ----------
    timestamp : of the collection in ms; ``None`` when the collection was never touched, or when
        the storage does not tell.
    claim : for a collection that was never touched: keeps the present time as its timestamp
        (B-4.2) and returns it, unless somebody else touched the collection meanwhile. It then
        returns ``None``, and the list may be out of date. ``None`` when the storage does not tell.
    """

    timestamp: int | None = None
    claim: Callable[[], int | None] | None = None


class StorageBase(StorageAtomicity, StorageSelecting, StorageTransfer):
    """Base class of every storage backend (B-3.1, B-19.2).

    Parameters that mean the same in all methods:

    collection_id, parent_id : name the collection together; any text, the empty one included.
        Nothing has to be created first (B-1.2). A parent is a name, whatever it holds; only a
        :class:`~cliquet.core.globs.Pattern` stands for several (X-29).
    id_field, modified_field, deleted_field : names under which this call reads and returns the id,
        the timestamp and the mark of tombstones; nothing is remembered (B-3.11).
    auth : raw ``Authorization`` header of the request, for backends that need it (B-3.7).

    Timestamps are integer milliseconds since the Unix epoch, not before it, none later than
    ``cliquet.storage.timestamps.MAX_TIMESTAMP``: a caller that supplies one gets a
    ``ValueError``, and a collection that has come to it goes on from the clock (X-28). Each call is
    atomic (B-5.20): other callers see what was before it or what is after it. Within a request, the
    backends whose data can be rolled back commit when the request does; outside, each call commits
    by itself.

    Every method raises :class:`~cliquet.storage.exceptions.BackendError` when the service behind
    the backend fails (B-2.5).
    """

    id_generator: IdGenerator = generators.UUID4()
    """Makes the ids of :meth:`create` when it is given no generator (B-3.2)."""

    pages_have_timestamp: bool = False
    """Whether :meth:`get_all` returns a :class:`~cliquet.storage.base.Page`.

    It does not for a pattern of parents.

    A subclass that overrides :meth:`get_all` or :meth:`collection_timestamp` sets it again, if that
    is still so.
    """

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Create what the backend needs; do nothing where it exists (B-3.8).

        Parameters
        ----------
        dry_run : only log what would be done.
        """
        raise NotImplementedError

    def run_migrations(
        self, name: str, steps: Sequence[Callable[[Any], None]], dry_run: bool = False
    ) -> None:
        """Run the migrations of a plugin that this storage has not seen yet (B-21.30).

        See :func:`cliquet.initialization.migrations.add_migrations`. A storage that has no place
        to record them runs none.

        .. versionadded:: 3.2

        Parameters
        ----------
        name : of the plugin.
        steps : in order, each called with this storage. One that fails leaves nothing.
        dry_run : only log what would be done.
        """
        logs.logger.info("migration.without_effect", migration=name)

    def flush(self, auth: str | None = None) -> None:
        """Remove every record, tombstone and timestamp of every collection (B-3.9, B-22.28)."""
        raise NotImplementedError

    def collection_timestamp(
        self, collection_id: str, parent_id: str, auth: str | None = None
    ) -> int:
        """Return the highest timestamp given in the collection so far (B-4.1).

        A collection never touched gets the present time, which is kept until the first write
        (B-4.2, H-9.3). Keeping it belongs to no request: it survives a rollback (X-22).

        Raises
        ------
        ReadonlyError : the collection was never touched and nothing can be kept (B-21.7).
        """
        raise NotImplementedError

    def declare_indexes(self, collection_id: str, fields: Sequence[str]) -> None:
        """Take note of the fields that clients filter and sort a collection on (E-10.1).

        :meth:`initialize_schema` then creates the indexes that are missing. A backend without
        indexes ignores it.

        .. versionadded:: 3.2

        Parameters
        ----------
        fields : names, dotted ones included; unique fields among them.
        """

    def missing_indexes(self) -> list[str]:
        """Return the declared fields that have no index yet, as ``collection: field`` (E-10.2).

        .. versionadded:: 3.2
        """
        return []

    def all_resources_timestamps(self, collection_id: str) -> dict[str, int]:
        """Return the timestamps of a collection by parent, for the parents that have one (B-21.3).

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
        """Store a new record and return it with its id and timestamp (B-5.1 to B-5.5).

        Parameters
        ----------
        record : is not modified. Its id is kept, or made by `id_generator` when it has none; its
            timestamp follows B-4.7. A tombstone with the same id disappears.
        unique_fields : fields whose value no other live record may have (B-7); null and missing
            values are not compared.

        Raises
        ------
        UnicityError : the id or a unique value is taken; nothing was written.
        TypeError : the record holds something that is not JSON (B-1.8).
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
        RecordNotFoundError : there is none with this id.
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
        """Return what remains of a deleted record, or ``None`` (B-1.4, B-20.6).

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
        """Replace a record, or create it with this id; return it as stored (B-5.7 to B-5.11).

        Parameters
        ----------
        object_id : wins over an id inside `record`.
        record : the whole new record; is not modified.
        unique_fields : as in :meth:`create`.

        Raises
        ------
        UnicityError : a unique value is taken by another record; nothing was written.
        TypeError : the record holds something that is not JSON (B-1.8).
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
        """Delete a record; return its id, the time of deletion and the mark (B-5.12 to B-5.15).

        Parameters
        ----------
        with_deleted : leave a tombstone. The collection timestamp advances either way (B-4.13).
        last_modified : timestamp of the deletion (B-4.7); made by the backend when ``None``.

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
        """Delete the live records that match; return one tombstone for each (B-5.16 to B-5.18).

        Each gets its own timestamp (B-4.12), whether or not a tombstone is kept.

        Parameters
        ----------
        collection_id : ``None`` for every collection of the parents (B-21.19).
        parent_id : may be a pattern, be it a plain text with ``*`` for any run of characters
            (B-21.19); :class:`~cliquet.core.globs.Exact` is a name (X-29).
        sorting, pagination_rules, limit : delete only that page of the listing (B-21.23).
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
        """Forget tombstones and return how many (B-5.19); no timestamp changes (B-4.14).

        Parameters
        ----------
        collection_id, parent_id : as in :meth:`delete_all`.
        before : only the tombstones strictly older; all when ``None``.
        max_retained : only those that are not among that many most recent ones of their
            collection (B-21.24).
        force_commit : for scripts whose transaction nobody commits. Here, a call made outside a
            request always commits, and one made inside commits with the request: the flag changes
            nothing.

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
        """Delete all but the most recent live records that match; return how many (B-21.25).

        .. versionadded:: 3.2

        Parameters
        ----------
        max_objects : number of matching records to keep, 0 or more.
        with_deleted : leave tombstones, as :meth:`delete_all` does.
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

        The page may be a :class:`~cliquet.storage.base.Page`. Both are of the same instant. Ask
        :meth:`~cliquet.storage.base.StorageBase.list_all` or
        :meth:`~cliquet.storage.base.StorageBase.count_all` for one alone.

        Parameters
        ----------
        parent_id : may be a :class:`~cliquet.core.globs.Pattern` (B-21.19).
        filters : all of them must match; order operators compare values of one type (X-16).
        sorting : criteria, the most significant first; no promised order without (B-6.17).
        pagination_rules : at least one of these lists of filters must match, if there is any;
            order operators follow the total order of JSON values (B-6.19). The count ignores them.
        limit : greatest number of items returned; no limit when ``None`` or 0.
        include_deleted : return tombstones as well; they never count (B-6.2).

        Raises
        ------
        ValueError : a filter's value does not suit its operator (B-21.12).
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
        """Return the page of :meth:`get_all`, without counting (B-21.10).

        Backends written for the published interface have :meth:`get_all` only: this method and
        :meth:`count_all` then rely on it.

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
        include_deleted : count the matching tombstones as well.
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
