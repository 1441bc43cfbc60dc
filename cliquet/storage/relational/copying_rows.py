"""Copies from and to the storages in PostgreSQL and SQLite, and the repair of timestamps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cliquet.connections.sql import Session, SQLClient
from cliquet.storage.departures import StoredDeparture
from cliquet.storage.history import History, new_epoch
from cliquet.storage.relational.dialect import ListingDialect
from cliquet.storage.relational.listing import parent_condition
from cliquet.storage.relational.queries import SELECT_TIMESTAMP
from cliquet.storage.relational.steps import HOME, NEVER_TOUCHED, PURGE_UNTIL, Steps
from cliquet.storage.relational.text import SQL, any_of
from cliquet.storage.selection import CollectionKey
from cliquet.storage.transfer import (
    CollectionTimestamp,
    ExportedCollection,
    ExportedEntry,
    ImportedCollection,
    StorageTransfer,
    grouped,
)
from cliquet.storage.values import copy_object

__all__ = ["RelationalTransfer"]

_PAGE = 500
_FIRST = CollectionKey(collection_id="", parent_id="")

_TIMESTAMPS = (
    "SELECT parent_id, collection_id, last_modified, purged, epoch FROM timestamps"
    " WHERE {after}{among} AND last_modified > %s"
    f" ORDER BY parent_id, collection_id LIMIT {_PAGE}"
)
_ENTRIES = (
    "SELECT parent_id, collection_id, id, last_modified, deleted, data FROM records"
    " WHERE {after}{among} AND (parent_id, collection_id) <= (%s, %s)"
    f" ORDER BY parent_id, collection_id, id LIMIT {_PAGE}"
)
_DEPARTURES = (
    "SELECT parent_id, collection_id, id, principal, last_modified, kind FROM departures"
    " WHERE {after}{among} AND (parent_id, collection_id) <= (%s, %s)"
    f" ORDER BY parent_id, collection_id, id, principal LIMIT {_PAGE}"
)
_REMOVE_DEPARTURE = f"DELETE FROM departures WHERE {HOME} AND id = %s AND principal = %s"
_REWIND_DEPARTURES = f"UPDATE departures SET last_modified = %s WHERE {HOME} AND last_modified > %s"
_COUNT_LIVE = f"SELECT count(*) FROM records WHERE {HOME} AND NOT deleted AND id "
_REMOVE = f"DELETE FROM records WHERE {HOME} AND id "
# This comes first, because it locks the collection. The given epoch is for data that are restored
# from former ones, and a horizon is never later than the timestamp.
_SET_TIMESTAMP = (
    "INSERT INTO timestamps (parent_id, collection_id, last_modified, epoch)"
    " VALUES (%s, %s, %s, %s)"
    " ON CONFLICT (parent_id, collection_id) DO UPDATE SET last_modified = EXCLUDED.last_modified,"
    " epoch = CASE WHEN timestamps.last_modified > EXCLUDED.last_modified"
    " THEN EXCLUDED.epoch ELSE timestamps.epoch END,"
    " purged = CASE WHEN timestamps.purged > EXCLUDED.last_modified"
    " THEN EXCLUDED.last_modified ELSE timestamps.purged END"
)
_SET_HISTORY = (
    f"UPDATE timestamps SET purged = coalesce(%s, purged), epoch = coalesce(%s, epoch) WHERE {HOME}"
)
# If somebody writes while this waits for the lock, the timestamp is later afterwards.
_FORGET_UNTOUCHED = (
    "DELETE FROM timestamps WHERE last_modified < %s AND live = 0 AND purged = 0 AND NOT EXISTS"
    " (SELECT 1 FROM records WHERE records.parent_id = timestamps.parent_id"
    " AND records.collection_id = timestamps.collection_id)"
)
_ADD_LIVE = f"UPDATE timestamps SET live = live + %s WHERE {HOME}"


class RelationalTransfer(StorageTransfer):
    """The part of a storage in SQL for copies."""

    is_transferable = True

    def __init__(self, client: SQLClient, dialect: ListingDialect, steps: Steps) -> None:
        self._client = client
        self._dialect = dialect
        self._steps = steps

    def export_timestamps(self, parent_ids: Sequence[str] = ()) -> Iterator[CollectionTimestamp]:
        for page in self._pages_of_counters(self._among(parent_ids)):
            for timestamp, _ in page:
                yield timestamp

    def export(self, parent_ids: Sequence[str] = ()) -> Iterator[ExportedCollection]:
        after, among = _FIRST, self._among(parent_ids)
        for page in self._pages_of_counters(among):
            timestamps, histories = zip(*page, strict=True)
            last = timestamps[-1].key
            # Each collection of the page is there once, in the same order.
            collections = grouped(timestamps, self._entries_until(after, last, among))
            departures = grouped(timestamps, self._departures_until(after, last, among))
            for one, history, departed in zip(collections, histories, departures, strict=True):
                # Here the second group has departures in the place of entries.
                after_entries: Any = departed.entries
                yield one._replace(
                    purged=history.purged, epoch=history.epoch, departures=after_entries
                )
            after = last

    def import_(self, collections: Sequence[ImportedCollection]) -> None:
        with self._client.begin() as session:
            for changes in collections:
                key = changes.key
                if changes.timestamp is None:
                    # The counter comes first, in the same order as in all transactions that lock.
                    session.execute(f"DELETE FROM timestamps WHERE {HOME}", key)
                    session.execute(f"DELETE FROM records WHERE {HOME}", key)
                    session.execute(f"DELETE FROM departures WHERE {HOME}", key)
                else:
                    session.execute(_SET_TIMESTAMP, (*key, changes.timestamp, new_epoch()))
                    self._change(session, key, changes)
                    for pair in changes.removed_departures:
                        session.execute(_REMOVE_DEPARTURE, (*key, *pair))
                    if changes.departures:
                        self._steps.store_departures(session, key, changes.departures)
                    if changes.purged is not None or changes.epoch is not None:
                        session.execute(_SET_HISTORY, (changes.purged, changes.epoch, *key))
            session.wrote()

    def rewind(self, collection_id: str, parent_id: str, now: int) -> int | None:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        with self._client.begin() as session:
            self._steps.lock(session, key)
            row = session.execute(SELECT_TIMESTAMP, key).fetchone()
            # The row of an untouched collection has the earliest timestamp.
            if row is None or row[0] <= now:
                return None
            number = self._steps.rewind_entries(session, key, now)
            latest = now + max(number, 1)
            session.execute(_SET_TIMESTAMP, (*key, latest, new_epoch()))
            session.execute(_REWIND_DEPARTURES, (latest, *key, latest))
            session.wrote()
        return number

    def forget_untouched(self, before: int) -> int:
        with self._client.begin() as session:
            forgotten: int = session.execute(_FORGET_UNTOUCHED, (before,)).rowcount
            session.memo.clear()
        return forgotten

    def _change(self, session: Session, key: CollectionKey, changes: ImportedCollection) -> None:
        rows = [
            (
                entry.id,
                entry.last_modified,
                entry.data is None,
                self._steps.dumps(copy_object(entry.data or {})),
            )
            for entry in changes.entries
        ]
        touched = [*changes.removed_ids, *(row[0] for row in rows)]
        if not touched:
            return
        among = self._dialect.is_among(touched)
        before = session.execute(
            f"{_COUNT_LIVE}{among.text}", (*key, *among.parameters)
        ).fetchone()[0]
        if changes.removed_ids:
            removed = self._dialect.is_among(changes.removed_ids)
            found = session.execute(f"{_REMOVE}{removed.text}", (*key, *removed.parameters))
            if found.rowcount:
                session.execute(PURGE_UNTIL, (changes.timestamp, changes.timestamp, *key))
        if rows:
            self._steps.store_entries(session, key, rows)
        after = sum(not is_tombstone for _, _, is_tombstone, _ in rows)
        session.execute(_ADD_LIVE, (after - before, *key))

    def _among(self, parent_ids: Sequence[str]) -> SQL:
        """Return a further condition on the parent, which is empty if all are wanted."""
        if not parent_ids:
            return SQL("")
        condition = any_of(parent_condition(self._dialect, one) for one in parent_ids)
        return SQL(f" AND {condition.text}", condition.parameters)

    def _pages_of_counters(self, among: SQL) -> Iterator[list[tuple[CollectionTimestamp, History]]]:
        # The comparison of rows follows the index.
        after, parameters = "(parent_id, collection_id) >= (%s, %s)", _FIRST
        while True:
            text = _TIMESTAMPS.format(after=after, among=among.text)
            rows = self._page(text, (*parameters, *among.parameters, NEVER_TOUCHED))
            if not rows:
                return
            yield [(CollectionTimestamp(*row[:3]), History(*row[3:])) for row in rows]
            after = "(parent_id, collection_id) > (%s, %s)"
            parameters = CollectionKey._make(rows[-1][:2])

    def _entries_until(
        self, after_key: CollectionKey, last_key: CollectionKey, among: SQL
    ) -> Iterator[tuple[CollectionKey, ExportedEntry]]:
        """Yield the entries of the collections after one, up to another."""
        after = "(parent_id, collection_id) > (%s, %s)"
        parameters: tuple[str, ...] = after_key
        if after_key == _FIRST:
            # On the first page, the pair of empty texts itself is included, because nothing comes
            # before it.
            after = after.replace(">", ">=")
        while True:
            text = _ENTRIES.format(after=after, among=among.text)
            rows = self._page(text, (*parameters, *among.parameters, *last_key))
            for parent_id, collection_id, object_id, last_modified, deleted, data in rows:
                yield (
                    CollectionKey(collection_id=collection_id, parent_id=parent_id),
                    ExportedEntry(
                        object_id, last_modified, None if deleted else self._steps.loads(data)
                    ),
                )
            if len(rows) < _PAGE:
                return
            after = "(parent_id, collection_id, id) > (%s, %s, %s)"
            parameters = tuple(rows[-1][:3])

    def _departures_until(
        self, after_key: CollectionKey, last_key: CollectionKey, among: SQL
    ) -> Iterator[tuple[CollectionKey, StoredDeparture]]:
        """Yield the departures of the collections after one, up to another."""
        after = "(parent_id, collection_id) > (%s, %s)"
        parameters: tuple[str, ...] = after_key
        if after_key == _FIRST:
            after = after.replace(">", ">=")
        while True:
            text = _DEPARTURES.format(after=after, among=among.text)
            rows = self._page(text, (*parameters, *among.parameters, *last_key))
            for parent_id, collection_id, *columns in rows:
                key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
                yield key, StoredDeparture(*columns)
            if len(rows) < _PAGE:
                return
            after = "(parent_id, collection_id, id, principal) > (%s, %s, %s, %s)"
            parameters = tuple(rows[-1][:4])

    def _page(self, text: str, parameters: Sequence[Any]) -> list[Any]:
        with self._client.connect(readonly=True) as session:
            return session.execute(text, parameters).fetchall()
