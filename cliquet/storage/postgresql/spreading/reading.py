"""The reads of a storage in PostgreSQL with collections that are spread.

A list is one statement over all shards, after one for the horizon.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cliquet.connections.attempts import attempts
from cliquet.storage.base import Page
from cliquet.storage.changes import Changes, Wanted, collected
from cliquet.storage.exceptions import ReadonlyError
from cliquet.storage.history import History
from cliquet.storage.parts import Departing
from cliquet.storage.postgresql.spreading.horizon import Horizons
from cliquet.storage.postgresql.spreading.table import SpreadTable
from cliquet.storage.postgresql.steps import PostgreSQLSteps
from cliquet.storage.query import COMPARISON
from cliquet.storage.relational.all_changes import ChangeReader
from cliquet.storage.relational.reading import Reader
from cliquet.storage.selection import CollectionKey, Names, Scope, Selection
from cliquet.storage.spreading import Spread, SpreadTimestamp, latest_of, whole_parent
from cliquet.storage.watching import Position
from cliquet.types import ACEQuery, IdQuery, Record

__all__ = ["SpreadChangeReader", "SpreadReader"]


class SpreadReader:
    """The part that reads.

    Parameters
    ----------
    reader : reads collections that are not spread, and single shards.
    is_readonly : whether the service never writes.
    """

    def __init__(
        self, reader: Reader, table: SpreadTable, steps: PostgreSQLSteps, *, is_readonly: bool
    ) -> None:
        self._reader = reader
        self._table = table
        self._steps = steps
        self._horizons = Horizons(reader)
        self._is_readonly = is_readonly

    def timestamp(self, key: CollectionKey) -> int:
        spread = self._table.find(key)
        if spread is None:
            return self._reader.timestamp(key)
        self._table.lock_all(spread)
        for _ in attempts("To give a collection its first timestamp"):
            timestamp = self._horizons.read(spread).timestamp
            if timestamp is not None:
                break
            if self._is_readonly:
                raise ReadonlyError(message="The collection was never touched, and cannot be.")
            # A writer that does not see it has taken a timestamp, which the next attempt respects.
            self._steps.first_access(spread.shard(0))
        assert timestamp is not None  # noqa: S101 - else the attempts were used up
        return timestamp

    def timestamps(self, collection_id: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for parent_id, timestamp in self._reader.timestamps(collection_id).items():
            whole = whole_parent(parent_id)
            found[whole] = max(timestamp, found.get(whole, timestamp))
        return found

    def history(self, key: CollectionKey) -> History:
        spread = self._table.find(key)
        return self._reader.history(key) if spread is None else self._horizons.read(spread).history

    def positions(self, keys: Sequence[CollectionKey]) -> dict[CollectionKey, Position]:
        spreads = [spread for key in keys if (spread := self._table.find(key)) is not None]
        among = {spread.key for spread in spreads}
        others = [key for key in keys if key not in among]
        found = self._reader.positions(others) if others else {}
        for spread in spreads:
            timestamp, history = self._horizons.read(spread)
            if timestamp is not None:
                found[spread.key] = Position(timestamp, history.epoch)
        return found

    def get(self, key: CollectionKey, object_id: str, names: Names) -> Record:
        return self._reader.get(self._table.shard_of(key, object_id), object_id, names)

    def find_with_aces(
        self, key: CollectionKey, object_id: str, names: Names, aces: ACEQuery
    ) -> tuple[Record | None, dict[str, set[str]]]:
        """Return a live record, or ``None``, and ACEs."""
        shard = self._table.shard_of(key, object_id)
        return self._reader.find_with_aces(shard, object_id, names, aces)

    def first_ids(
        self, key: CollectionKey, ids: IdQuery, number: int, *, are_counted: bool
    ) -> tuple[list[str], int | None]:
        """Return ids, and a timestamp up to which these lack none, if one statement has both."""
        if self._table.find(key) is None:
            return self._reader.first_ids(key, ids, number, are_counted=are_counted)
        return ids.first(number), None

    def find_many(
        self, key: CollectionKey, object_ids: Sequence[str], names: Names
    ) -> list[Record]:
        """Return the live records with these ids."""
        by_shard: dict[CollectionKey, list[str]] = {}
        for object_id in object_ids:
            by_shard.setdefault(self._table.shard_of(key, object_id), []).append(object_id)
        return [
            record
            for shard, ids in sorted(by_shard.items())
            for record in self._reader.find_many(shard, ids, names)
        ]

    def find_tombstone(self, key: CollectionKey, object_id: str, names: Names) -> Record | None:
        return self._reader.find_tombstone(self._table.shard_of(key, object_id), object_id, names)

    def page(self, selection: Selection) -> tuple[list[Record], int]:
        key = selection.scope.key
        spread = None if key is None else self._table.find(key)
        if spread is None:
            return self._reader.page(self._table.selection_of(selection))
        over_shards = self._table.selection_of(selection)
        # This comes before the records, which lack no change up to it.
        timestamp, history = self._horizons.read(spread)
        page, total = self._reader.page(over_shards)
        if not isinstance(page, Page):  # pragma: no cover - the reader makes one
            page = Page(page)
        page.timestamp = None if timestamp is None else _not_before(timestamp, _since(selection))
        page.claim = partial(self._claim, spread)
        if selection.include_deleted:
            page.history = history
        return page, total

    def _claim(self, spread: Spread) -> int | None:
        """Touch a collection for the first time; return the timestamp, if nobody has written."""
        claimed = self._steps.first_access(spread.shard(0))
        # A write of another shard, which the list does not have, may have an earlier timestamp.
        is_alone = claimed is not None and not self._horizons.has_writers(spread)
        return claimed if is_alone else None

    def records(self, selection: Selection) -> list[Record]:
        return self._reader.records(self._table.selection_of(selection))

    def count(self, selection: Selection) -> int:
        return self._reader.count(self._table.selection_of(selection))


def _since(selection: Selection) -> int:
    """Return the timestamp after which a list wants changes; 0 if it wants all records."""
    field = selection.names.modified_field
    after = (
        item.value
        for item in selection.filters
        if item.field == field and item.operator is COMPARISON.GT and type(item.value) is int
    )
    return max(after, default=0)


def _not_before(timestamp: int, since: int) -> int:
    """Return a timestamp that is not earlier than the one that the client has.

    Another process may know a later horizon, and has told it to the client.
    """
    latest = latest_of(timestamp)
    horizon = max(timestamp, min(since, latest))
    return latest if horizon == latest else SpreadTimestamp(horizon, latest)


class SpreadChangeReader:
    """Reads the changes of collections."""

    def __init__(
        self,
        changes: ChangeReader,
        reader: SpreadReader,
        departures: Departing,
        table: SpreadTable,
    ) -> None:
        self._changes = changes
        self._reader = reader
        self._departures = departures
        self._table = table

    def read(self, key: CollectionKey, wanted: Wanted, names: Names) -> Changes:
        """Return the changes up to the horizon, each of which is told once."""
        if self._table.find(key) is None:
            return self._changes.read(key, wanted, names)
        scope = Scope(collection_id=key.collection_id, parent_id=key.parent_id)

        def timestamp() -> int:
            return _not_before(self._reader.timestamp(key), wanted.after)

        return collected(
            wanted,
            names,
            timestamp=timestamp,
            departures=lambda after, principals, limit: self._departures.list(
                key, after, principals, limit
            ),
            records=lambda **which: self._reader.records(Selection(scope, names, **which)),
            history=partial(self._reader.history, key),
        )
