"""The locks and writes of the storage in SQLite.

A transaction that writes is the only writer of the file from its first statement on. All its reads
stay true, and each step is a statement of its own, which costs microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from cliquet import utils
from cliquet.connections.sql import Session
from cliquet.connections.sqlite.client import SQLiteClient, SQLiteSession
from cliquet.storage.departures import StoredDeparture
from cliquet.storage.relational.steps import (
    HOME,
    NEVER_TOUCHED,
    SELECT_ONE,
    WITH_ACES,
    Conflict,
    EntryRow,
    Write,
    is_known_live,
    row_and_pairs,
)
from cliquet.storage.relational.text import SQL
from cliquet.storage.selection import CollectionKey
from cliquet.storage.timestamps import next_timestamp, next_timestamps

__all__ = ["SQLiteSteps"]

_RECORD = f"{HOME} AND id = %s"

_COUNTER = f"SELECT last_modified, live FROM timestamps WHERE {HOME}"
_POSITION = f"SELECT last_modified, epoch FROM timestamps WHERE {HOME}"
_NEW_COUNTER = (
    "INSERT INTO timestamps (parent_id, collection_id, last_modified) VALUES (%s, %s, %s)"
    " ON CONFLICT DO NOTHING"
)
_FIRST_ACCESS = (
    "INSERT INTO timestamps (parent_id, collection_id, last_modified) VALUES (%s, %s, %s)"
    " ON CONFLICT (parent_id, collection_id) DO UPDATE SET last_modified = excluded.last_modified"
    f" WHERE last_modified = {NEVER_TOUCHED}"
)
_ADVANCE = (
    "INSERT INTO timestamps (parent_id, collection_id, last_modified, live) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT (parent_id, collection_id) DO UPDATE"
    " SET last_modified = excluded.last_modified, live = live + excluded.live"
)
_WRITE = (
    "INSERT INTO records (parent_id, collection_id, id, last_modified, data)"
    " VALUES (%s, %s, %s, %s, %s)"
    " ON CONFLICT (parent_id, collection_id, id) DO UPDATE"
    " SET deleted = 0, last_modified = excluded.last_modified, data = excluded.data"
)
_STORE = (
    "INSERT INTO records (parent_id, collection_id, id, last_modified, deleted, data)"
    " VALUES (%s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (parent_id, collection_id, id) DO UPDATE SET deleted = excluded.deleted,"
    " last_modified = excluded.last_modified, data = excluded.data"
)
_STORE_DEPARTURE = (
    "INSERT INTO departures (parent_id, collection_id, id, principal, last_modified, kind)"
    " VALUES (%s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (parent_id, collection_id, id, principal) DO UPDATE"
    " SET last_modified = excluded.last_modified, kind = excluded.kind"
)
_ENTOMB = f"UPDATE records SET deleted = 1, data = '{{}}', last_modified = %s WHERE {_RECORD}"
# `UPDATE FROM`, which PostgreSQL has, only exists since SQLite 3.33.
_AHEAD = f"SELECT id FROM records WHERE {HOME} AND last_modified > %s ORDER BY last_modified, id"
_RESTAMP = f"UPDATE records SET last_modified = %s WHERE {_RECORD}"
# A deletion without tombstone, even with a timestamp of the past, happens at the present one.
_PURGE_ALL = f"UPDATE timestamps SET purged = last_modified WHERE {HOME}"
_DELETED = f"SELECT deleted FROM records WHERE {_RECORD}"
_ERASE = f"DELETE FROM records WHERE {_RECORD}"


class SQLiteSteps:
    """The implementation of :class:`~cliquet.storage.relational.steps.Steps` in SQLite."""

    def __init__(self, client: SQLiteClient) -> None:
        self._client = client

    # Locks

    def lock(self, session: Session, key: CollectionKey) -> None:
        if key not in session.locked:
            self._make_counter(session, key, NEVER_TOUCHED)
            session.locked |= {key}

    def lock_matching(self, session: Session, scope: SQL) -> list[CollectionKey]:
        rows = session.execute(
            f"SELECT parent_id, collection_id FROM timestamps WHERE {scope.text}", scope.parameters
        ).fetchall()
        return list(map(CollectionKey._make, rows))

    def _make_counter(self, session: Session, key: CollectionKey, timestamp: int) -> None:
        """Create the row of a collection, visible for all, if this transaction has not written yet.

        Otherwise, a request that reads the timestamp of the new collection waits for the end of
        this one.
        """
        if session.is_fresh and self._previous(session, key) is None:
            session.execute(_NEW_COUNTER, (*key, timestamp))
            session.commit()

    def first_access(self, key: CollectionKey) -> int | None:
        now = utils.msec_time()
        parameters = (*key, now)
        session = self._client.current()
        if session is not None:
            assert isinstance(session, SQLiteSession)  # noqa: S101 - lent by this client
            if self._previous(session, key) not in (None, NEVER_TOUCHED):
                return None
            session.keep(_FIRST_ACCESS, parameters)
            session.memo.pop(key, None)
            return now
        with self._client.connect(readonly=True) as session:
            return now if session.execute(_FIRST_ACCESS, parameters).rowcount else None

    def lock_all(self, session: Session) -> None:
        """Do nothing: SQLite has one writer at a time."""

    def flushed(self, session: Session) -> None:
        session.locked = frozenset()

    def check_lock(self, session: Session, key: CollectionKey) -> None:
        pass

    def locked_row(
        self, session: Session, key: CollectionKey, object_id: str, aces: SQL | None = None
    ) -> tuple[Any, list[Any]]:
        pairs: list[Any] = []
        if aces is None:
            row = session.execute(SELECT_ONE, (*key, object_id)).fetchone()
        else:
            text = WITH_ACES.format(aces=aces.text)
            parameters = (*key, object_id, *aces.parameters)
            row, pairs = row_and_pairs(session.execute(text, parameters).fetchall())
        session.memo[key, object_id] = (row,)
        return row, pairs

    def look_ahead(
        self,
        session: Session,
        key: CollectionKey,
        object_ids: Sequence[str],
        pairs: Mapping[str, list[tuple[str, str]]],
    ) -> None:
        """Read nothing: within the process, single reads cost no more."""

    def known_timestamp(self, session: Session, key: CollectionKey) -> int | None:
        # The memo may tell it, but a statement costs no round trip.
        return None

    def positions(
        self, session: Session, keys: Sequence[CollectionKey]
    ) -> list[tuple[str, str, int, str]]:
        # A statement for each costs microseconds, and any number of them has one text.
        found = []
        for key in keys:
            row = session.execute(_POSITION, key).fetchone()
            if row is not None:
                found.append((*key, *row))
        return found

    # Writes

    def insert(self, session: Session, key: CollectionKey, object_id: str, data: str) -> int:
        self._make_counter(session, key, utils.msec_time() - 1)
        timestamp = self._advance(session, key, None, 1)
        session.execute(_WRITE, (*key, object_id, timestamp, data))
        return timestamp

    def insert_many(
        self, session: Session, key: CollectionKey, rows: Sequence[tuple[str, str]]
    ) -> Sequence[int]:
        return [self.insert(session, key, object_id, data) for object_id, data in rows]

    def put_many(
        self, session: Session, key: CollectionKey, rows: Sequence[tuple[str, str]], *, added: int
    ) -> Sequence[int]:
        assert isinstance(session, SQLiteSession)  # noqa: S101 - lent by this client
        first = self._advance_by(session, key, len(rows), added)
        stamped = enumerate(rows, first)
        session.execute_many(_WRITE, [(*key, id_, stamp, data) for stamp, (id_, data) in stamped])
        return range(first, first + len(rows))

    def put(self, session: Session, write: Write) -> int | Conflict:
        if write.key not in session.locked:
            supplied = write.supplied
            first = utils.msec_time() - 1 if supplied is None else supplied - 1
            self._make_counter(session, write.key, first)
        if write.conflicts is not None:
            found = session.execute(*write.conflicts).fetchone()
            if found is not None:
                return Conflict(*found)
        added = 0 if self._is_live(session, write.key, write.id) else 1
        timestamp = self._advance(session, write.key, write.supplied, added)
        session.execute(_WRITE, (*write.key, write.id, timestamp, write.data))
        return timestamp

    def remove(
        self,
        session: Session,
        key: CollectionKey,
        object_id: str,
        supplied: int | None,
        *,
        with_deleted: bool,
    ) -> int | None:
        if not self._is_live(session, key, object_id):
            return None
        timestamp = self._advance(session, key, supplied, -1)
        if with_deleted:
            session.execute(_ENTOMB, (timestamp, *key, object_id))
        else:
            session.execute(_ERASE, (*key, object_id))
            session.execute(_PURGE_ALL, key)
        return timestamp

    def remove_many(
        self, session: Session, key: CollectionKey, object_ids: Sequence[str], *, with_deleted: bool
    ) -> dict[str, int]:
        assert isinstance(session, SQLiteSession)  # noqa: S101 - lent by this client
        number = len(object_ids)
        first = self._advance_by(session, key, number, -number)
        stamps = {object_id: first + n for n, object_id in enumerate(object_ids)}
        if with_deleted:
            session.execute_many(_ENTOMB, [(stamp, *key, one) for one, stamp in stamps.items()])
        else:
            session.execute_many(_ERASE, [(*key, one) for one in stamps])
            session.execute(_PURGE_ALL, key)
        return stamps

    def depart(
        self,
        session: Session,
        key: CollectionKey,
        rows: Sequence[tuple[int, str, str, str]],
        number: int,
    ) -> int:
        self._make_counter(session, key, NEVER_TOUCHED)
        first = self._advance_by(session, key, number, 0)
        self.store_departures(
            session,
            key,
            [
                StoredDeparture(object_id, principal, first + rank - 1, kind)
                for rank, object_id, principal, kind in rows
            ],
        )
        return first + number - 1

    def store_departures(
        self, session: Session, key: CollectionKey, rows: Sequence[StoredDeparture]
    ) -> None:
        assert isinstance(session, SQLiteSession)  # noqa: S101 - lent by this client
        session.execute_many(_STORE_DEPARTURE, [(*key, *row) for row in rows])

    def store_entries(self, session: Session, key: CollectionKey, rows: Sequence[EntryRow]) -> None:
        assert isinstance(session, SQLiteSession)  # noqa: S101 - lent by this client
        session.execute_many(_STORE, [(*key, *row) for row in rows])

    def rewind_entries(self, session: Session, key: CollectionKey, now: int) -> int:
        assert isinstance(session, SQLiteSession)  # noqa: S101 - lent by this client
        rows = session.execute(_AHEAD, (*key, now)).fetchall()
        stamps: list[Sequence[Any]] = [
            (stamp, *key, row[0]) for stamp, row in enumerate(rows, now + 1)
        ]
        session.execute_many(_RESTAMP, stamps)
        return len(stamps)

    def _previous(self, session: Session, key: CollectionKey) -> int | None:
        """Return the timestamp of a collection, which nobody else changes meanwhile."""
        known: tuple[int | None] | None = session.memo.get(key)
        if known is None:
            row = session.execute(_COUNTER, key).fetchone()
            known = session.memo[key] = (None if row is None else row[0],)
        return known[0]

    def _is_live(self, session: Session, key: CollectionKey, object_id: str) -> bool:
        known = is_known_live(session, key, object_id)
        if known is not None:
            return known
        row = session.execute(_DELETED, (*key, object_id)).fetchone()
        return row is not None and not row[0]

    def _advance(
        self, session: Session, key: CollectionKey, supplied: int | None, added: int
    ) -> int:
        """Change the counter of a collection; return the timestamp of the record written."""
        previous = self._previous(session, key)
        timestamp, latest = next_timestamps(
            None if previous == NEVER_TOUCHED else previous, supplied, utils.msec_time()
        )
        session.execute(_ADVANCE, (*key, latest, added))
        session.wrote()
        session.memo[key] = (latest,)
        return timestamp

    def _advance_by(self, session: Session, key: CollectionKey, number: int, added: int) -> int:
        """Change the counter for several changes; return the first of their timestamps."""
        first = next_timestamp(self._previous(session, key), utils.msec_time(), number)
        session.execute(_ADVANCE, (*key, first + number - 1, added))
        session.wrote()
        session.memo[key] = (first + number - 1,)
        return first

    # JSON

    def dumps(self, data: dict[str, Any]) -> str:
        return orjson.dumps(data).decode()

    def loads(self, data: Any) -> dict[str, Any]:
        loaded: dict[str, Any] = orjson.loads(data)
        return loaded
