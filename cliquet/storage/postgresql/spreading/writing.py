"""The writes of a storage in PostgreSQL with collections that are spread.

A write of one record is one of its shard. What concerns several records locks their shards in the
order of all locks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.connections.sql import Session
from cliquet.storage.base import (
    DEFAULT_DELETED_FIELD,
    DEFAULT_ID_FIELD,
    DEFAULT_MODIFIED_FIELD,
)
from cliquet.storage.changes import Wanted
from cliquet.storage.departures import Departed, Departure, DepartureKind
from cliquet.storage.postgresql.spreading.table import SpreadTable
from cliquet.storage.postgresql.steps import PostgreSQLSteps
from cliquet.storage.query import COMPARISON, Filter, PaginationRule, Sort
from cliquet.storage.relational.bulk import BulkWriter, tombstone
from cliquet.storage.relational.departures import Departures, departed
from cliquet.storage.relational.dialect import ListingDialect
from cliquet.storage.relational.reading import Reader
from cliquet.storage.relational.text import union_of
from cliquet.storage.relational.writing import Writer
from cliquet.storage.selection import CollectionKey, Draft, Names, Scope, Selection
from cliquet.types import Record

__all__ = ["SpreadBulkWriter", "SpreadDepartures", "SpreadWriter"]

T = TypeVar("T")

_NAMES: Final = Names(DEFAULT_ID_FIELD, DEFAULT_MODIFIED_FIELD, DEFAULT_DELETED_FIELD)


class SpreadWriter:
    """The part that writes single records."""

    def __init__(self, client: PostgreSQLClient, writer: Writer, table: SpreadTable) -> None:
        self._client = client
        self._writer = writer
        self._table = table

    def run_locked(self, operation: Callable[[], T], key: CollectionKey) -> T:
        """Run an operation, each read of which locks what it reads."""
        if self._table.find(key) is None:
            return self._writer.run_locked(operation, key)
        with self._client.begin() as session, self._table.within(session, key):
            return self._writer.run_locked(operation, key, _nothing)

    def put(self, draft: Draft) -> Record:
        spread = self._table.find(draft.key)
        if spread is None:
            return self._writer.put(draft)
        if draft.unique_fields:
            raise ValueError(
                "A collection with shards has no unique fields: each has its own lock."
            )
        return self._writer.put(draft._replace(key=spread.shard_of(draft.id)))

    def create_all(self, drafts: Sequence[Draft]) -> list[Record]:
        """Store new records of one collection; return the stored records."""
        spread = self._table.find(drafts[0].key) if drafts else None
        if spread is None:
            return self._writer.create_all(drafts)
        placed = [draft._replace(key=spread.shard_of(draft.id)) for draft in drafts]
        with self._client.begin() as session:
            self._table.lock_in_order(session, {draft.key for draft in placed})
            return [self._writer.put(draft) for draft in placed]

    def put_all(self, drafts: Sequence[Draft]) -> list[Record]:
        """Store records without unique fields; return the stored records."""
        spread = self._table.find(drafts[0].key) if drafts else None
        if spread is None:
            return self._writer.put_all(drafts)
        placed = [draft._replace(key=spread.shard_of(draft.id)) for draft in drafts]
        with self._client.begin() as session:
            self._table.lock_in_order(session, {draft.key for draft in placed})
            return [self._writer.put(draft) for draft in placed]

    def delete_each(
        self, key: CollectionKey, object_ids: Sequence[str], names: Names
    ) -> list[Record]:
        """Delete live records; return their tombstones."""
        spread = self._table.find(key)
        if spread is None:
            return self._writer.delete_each(key, object_ids, names)
        placed = [(spread.shard_of(object_id), object_id) for object_id in object_ids]
        with self._client.begin() as session:
            self._table.lock_in_order(session, {shard for shard, _ in placed})
            return [
                self._writer.delete(shard, object_id, names, supplied=None, with_deleted=True)
                for shard, object_id in placed
            ]

    def delete(
        self,
        key: CollectionKey,
        object_id: str,
        names: Names,
        *,
        supplied: int | None,
        with_deleted: bool,
    ) -> Record:
        shard = self._table.shard_of(key, object_id)
        return self._writer.delete(
            shard, object_id, names, supplied=supplied, with_deleted=with_deleted
        )


class SpreadBulkWriter:
    """The part that deletes many records at once, and purges."""

    def __init__(
        self,
        client: PostgreSQLClient,
        bulk: BulkWriter,
        reader: Reader,
        steps: PostgreSQLSteps,
        table: SpreadTable,
    ) -> None:
        self._steps = steps
        self._client = client
        self._bulk = bulk
        self._reader = reader
        self._table = table

    def delete_selected(self, selection: Selection, *, with_deleted: bool) -> list[Record]:
        key = selection.scope.key
        spread = None if key is None else self._table.find(key)
        if spread is None:
            return self._bulk.delete_selected(
                self._table.selection_of(selection), with_deleted=with_deleted
            )
        over_shards = selection._replace(scope=selection.scope._replace(parent_id=spread.parents()))
        with self._client.begin() as session:
            self._table.lock_in_order(session, spread.shards())
            pairs = [
                (CollectionKey._make(pair), object_id)
                for *pair, object_id in self._bulk.selected(session, over_shards)
            ]
            stamps = self._steps.remove_in_order(session, pairs, with_deleted=with_deleted)
        return [
            tombstone(object_id, stamp, selection.names)
            for (_, object_id), stamp in zip(pairs, stamps, strict=True)
        ]

    def trim(self, selection: Selection, max_objects: int, *, with_deleted: bool) -> int:
        key = selection.scope.key
        if key is None:
            with self._client.begin() as session:
                return sum(
                    self.trim(
                        selection._replace(scope=_scope_of(one)),
                        max_objects,
                        with_deleted=with_deleted,
                    )
                    for one in self._table.matching(session, selection.scope)
                )
        if self._table.find(key) is None:
            return self._bulk.trim(selection, max_objects, with_deleted=with_deleted)
        names = selection.names
        with self._client.begin() as session, self._table.within(session, key):
            rules = self._after(self._table.selection_of(selection), max_objects)
            if rules is None:
                return 0
            removed = selection._replace(
                sorting=[Sort(names.modified_field, 1), Sort(names.id_field, 1)],
                pagination_rules=rules,
            )
            return len(self.delete_selected(removed, with_deleted=with_deleted))

    def _after(self, selection: Selection, number: int) -> list[PaginationRule] | None:
        """Return the rules for all but the most recent records; ``None`` if there are no others."""
        if not number:
            return []
        _, modified_field, _ = names = selection.names
        order = [Sort(modified_field, -1), Sort(names.id_field, -1)]
        kept = self._reader.records(selection._replace(sorting=order, limit=number))
        if len(kept) < number:
            return None
        last = kept[-1]
        here = Filter(modified_field, last[modified_field], COMPARISON.EQ)
        return [
            [here, Filter(names.id_field, last[names.id_field], COMPARISON.LT)],
            [Filter(modified_field, last[modified_field], COMPARISON.LT)],
        ]

    def purge(self, scope: Scope, *, before: int | None, max_retained: int | None) -> int:
        if not max_retained:
            # Without any to be kept, all are purged.
            return self._bulk.purge(
                self._table.scope_of(scope), before=before, max_retained=max_retained
            )
        with self._client.begin() as session:
            keys = [scope.key] if scope.key else self._table.matching(session, scope)
            return sum(self._purge_retaining(session, key, max_retained) for key in keys)

    def purge_slices(
        self, key: CollectionKey, size: int, *, before: int | None, max_retained: int | None
    ) -> Iterator[int]:
        spread = self._table.find(key)
        if spread is not None and max_retained:
            yield self.purge(_scope_of(key), before=before, max_retained=max_retained)
            return
        for one in [key] if spread is None else spread.shards():
            yield from self._bulk.purge_slices(one, size, before=before, max_retained=max_retained)

    def _purge_retaining(self, session: Session, key: CollectionKey, max_retained: int) -> int:
        """Purge all tombstones and departures of a collection but the most recent ones."""
        scope = _scope_of(key)
        if self._table.find(key) is None:
            return self._bulk.purge(scope, before=None, max_retained=max_retained)
        with self._table.within(session, key):
            over_shards = Selection(
                self._table.scope_of(scope),
                _NAMES,
                [Filter(_NAMES.deleted_field, True, COMPARISON.EQ)],
                [Sort(_NAMES.modified_field, -1)],
                limit=max_retained,
                include_deleted=True,
            )
            kept = self._reader.records(over_shards)
            is_full = len(kept) == max_retained
            tombstones_before = kept[-1][_NAMES.modified_field] if is_full else 0
            departed = self._table.departed(session, over_shards.scope, max_retained)
            return self._bulk.purge_before(
                over_shards.scope, tombstones=tombstones_before, departed=departed + 1
            )


class SpreadDepartures:
    """The part for departures, each of which is recorded in the shard of its record."""

    def __init__(
        self,
        client: PostgreSQLClient,
        departures: Departures,
        dialect: ListingDialect,
        reader: Reader,
        table: SpreadTable,
    ) -> None:
        self._client = client
        self._departures = departures
        self._dialect = dialect
        self._reader = reader
        self._table = table

    def record(self, key: CollectionKey, departures: Sequence[Departure]) -> int | None:
        spread = self._table.find(key)
        if spread is None:
            return self._departures.record(key, departures)
        placed = [(spread.shard_of(one.id), one) for one in departures]
        with self._client.begin() as session:
            self._table.lock_in_order(session, {shard for shard, _ in placed})
            stamps = [self._departures.record(shard, [one]) for shard, one in placed]
        return max((one for one in stamps if one is not None), default=None)

    def list(
        self, key: CollectionKey, after: int, principals: Iterable[str], limit: int | None
    ) -> Sequence[Departed]:
        spread = self._table.find(key)
        if spread is None:
            return self._departures.list(key, after, principals, limit)
        self._table.lock_all(spread)
        wanted = Wanted(after, principals=tuple(principals), limit=limit)
        of_shards = [departed(self._dialect, shard, wanted) for shard in spread.shards()]
        rows = sorted(self._reader.rows(*union_of(of_shards), None))
        found = [Departed(one, position, DepartureKind(kind)) for position, one, kind in rows]
        return found[:limit] if limit else found


def _scope_of(key: CollectionKey) -> Scope:
    return Scope(collection_id=key.collection_id, parent_id=key.parent_id)


def _nothing(session: Session, key: CollectionKey) -> None:
    """Lock nothing yet."""
