"""Which collections are spread, and how a transaction locks them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.connections.sql import Session
from cliquet.storage.postgresql.spreading.layout import Layout
from cliquet.storage.postgresql.steps import PostgreSQLSteps
from cliquet.storage.relational.dialect import ListingDialect
from cliquet.storage.relational.listing import parent_condition
from cliquet.storage.selection import CollectionKey, Scope, Selection
from cliquet.storage.spreading import Parents, Spread, lane_of, whole_parent

__all__ = ["SpreadTable"]

_DEPARTED: Final = (
    "SELECT last_modified FROM departures WHERE {parent} AND collection_id = %s"
    " ORDER BY last_modified DESC LIMIT 1 OFFSET %s"
)
_ROWS: Final = (
    "SELECT count(*) FROM timestamps WHERE parent_id = ANY (%s::text[]) AND collection_id = %s"
)
_TOUCHED: Final = "SELECT parent_id, collection_id FROM timestamps WHERE "


class SpreadTable:
    """Knows the collections that are spread, and locks what a transaction reads of them.

    An operation of several calls names its collection, and then reads a record of it. To lock all
    shards would make all writers wait for each other. So each read of the operation locks what it
    reads: the shard of a record, or all shards.
    """

    def __init__(
        self,
        client: PostgreSQLClient,
        dialect: ListingDialect,
        steps: PostgreSQLSteps,
        layout: Layout,
    ) -> None:
        self._client = client
        self._dialect = dialect
        self._steps = steps
        self._layout = layout

    def find(self, key: CollectionKey) -> Spread | None:
        """Return the collection with its number of shards, if it has several.

        Raises
        ------
        BackendError : the database has another number of them.
        """
        number = self._layout.number_of(key.collection_id)
        # A shard itself, of which a command may know the name, is a collection as any other.
        is_whole = number > 1 and lane_of(key.parent_id) is None
        return Spread(key, number) if is_whole else None

    def shard_of(self, key: CollectionKey, object_id: str) -> CollectionKey:
        """Return the key under which a record is; lock it, if an operation reads the collection."""
        spread = self.find(key)
        if spread is None:
            return key
        shard = spread.shard_of(object_id)
        session = self._client.current()
        if session is not None and _mark(key) in session.locked:
            self._steps.lock(session, shard)
        return shard

    def selection_of(self, selection: Selection) -> Selection:
        """Return a selection of the shards that a selection means; lock them, if necessary."""
        scope = self.scope_of(selection.scope)
        return selection if scope is selection.scope else selection._replace(scope=scope)

    def scope_of(self, scope: Scope) -> Scope:
        """Return the scope with the shards that it means."""
        key = scope.key
        if key is None:
            return scope._replace(parent_id=Parents.with_shards(scope.parent_id))
        spread = self.find(key)
        if spread is None:
            return scope
        self.lock_all(spread)
        return scope._replace(parent_id=spread.parents())

    def lock_all(self, spread: Spread) -> None:
        """Lock all shards, if an operation reads the collection."""
        session = self._client.current()
        if session is not None and _mark(spread.key) in session.locked:
            shards = spread.shards()
            if not session.locked.issuperset(shards):
                # A shard without a row cannot be locked.
                parents = [shard.parent_id for shard in shards]
                values = (parents, spread.key.collection_id)
                if session.execute(_ROWS, values).fetchone()[0] < spread.number:
                    self._steps.make_rows(session, shards[0])
                self.lock_in_order(session, shards)

    def lock_in_order(self, session: Session, shards: Iterable[CollectionKey]) -> None:
        """Lock some shards in the order of all locks."""
        for shard in sorted(shards):
            self._steps.lock(session, shard)

    def departed(self, session: Session, scope: Scope, number: int) -> int:
        """Return the position of the latest departure after so many; 0 if there are no more."""
        parent = parent_condition(self._dialect, scope.parent_id)
        rows = session.execute(
            _DEPARTED.format(parent=parent.text),
            (*parent.parameters, scope.collection_id, number),
        ).fetchall()
        return rows[0][0] if rows else 0

    @contextmanager
    def within(self, session: Session, key: CollectionKey) -> Iterator[None]:
        """Run an operation on a collection, of which all reads lock what they read.

        What it has locked stays locked until the transaction ends.
        """
        mark = _mark(key)
        is_outermost = mark not in session.locked
        session.locked |= {mark}
        try:
            yield
        finally:
            if is_outermost:
                session.locked -= {mark}

    def matching(self, session: Session, scope: Scope) -> list[CollectionKey]:
        """Return the collections of a scope that were touched, each of them once."""
        parent = parent_condition(self._dialect, Parents.with_shards(scope.parent_id))
        text, parameters = f"{_TOUCHED}{parent.text}", parent.parameters
        if scope.collection_id is not None:
            text, parameters = f"{text} AND collection_id = %s", (*parameters, scope.collection_id)
        rows = session.execute(text, parameters).fetchall()
        keys = {
            CollectionKey(collection_id=collection_id, parent_id=whole_parent(parent_id))
            for parent_id, collection_id in rows
        }
        return sorted(keys)


def _mark(key: CollectionKey) -> tuple[str, CollectionKey]:
    return "spread", key
