"""What the storages in PostgreSQL and SQLite do alike: reading, and what is built on their writes.

They share a schema and the statements of ``sql``. How a record and the
counter of its collection are written together is each one's own: one round trip for the one,
several cheap statements for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from cliquet.connections.attempts import attempts
from cliquet.connections.selected_ids import SelectedIds
from cliquet.migrations.schemas import Migrations
from cliquet.storage import generators
from cliquet.storage.base import (
    DEFAULT_DELETED_FIELD,
    DEFAULT_ID_FIELD,
    DEFAULT_MODIFIED_FIELD,
    StorageBase,
)
from cliquet.storage.collection_key import CollectionKey
from cliquet.storage.exceptions import ReadonlyError, RecordNotFoundError, UnicityError
from cliquet.storage.joining import JoiningStorage
from cliquet.storage.listing.evaluation import Names
from cliquet.storage.ordering import resolve
from cliquet.storage.query import COMPARISON, MISSING, Filter
from cliquet.storage.relational.bulk import RelationalBulk
from cliquet.storage.relational.listing import SQL
from cliquet.storage.relational.transfer import RelationalTransfer
from cliquet.storage.relational.writing import Conflict, Write, tombstone
from cliquet.storage.timestamps import require_timestamp
from cliquet.storage.values import copy_object
from cliquet.types import IdGenerator, IdQuery, PoolStatus, Record

__all__ = ["RelationalStorage"]

T = TypeVar("T")


class RelationalStorage(RelationalBulk, RelationalTransfer, JoiningStorage, StorageBase):
    """A storage in SQL."""

    pages_have_timestamp = True
    _migrations: Migrations

    # The contract

    def run_migrations(
        self, name: str, steps: Sequence[Callable[[Any], None]], dry_run: bool = False
    ) -> None:
        bound = [partial(step, self) for step in steps]
        self._migrations.run_steps(self.client, name, bound, dry_run=dry_run)

    def pool_status(self) -> PoolStatus | None:
        """Return how full the pool of connections is; ``None`` where it has no size."""
        status: PoolStatus | None = self.client.pool_status()
        return status

    def can_join(self, ids: IdQuery) -> bool:
        return isinstance(ids, SelectedIds) and ids.client is self.client

    def flush(self, auth: str | None = None) -> None:
        with self.client.begin() as session:
            session.execute("DELETE FROM records")
            session.execute("DELETE FROM timestamps")
            self._wrote(session)
            self._flushed(session)

    def _is_in_transaction(self) -> bool:
        return self.client.current() is not None

    def _atomic(self, operation: Callable[[], T], key: CollectionKey) -> T:
        with self.client.begin() as session:
            if not session.is_fresh:
                with session.undoing():
                    self._lock(session, key)
                    return operation()
            try:
                self._lock(session, key)
                return operation()
            except BaseException:
                session.rollback()
                raise

    def collection_timestamp(
        self, collection_id: str, parent_id: str, auth: str | None = None
    ) -> int:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        timestamp = self._timestamp(key)
        if timestamp is not None:
            return timestamp
        if self.is_readonly:
            raise ReadonlyError(message="The collection was never touched, and cannot be.")
        for _ in attempts("To give a collection its first timestamp"):
            # Again when somebody else was faster.
            timestamp = self._first_access(key) or self._timestamp(key)
            if timestamp is not None:
                break
        assert timestamp is not None  # noqa: S101 - else the attempts were used up
        return timestamp

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
        generator = id_generator or self.id_generator
        # Nothing can be in the way of a random id; that of another generator may be taken.
        is_random = object_id is None and type(generator) is generators.UUID4
        if object_id is None:
            object_id = generator()
        if not isinstance(object_id, str):
            raise TypeError(f"The id of a record is a text, not {object_id!r}.")
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        if is_random and not unique_fields and data.get(modified_field) is None:
            data.pop(modified_field, None)
            text = self._dumps(data)
            with self.client.begin() as session:
                timestamp = self._insert(session, key, object_id, text)
                self._wrote(session)
            return _completed(data, object_id, timestamp, names)
        return self._store(key, object_id, data, unique_fields, names, is_new=True)

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
        return self._store(key, object_id, data, unique_fields, names, is_new=False)

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
        supplied = require_timestamp(last_modified)
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        with self.client.begin() as session:
            timestamp = self._remove(session, key, object_id, supplied, with_deleted=with_deleted)
            if timestamp is None:
                raise RecordNotFoundError(object_id)
            self._wrote(session)
        return tombstone(object_id, timestamp, Names(id_field, modified_field, deleted_field))

    # Steps

    def _store(
        self,
        key: CollectionKey,
        object_id: str,
        data: dict[str, Any],
        unique_fields: Sequence[str] | None,
        names: Names,
        *,
        is_new: bool,
    ) -> Record:
        """Write a live record, whose id was taken out of `data`.

        Raises
        ------
        UnicityError : something stands in the way.
        """
        supplied = require_timestamp(data.pop(names.modified_field, None))
        unique = [
            (field, value)
            for field in unique_fields or ()
            if field not in names[:2]
            and (value := resolve(data, field)) is not None
            and value is not MISSING
        ]
        write = Write(
            key,
            object_id,
            self._dumps(data),
            supplied,
            self._conflicts(key, object_id, unique, names, is_new=is_new),
        )
        with self.client.begin() as session:
            outcome = self._put(session, write)
            if isinstance(outcome, Conflict):
                field = unique[outcome.rank - 1][0] if outcome.rank else names.id_field
                raise UnicityError(
                    field,
                    self._record(names, outcome.id, outcome.last_modified, False, outcome.data),
                )
            self._wrote(session)
        return _completed(data, object_id, outcome, names)

    def _conflicts(
        self,
        key: CollectionKey,
        object_id: str,
        unique: Iterable[tuple[str, Any]],
        names: Names,
        *,
        is_new: bool,
    ) -> SQL | None:
        """Return a query for the live records that stand in the way of another (B-7)."""
        texts = []
        parameters: list[Any] = []
        home = "FROM records WHERE parent_id = %s AND collection_id = %s AND"
        if is_new:
            texts.append(
                f"SELECT 0 AS rank, id, last_modified, data {home} id = %s AND NOT deleted"
            )
            parameters += [*key, object_id]
        for rank, (field, value) in enumerate(unique, 1):
            equal = self._where(key[1], names, [Filter(field, value, COMPARISON.EQ)], None)
            texts.append(
                f"SELECT {rank} AS rank, id, last_modified, data {home} id <> %s AND {equal.text}"
            )
            parameters += [*key, object_id, *equal.parameters]
        if not texts:
            return None
        union = " UNION ALL ".join(texts)
        return SQL(
            f"SELECT rank, id, last_modified, data FROM ({union}) AS found ORDER BY rank LIMIT 1",
            tuple(parameters),
        )


def _completed(data: dict[str, Any], object_id: str, timestamp: int, names: Names) -> Record:
    # The copy made of what was given: nobody else has it.
    data[names.id_field] = object_id
    data[names.modified_field] = timestamp
    return data
