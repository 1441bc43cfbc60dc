"""The common part of the storages in PostgreSQL and SQLite.

They share a schema, and the statements in this folder. Each has its own ``Steps``, which write a
record together with the counter of its collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from cliquet.connections.selected_aces import SelectedACEs
from cliquet.connections.selected_ids import SelectedIds
from cliquet.connections.sql import SQLClient
from cliquet.migrations.schemas import Migrations
from cliquet.storage.base import (
    DEFAULT_DELETED_FIELD,
    DEFAULT_ID_FIELD,
    DEFAULT_MODIFIED_FIELD,
)
from cliquet.storage.changes import Changes, Wanted
from cliquet.storage.joining import JoinedTransactions
from cliquet.storage.parts import JointReading, ReadingChanges
from cliquet.storage.query import Filter
from cliquet.storage.relational.all_changes import ChangeReader
from cliquet.storage.relational.bulk import BulkWriter
from cliquet.storage.relational.copying_rows import RelationalTransfer
from cliquet.storage.relational.declared import DeclaredIndexes
from cliquet.storage.relational.departures import Departures
from cliquet.storage.relational.dialect import ListingDialect
from cliquet.storage.relational.made_parts import MadeParts
from cliquet.storage.relational.queries import Queries
from cliquet.storage.relational.reading import Reader
from cliquet.storage.relational.steps import Steps
from cliquet.storage.relational.writing import Writer
from cliquet.storage.selection import CollectionKey, Names
from cliquet.storage.several import StorageOfSeveral
from cliquet.types import ACEQuery, IdQuery, PoolStatus, Record

__all__ = ["RelationalStorage"]


class RelationalStorage(StorageOfSeveral):
    """A storage in SQL.

    Parameters
    ----------
    client : lends connections; it becomes the attribute ``client`` (B-24).
    dialect : differences between databases in the conditions of lists.
    steps : the other steps that each database does in its own way.
    is_readonly : whether the service never writes.
    make_reader : makes the part that reads.
    """

    gives_texts = True
    """Whether :meth:`get_all` returns a :class:`~cliquet.storage.page_text.PageText` if asked."""

    _migrations: Migrations
    _reader: JointReading

    def __init__(
        self,
        client: SQLClient,
        dialect: ListingDialect,
        steps: Steps,
        *,
        is_readonly: bool = False,
        make_reader: Callable[..., Reader] = Reader,
    ) -> None:
        declared: dict[str, DeclaredIndexes] = {}
        queries = Queries(dialect, declared)
        reader = make_reader(client, steps, queries, is_readonly=is_readonly)
        writer = Writer(client, steps, queries)
        self._made = made = MadeParts(
            reader,
            writer,
            BulkWriter(client, steps, queries),
            Departures(client, dialect, steps, reader),
            ChangeReader(steps, queries, reader),
        )
        super().__init__(
            reader=reader,
            writer=writer,
            bulk=made.bulk,
            transactions=JoinedTransactions(
                lambda: client.current() is not None, writer.run_locked
            ),
            transfer=RelationalTransfer(client, dialect, steps),
            departures=made.departures,
        )
        self._changes: ReadingChanges = made.changes
        self.client: Any = client
        client.holds_records = True
        self.is_readonly = is_readonly
        self._declared = declared
        self._steps = steps

    def run_migrations(
        self, name: str, steps: Sequence[Callable[[Any], None]], dry_run: bool = False
    ) -> None:
        bound = [partial(step, self) for step in steps]
        self._migrations.run_steps(self.client, name, bound, dry_run=dry_run)

    def pool_status(self) -> PoolStatus | None:
        """Return the use of the pool of connections; ``None`` if it has no size."""
        status: PoolStatus | None = self.client.pool_status()
        return status

    def can_join(self, ids: IdQuery) -> bool:
        return isinstance(ids, SelectedIds) and ids.client is self.client

    def can_join_aces(self, aces: ACEQuery, *, collection_id: str, parent_id: str) -> bool:
        return isinstance(aces, SelectedACEs) and aces.client is self.client

    def find_with_aces(
        self,
        collection_id: str,
        parent_id: str,
        object_id: str,
        aces: ACEQuery,
        *,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        auth: str | None = None,
    ) -> tuple[Record | None, dict[str, set[str]]]:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        # The class itself would be called through a function in Python, in each read.
        names = tuple.__new__(Names, (id_field, modified_field, DEFAULT_DELETED_FIELD))
        return self._reader.find_with_aces(key, object_id, names, aces)

    def first_ids(
        self,
        ids: IdQuery,
        number: int,
        *,
        collection_id: str,
        parent_id: str,
        are_counted: bool = True,
    ) -> tuple[list[str], int | None]:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        return self._reader.first_ids(key, ids, number, are_counted=are_counted)

    def look_ahead(
        self,
        collection_id: str,
        parent_id: str,
        object_ids: Sequence[str],
        aces: Mapping[str, Mapping[str, Iterable[str]]],
    ) -> None:
        session = self.client.current()
        if session is not None and object_ids:
            key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
            pairs = {
                object_id: [(name, one) for name, granted in found.items() for one in granted]
                for object_id, found in aces.items()
            }
            self._steps.look_ahead(session, key, object_ids, pairs)

    def list_changes(
        self,
        collection_id: str,
        parent_id: str,
        after: int,
        *,
        after_id: str | None = None,
        upto: int | None = None,
        ids: Sequence[str] | IdQuery | None = None,
        principals: Iterable[str] = (),
        filters: Sequence[Filter] = (),
        limit: int | None = None,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        deleted_field: str = DEFAULT_DELETED_FIELD,
        auth: str | None = None,
    ) -> Changes:
        return self._changes.read(
            CollectionKey(collection_id=collection_id, parent_id=parent_id),
            Wanted(after, after_id, upto, ids, principals, filters, limit),
            Names(id_field, modified_field, deleted_field),
        )

    def declare_indexes(
        self,
        collection_id: str,
        fields: Sequence[str | tuple[str, ...]],
        *,
        gin_fields: Sequence[str] = (),
    ) -> None:
        if fields or gin_fields:
            self._declared[collection_id] = DeclaredIndexes.of(fields, gin_fields)

    def flush(self, auth: str | None = None) -> None:
        with self.client.begin() as session:
            # A record that is stored meanwhile must not outlive the row of its collection.
            self._steps.lock_all(session)
            session.execute("DELETE FROM records")
            session.execute("DELETE FROM timestamps")
            session.execute("DELETE FROM departures")
            session.wrote()
            self._steps.flushed(session)
