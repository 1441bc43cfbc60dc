"""A storage in Redis, for low loads: the server neither filters nor sorts (B-10.1).

Each call is applied at once, and is not undone when the request fails (X-18). A call, or an
operation given to :meth:`Storage.atomic`, is one script of the server: killed at any point, a
process leaves what was before it or what is after it (B-22.10).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import redis

from cliquet import utils
from cliquet.connections.redis.client import pool_status, settings_of
from cliquet.core.globs import as_published
from cliquet.storage import exceptions
from cliquet.storage.base import (
    DEFAULT_DELETED_FIELD,
    DEFAULT_ID_FIELD,
    DEFAULT_MODIFIED_FIELD,
    Page,
    StorageBase,
)
from cliquet.storage.collection_key import CollectionKey, Scope
from cliquet.storage.exceptions import ReadonlyError
from cliquet.storage.listing import evaluation
from cliquet.storage.listing.evaluation import Entry, Names
from cliquet.storage.query import Filter, PaginationRule, Sort
from cliquet.storage.redis import bulk
from cliquet.storage.redis.database import Database
from cliquet.storage.redis.operation import Operation
from cliquet.storage.redis.reading import Reader, live_ones
from cliquet.storage.redis.transactions import Transactions
from cliquet.storage.redis.transfer import RedisTransfer
from cliquet.storage.redis.writing import Writer
from cliquet.storage.timestamps import require_timestamp
from cliquet.storage.transfer import CollectionTimestamp, ExportedCollection, ImportedCollection
from cliquet.storage.values import copy_object
from cliquet.types import IdGenerator, PoolStatus, Record

__all__ = ["Storage"]

T = TypeVar("T")
U = TypeVar("U")


class Storage(StorageBase):
    """Storage in Redis.

    .. code-block:: ini

        cliquet.storage_backend = cliquet.storage.redis
        cliquet.storage_url = redis://localhost:6379/1

    Reading, writing or deleting one record costs the same however many there are, unicity included;
    a listing reads its collection. The clock is that of the application's host (B-4.6).

    Parameters
    ----------
    client : of the one server, or primary, that keeps the data.
    is_readonly : whether the service never writes: no first timestamp is made (B-21.7).

    Notes
    -----
    The server must not evict keys (``maxmemory-policy noeviction``), and keeps on its disk what its
    own configuration says (``appendonly``, ``appendfsync``).
    """

    is_transferable = True
    pages_have_timestamp = True
    joins_transactions = False

    def __init__(self, client: redis.Redis, *, is_readonly: bool = False) -> None:
        self.is_readonly = is_readonly
        self._client = client
        self._database = Database(client)
        self._transactions = Transactions(self._database)
        self._reader = Reader(self._database, self._transactions)
        self._writer = Writer(
            self._database,
            self._transactions,
            self._reader,
            # Looked up at each call, since tests replace it.
            lambda supplied: self._bump_timestamp(supplied),
        )
        self._transfer = RedisTransfer(self._database)

    @property
    def settings(self) -> dict[str, Any]:
        """The ``host``, ``port``, ``password`` and ``db`` of the server (B-10.4)."""
        return settings_of(self._client)

    def pool_status(self) -> PoolStatus | None:
        """Return how full the pool of connections is; ``None`` where it has no size."""
        return pool_status(self._client)

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Do nothing: there is no schema."""

    def flush(self, auth: str | None = None) -> None:
        """Remove what the storage keeps; other keys of the database stay (B-22.28)."""
        self._database.flush()

    def atomic(self, operation: Callable[[], T], *, collection_id: str, parent_id: str) -> T:
        """Run `operation` until nobody changes meanwhile what it read, at most 10 times (X-24).

        Its writes are kept back until it ends, and it alone sees them. The timestamp of a record
        that is read alone is what matters of it: changes of other records do not disturb. After a
        listing, or :meth:`collection_timestamp`, any change of the collection does.

        Raises
        ------
        BackendError : it was disturbed each time; the error is retryable.
        """
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
        return self._transactions.with_effects(write, effects)

    def collection_timestamp(
        self, collection_id: str, parent_id: str, auth: str | None = None
    ) -> int:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        timestamp = self._reader.timestamp(key)
        if timestamp is not None:
            return timestamp
        return self._claim(key)[1]

    def all_resources_timestamps(self, collection_id: str) -> dict[str, int]:
        return self._database.timestamps(collection_id)

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
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        return self._writer.put(key, object_id, data, unique_fields, names, must="absent")

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
        entry = self._reader.live(key, object_id)
        if entry is None:
            raise exceptions.RecordNotFoundError(object_id)
        return entry.to_record(Names(id_field, modified_field, DEFAULT_DELETED_FIELD))

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
        return self._writer.put(key, object_id, data, unique_fields, names)

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
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        tombstone = self._writer.delete(key, object_id, last_modified, with_deleted=with_deleted)
        return tombstone.to_record(Names(id_field, modified_field, deleted_field))

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

        def delete_each(operation: Operation) -> list[Entry]:
            return bulk.delete_page(
                operation,
                scope,
                names,
                functools.partial(self._writer.delete_in, operation, with_deleted=with_deleted),
                filters=filters,
                sorting=sorting,
                pagination_rules=pagination_rules,
                limit=limit,
            )

        tombstones = self._atomically(delete_each, scope)
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
        purge = functools.partial(bulk.purge, scope=scope, before=before, max_retained=max_retained)
        return self._atomically(purge, scope)

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

        def trim(operation: Operation) -> int:
            return bulk.trim(
                operation,
                scope,
                names,
                functools.partial(self._writer.delete_in, operation, with_deleted=with_deleted),
                filters=filters,
                max_objects=max_objects,
            )

        return self._atomically(trim, scope)

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
        entries, timestamp = self._reader.listed(
            scope, filters, names, include_deleted=include_deleted
        )
        total = len(live_ones(entries))
        entries = evaluation.page(
            entries, names, sorting=sorting, pagination_rules=pagination_rules, limit=limit
        )
        page = Page(entry.to_record(names) for entry in entries)
        page.timestamp = timestamp
        key = scope.key
        if timestamp is None and key is not None:
            page.claim = functools.partial(self._claim_alone, key)
        return page, total

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
        records, _ = self.get_all(
            collection_id,
            parent_id,
            filters=filters,
            sorting=sorting,
            pagination_rules=pagination_rules,
            limit=limit,
            include_deleted=include_deleted,
            id_field=id_field,
            modified_field=modified_field,
            deleted_field=deleted_field,
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
        names = Names(id_field, modified_field, deleted_field)
        scope = Scope(collection_id=collection_id, parent_id=parent_id)
        return self._reader.count(scope, filters, names, include_deleted=include_deleted)

    def export_timestamps(self) -> Iterator[CollectionTimestamp]:
        return self._transfer.export_timestamps()

    def export(self) -> Iterator[ExportedCollection]:
        return self._transfer.export()

    def import_(self, collections: Sequence[ImportedCollection]) -> None:
        self._transfer.import_(collections)

    def forget_untouched(self, before: int) -> int:
        return self._transfer.forget_untouched(before)

    def rewind(self, collection_id: str, parent_id: str, now: int) -> int | None:
        return self._transfer.rewind(collection_id, parent_id, now)

    def _atomically(self, function: Callable[[Operation], T], scope: Scope) -> T:
        # Who is disturbed waits for the others that change the same collections.
        key = CollectionKey(collection_id=scope.collection_id or "", parent_id=scope.parent_id)
        return self._transactions.run_with(function, key)

    def _claim(self, key: CollectionKey) -> tuple[bool, int]:
        """Give an untouched collection its timestamp; tell whether it had none, and which it has.

        Raises
        ------
        ReadonlyError : the service never writes, or the server is a replica.
        """
        if self.is_readonly:
            raise ReadonlyError(message="The collection was never touched, and cannot be.")
        now, _ = self._bump_timestamp(None)
        return self._database.claim_timestamp(key, now)

    def _claim_alone(self, key: CollectionKey) -> int | None:
        """Do as :meth:`_claim`; return ``None`` if somebody else touched the collection before."""
        is_new, timestamp = self._claim(key)
        return timestamp if is_new else None

    def _bump_timestamp(self, supplied: int | None) -> tuple[int, str]:
        """Return the clock and the timestamp wanted, from which the server makes timestamps.

        Called for each change, and for the first access of a collection; tests replace it to make
        the backend fail (B-9.3).
        """
        wanted = require_timestamp(supplied)
        return utils.msec_time(), "" if wanted is None else str(wanted)
