"""Deletions of many records at once, in PostgreSQL and SQLite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cliquet.connections.sql import Session, SQLClient
from cliquet.storage.relational import departures
from cliquet.storage.relational.queries import Queries
from cliquet.storage.relational.steps import HOME, PURGE_UNTIL, Steps
from cliquet.storage.relational.text import SQL
from cliquet.storage.selection import CollectionKey, Names, Scope, Selection
from cliquet.types import Record

__all__ = ["BulkWriter", "tombstone"]

# Both databases understand this limit as "all of them".
_ALL = 2**63 - 1

_HOLDS_PURGEABLE = (
    " AND (EXISTS (SELECT 1 FROM records WHERE records.parent_id = timestamps.parent_id"
    " AND records.collection_id = timestamps.collection_id AND records.deleted)"
    " OR EXISTS (SELECT 1 FROM departures WHERE departures.parent_id = timestamps.parent_id"
    " AND departures.collection_id = timestamps.collection_id))"
)


def tombstone(object_id: str, timestamp: int, names: Names) -> Record:
    """Return the tombstone of a deleted record."""
    return {
        names.deleted_field: True,
        names.id_field: object_id,
        names.modified_field: timestamp,
    }


class BulkWriter:
    """The part of a storage in SQL that deletes many records at once, and purges."""

    def __init__(self, client: SQLClient, steps: Steps, queries: Queries) -> None:
        self._client = client
        self._steps = steps
        self._queries = queries

    def delete_selected(self, selection: Selection, *, with_deleted: bool) -> list[Record]:
        names = selection.names
        with self._client.begin() as session:
            self._lock(session, selection.scope)
            rows = self.selected(session, selection)
            by_key: dict[CollectionKey, list[str]] = {}
            for *pair, object_id in rows:
                by_key.setdefault(CollectionKey._make(pair), []).append(object_id)
            stamps = {
                key: self._steps.remove_many(session, key, by_key[key], with_deleted=with_deleted)
                for key in sorted(by_key)
            }
        return [
            tombstone(object_id, stamps[CollectionKey._make(pair)][object_id], names)
            for *pair, object_id in rows
        ]

    def selected(self, session: Session, selection: Selection) -> list[Any]:
        """Return the parent, the collection and the id of each record, in the wanted order."""
        query = self._queries.rows(selection, "parent_id, collection_id, id")
        return session.execute(*query).fetchall()

    def trim(self, selection: Selection, max_objects: int, *, with_deleted: bool) -> int:
        where = self._queries.where(selection)
        trimmed = 0
        with self._client.begin() as session:
            for key in self._lock(session, selection.scope):
                rows = session.execute(
                    f"SELECT id FROM records WHERE {HOME} AND "
                    f"{where.text} ORDER BY last_modified DESC, id DESC"
                    f" LIMIT {_ALL} OFFSET %s",
                    (*key, *where.parameters, max_objects),
                ).fetchall()
                if rows:
                    # The oldest record comes first.
                    ids = [row[0] for row in reversed(rows)]
                    self._steps.remove_many(session, key, ids, with_deleted=with_deleted)
                trimmed += len(rows)
        return trimmed

    def purge(self, scope: Scope, *, before: int | None, max_retained: int | None) -> int:
        purged = 0
        with self._client.begin() as session:
            # The locks come first, in the same order as in all transactions: a record that is
            # created again locks its collection before its tombstone.
            for key in self._lock(session, scope, holding=_HOLDS_PURGEABLE):
                purged += self._purge(session, key, _conditions(key, before, max_retained, None))
        return purged

    def purge_before(self, scope: Scope, *, tombstones: int, departed: int) -> int:
        """Purge the tombstones and the departures of a scope before one time each."""
        purged = 0
        with self._client.begin() as session:
            for key in self._lock(session, scope, holding=_HOLDS_PURGEABLE):
                conditions = {
                    "records": _purgeable(key, tombstones, None),
                    "departures": departures.purgeable(key, departed, None),
                }
                purged += self._purge(session, key, conditions)
        return purged

    def purge_slices(
        self, key: CollectionKey, size: int, *, before: int | None, max_retained: int | None
    ) -> Iterator[int]:
        # Each slice begins where the previous one ended. Otherwise PostgreSQL would walk again
        # through all that is gone, and each slice would take longer.
        start: int | None = None
        is_over = False
        while not is_over:
            conditions = _conditions(key, before, max_retained, start)
            # Nobody waits for this.
            with self._client.connect(readonly=True) as session:
                rows = session.execute(*_oldest(conditions, size + 1)).fetchall()
            if not rows:
                return
            is_over = len(rows) <= size
            bound = before
            if not is_over:
                # If all of them have one timestamp, they go together.
                (first,), (beyond,) = rows[0], rows[size]
                bound = beyond if first < beyond else beyond + 1
            with self._client.begin() as session:
                self._steps.lock(session, key)
                purged = self._purge(session, key, _conditions(key, bound, max_retained, start))
            start = bound
            yield purged

    def _purge(self, session: Session, key: CollectionKey, conditions: Mapping[str, SQL]) -> int:
        """Purge a locked collection; return the number of deleted tombstones."""
        latest = session.execute(*_latest(conditions)).fetchone()
        numbers = [
            0
            if position is None
            else session.execute(f"DELETE FROM {table} WHERE {text}", parameters).rowcount
            for position, (table, (text, parameters)) in zip(
                latest, conditions.items(), strict=True
            )
        ]
        if any(numbers):
            position = max(one for one in latest if one is not None)
            session.execute(PURGE_UNTIL, (position, position, *key))
            session.wrote()
        # Departures are counted nowhere.
        return numbers[0]

    def _lock(self, session: Session, scope: Scope, holding: str = "") -> list[CollectionKey]:
        """Lock the collections of the scope; return them.

        Parameters
        ----------
        holding : another condition on them if there may be several.
        """
        key = scope.key
        if key is None:
            text, parameters = self._queries.scope(scope)
            return self._steps.lock_matching(session, SQL(text + holding, parameters))
        self._steps.lock(session, key)
        return [key]


def _conditions(
    key: CollectionKey, before: int | None, max_retained: int | None, start: int | None
) -> dict[str, SQL]:
    """Return the condition of each table on the rows that a purge deletes.

    Parameters
    ----------
    start : lowest timestamp of a slice.
    """
    conditions = {
        "records": _purgeable(key, before, max_retained),
        "departures": departures.purgeable(key, before, max_retained),
    }
    if start is None:
        return conditions
    return {
        table: SQL(f"{text} AND last_modified >= %s", (*parameters, start))
        for table, (text, parameters) in conditions.items()
    }


def _oldest(conditions: Mapping[str, SQL], number: int) -> SQL:
    """Return the query for the earliest timestamps of the rows of both tables, in their order."""
    texts = [
        f"SELECT last_modified FROM (SELECT last_modified FROM {table} WHERE {condition.text}"
        f" ORDER BY last_modified LIMIT %s) AS oldest_{table}"
        for table, condition in conditions.items()
    ]
    parameters = [
        value for condition in conditions.values() for value in (*condition.parameters, number)
    ]
    text = f"{' UNION ALL '.join(texts)} ORDER BY last_modified LIMIT %s"
    return SQL(text, (*parameters, number))


def _latest(conditions: Mapping[str, SQL]) -> SQL:
    """Return the query for the latest timestamp of the rows of each table."""
    texts = [
        f"(SELECT max(last_modified) FROM {table} WHERE {condition.text})"
        for table, condition in conditions.items()
    ]
    parameters = [one for condition in conditions.values() for one in condition.parameters]
    return SQL(f"SELECT {', '.join(texts)}", tuple(parameters))


def _purgeable(key: CollectionKey, before: int | None, max_retained: int | None) -> SQL:
    """Return the condition on the tombstones of a collection that a purge deletes."""
    text = f"{HOME} AND deleted"
    parameters: list[Any] = [*key]
    if before is not None:
        text += " AND last_modified < %s"
        parameters.append(before)
    if max_retained is not None:
        # It is one row, however many there are: each slice asks for it again.
        text += (
            f" AND (last_modified, id) <= (SELECT last_modified, id FROM records WHERE {HOME}"
            " AND deleted ORDER BY last_modified DESC, id DESC LIMIT 1 OFFSET %s)"
        )
        parameters += [*key, max_retained]
    return SQL(text, tuple(parameters))
