"""The locks and writes of the storage in PostgreSQL."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from cliquet.connections.attempts import attempts
from cliquet.connections.postgresql.client import PostgreSQLClient, PostgreSQLSession
from cliquet.connections.sql import Session
from cliquet.storage.departures import StoredDeparture
from cliquet.storage.postgresql import statements
from cliquet.storage.postgresql.counter import Counter, KnownEpochs, digest_of, lock_number
from cliquet.storage.postgresql.looking_ahead import HELD, look_ahead, taken
from cliquet.storage.postgresql.nul import dumped, holds_nul
from cliquet.storage.postgresql.shards import forget_reads, insertion_of_row, remove_in_order
from cliquet.storage.relational.steps import (
    NEVER_TOUCHED,
    Conflict,
    EntryRow,
    Write,
    is_known_live,
)
from cliquet.storage.relational.text import SQL
from cliquet.storage.selection import CollectionKey
from cliquet.storage.spreading import lane_of, siblings_of
from cliquet.transactions import scope

__all__ = ["PostgreSQLSteps"]

# Marks among the locks of a session that it has emptied the tables, which others do not see yet.
_FLUSHED = "flushed"
_TO_LOCK = "To make and lock the row of a collection"

# What is remembered of a record that was written: that it is no tombstone.
_ALIVE = ((None, False, None),)


class PostgreSQLSteps:
    """The implementation of :class:`~cliquet.storage.relational.steps.Steps` in PostgreSQL."""

    def __init__(self, client: PostgreSQLClient) -> None:
        self._client = client
        self.known_epochs = KnownEpochs()

    # Locks

    def lock(self, session: Session, key: CollectionKey) -> None:
        if key not in session.locked:
            self._lock_contended(session)
            # It may be one of those.
            if key not in session.locked:
                self._defer_lock(session, key)

    def _lock_contended(self, session: Session) -> None:
        """First take, in one order, the locks that earlier attempts held or wanted."""
        contended = scope.contended()
        if contended and not _keys(session.locked):
            # Of a collection with shards, nobody knows how many more of them the request will need.
            for key in sorted({one for held in _keys(contended) for one in siblings_of(held)}):
                self._defer_lock(session, key)

    def _defer_lock(self, session: Session, key: CollectionKey) -> None:
        """Lock a collection together with the next statement.

        If the locks are in the order of the keys, it waits for other transactions. Otherwise it
        does not wait, because the other transaction may wait for this one: the request then begins
        again, and takes the locks that it needs in the right order. Thus there is no deadlock.
        """
        held = session.locked
        in_order = not held or all(key > other for other in _keys(held))
        session.locked |= {key}
        lock = statements.LOCK if in_order else statements.LOCK_NOWAIT
        _postgresql(session).defer(lock, (digest_of(key), *key))
        if lane_of(key.parent_id) is not None:
            session.defer(statements.LOCK_SHARD, (digest_of(key), lock_number(key)))

    def lock_matching(self, session: Session, scope: SQL) -> list[CollectionKey]:
        text = statements.MATCHING.format(scope=scope.text)
        keys = list(map(CollectionKey._make, session.execute(text, scope.parameters).fetchall()))
        keys.sort(key=lambda key: (key.parent_id, key.collection_id))
        for parent_id, of_parent in itertools.groupby(keys, key=lambda key: key.parent_id):
            collections = [key.collection_id for key in of_parent]
            session.defer(statements.LOCK_OF_PARENT, (parent_id, collections))
        for key in keys:
            if lane_of(key.parent_id) is not None:
                session.defer(statements.SHOW_LOCK, (lock_number(key),))
        session.locked |= set(keys)
        return keys

    def check_lock(self, session: Session, key: CollectionKey) -> None:
        if (HELD, key) in session.locked:
            return
        for _ in attempts(_TO_LOCK):
            (held,) = session.execute(statements.LOCK, (digest_of(key), *key)).fetchone()
            if held:
                session.locked |= {(HELD, key)}
                return
            self._make_counter(session, key, NEVER_TOUCHED)

    def make_rows(self, session: Session, key: CollectionKey) -> None:
        """Create the rows of all shards of a collection, and lock one shard."""
        self._make_counter(session, key, NEVER_TOUCHED)

    def locked_row(
        self, session: Session, key: CollectionKey, object_id: str, aces: SQL | None = None
    ) -> tuple[Any, list[Any]]:
        known = taken(session, key, object_id, with_aces=aces is not None)
        if known is not None:
            return known
        text, more = statements.LOCKED_ROW, ()
        if aces is not None:
            text = statements.LOCKED_ROW_AND_ACES.format(aces=aces.text)
            more = aces.parameters
        rows = self._locked(session, key, object_id, SQL(text, more), NEVER_TOUCHED)
        row, found = None, []
        for one in rows:
            if one[0] is None:
                found.append(one[6:])
            elif one[3] is not None:
                row = one[3:6]
        session.memo[key, object_id] = (row,)
        return row, found

    look_ahead = staticmethod(look_ahead)

    def known_timestamp(self, session: Session, key: CollectionKey) -> int | None:
        counter = session.memo.get(key)
        return None if counter is None else counter.timestamp

    def positions(
        self, session: Session, keys: Sequence[CollectionKey]
    ) -> list[tuple[str, str, int, str]]:
        # A key with NUL can be that of no collection.
        held = [key for key in keys if not holds_nul(list(key))]
        parents, collections = [key.parent_id for key in held], [key.collection_id for key in held]
        return session.execute(statements.POSITIONS, (parents, collections)).fetchall()

    def _locked(
        self,
        session: Session,
        key: CollectionKey,
        object_id: str,
        query: SQL,
        first: int | None,
    ) -> list[Any]:
        """Run a query that begins with the state of the lock, until the lock is held.

        Parameters
        ----------
        query : one of the queries ``LOCKED_…``; its first parameters are added here.
        first : timestamp of a new collection, or ``None`` for a time before the present one.
        """
        digest = digest_of(key)
        lane = lane_of(key.parent_id)
        text = query.text
        of_latest: tuple[Any, ...] = key
        if lane is not None:
            text = statements.of_shard(text)
            of_latest = ([one.parent_id for one in siblings_of(key)], key.collection_id)
        for _ in attempts(_TO_LOCK):
            is_held = (HELD, key) in session.locked
            rows: list[Any] = session.execute(
                text, (is_held, digest, *of_latest, *key, object_id, *query.parameters)
            ).fetchall()
            # The row with the state may come after others.
            for is_held, timestamp, now, *_ in rows:
                if is_held:
                    session.locked |= {(HELD, key)}
                    session.memo[key] = Counter(timestamp, now, time.monotonic(), lane)
                    return rows
            # There was no row to lock.
            self._make_counter(session, key, first)
        return []  # pragma: no cover - the loop ends by returning, or raises

    def _make_counter(self, session: Session, key: CollectionKey, timestamp: int | None) -> None:
        """Create the row of a collection, visible for all, and lock it.

        The row is committed at once. If it were a part of the transaction, a request that reads the
        timestamp of the new collection would wait for the end of this one.

        Parameters
        ----------
        timestamp : timestamp of the row, or ``None`` for a time before the present one.
        """
        insertion = insertion_of_row(key, timestamp)
        if _FLUSHED in session.locked:
            session.execute(*insertion)
        elif session.is_fresh and session.locked <= {key}:
            _postgresql(session).restart(insertion)
        else:
            self._client.execute_aside(*insertion)
        session.locked -= {key}
        self._defer_lock(session, key)

    def first_access(self, key: CollectionKey) -> int | None:
        session = self._client.current()
        if session is None:
            with self._client.connect(readonly=True) as session:
                row = session.execute(statements.FIRST_ACCESS, key).fetchone()
        elif _FLUSHED in session.locked:
            row = session.execute(statements.FIRST_ACCESS, key).fetchone()
        elif key in session.locked:
            # The transaction has the row. If it fails, its timestamp is undone too, and is then
            # restored.
            self.check_lock(session, key)
            row = session.execute(statements.TOUCH, key).fetchone()
            session.memo.pop(key, None)
            if row is not None:
                _postgresql(session).keep(statements.TOUCH_AGAIN, (row[0], *key))
        else:
            row = self._client.execute_aside(statements.FIRST_ACCESS, key)
        return None if row is None else row[0]

    def lock_all(self, session: Session) -> None:
        # Locks of rows would leave the collections out that get their row meanwhile.
        session.defer("LOCK TABLE timestamps IN EXCLUSIVE MODE")

    def flushed(self, session: Session) -> None:
        session.locked = frozenset({_FLUSHED})

    # Writes

    def insert(self, session: Session, key: CollectionKey, object_id: str, data: str) -> int:
        counter = session.memo.get(key)
        if counter is None and lane_of(key.parent_id) is not None:
            self.lock(session, key)
            self._look(session, key, object_id, None, None)
            counter = session.memo[key]
        if counter is None:
            timestamp, counter = self._advanced(session, key)
        else:
            timestamp, counter = self._advance(session, key, counter, None)
        session.defer(statements.INSERT, (*key, object_id, timestamp, data))
        self._remember(session, key, counter, object_id, is_live=True)
        return timestamp

    def insert_many(
        self, session: Session, key: CollectionKey, rows: Sequence[tuple[str, str]]
    ) -> Sequence[int]:
        stamps = self._next_timestamps(session, key, rows[0][0], len(rows), added=len(rows))
        session.defer(statements.insertion_of(len(rows)), _values(key, rows, stamps))
        return stamps

    def put_many(
        self, session: Session, key: CollectionKey, rows: Sequence[tuple[str, str]], *, added: int
    ) -> Sequence[int]:
        stamps = self._next_timestamps(session, key, rows[0][0], len(rows), added=added)
        # It is no update of those that exist, because the rest would be a statement of its own.
        session.defer(statements.replacement_of(len(rows)), _values(key, rows, stamps))
        return stamps

    def _next_timestamps(
        self, session: Session, key: CollectionKey, object_id: str, number: int, *, added: int
    ) -> range:
        """Lock a collection, count records that are added, and return its next timestamps."""
        self.lock(session, key)
        if key not in session.memo:
            self._look(session, key, object_id, None, None if added else NEVER_TOUCHED)
        counter: Counter = session.memo[key]
        stamps = counter.following(number)
        session.defer(statements.ADVANCE, (stamps[-1], added, *key))
        forget_reads(session, key, counter._replace(timestamp=stamps[-1]))
        return stamps

    def put(self, session: Session, write: Write) -> int | Conflict:
        self.lock(session, write.key)
        key, object_id, supplied = write.key, write.id, write.supplied
        is_live = is_known_live(session, key, object_id)
        if is_live is None or write.conflicts is not None or key not in session.memo:
            first = None if supplied is None else supplied - 1
            is_live, conflict = self._look(session, key, object_id, write.conflicts, first)
            if conflict is not None:
                return conflict
        counter: Counter = session.memo[key]
        if is_live:
            timestamp, counter = counter.advanced(supplied)
            advance = (counter.timestamp, 0, *key)
            session.defer(statements.REPLACE, (*advance, timestamp, write.data, *key, object_id))
        else:
            timestamp, counter = self._advance(session, key, counter, supplied)
            session.defer(statements.PUT, (*key, object_id, timestamp, write.data))
        self._remember(session, key, counter, object_id, is_live=True)
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
        self.lock(session, key)
        is_live = is_known_live(session, key, object_id)
        if is_live is None or key not in session.memo:
            is_live, _ = self._look(session, key, object_id, None, NEVER_TOUCHED)
        if not is_live:
            return None
        counter: Counter = session.memo[key]
        timestamp, counter = counter.advanced(supplied)
        if with_deleted:
            advance = (counter.timestamp, -1, *key)
            session.defer(statements.ENTOMB, (*advance, timestamp, *key, object_id))
        else:
            session.defer(statements.ERASE, (*[counter.timestamp] * 2, *key, *key, object_id))
        self._remember(session, key, counter, object_id, is_live=False)
        return timestamp

    def _look(
        self,
        session: Session,
        key: CollectionKey,
        object_id: str,
        conflicts: SQL | None,
        first: int | None,
    ) -> tuple[bool, Conflict | None]:
        """Return whether a record is alive, and a record that is in its way, under the lock."""
        query = SQL(statements.LOCKED_LIFE)
        if conflicts is not None:
            text = statements.LOCKED_LIFE_AND_CONFLICT.format(conflicts=conflicts.text)
            query = SQL(text, conflicts.parameters)
        ((_, _, _, timestamp, is_deleted, *conflict),) = self._locked(
            session, key, object_id, query, first
        )
        is_live = timestamp is not None and not is_deleted
        return is_live, None if conflict[0] is None else Conflict(*conflict)

    def _advanced(self, session: Session, key: CollectionKey) -> tuple[int, Counter]:
        """Lock a collection, and count one record more; return the timestamp of that record."""
        self._lock_contended(session)
        if session.locked:
            self.lock(session, key)
        else:
            # The statement itself takes the lock. If this attempt fails, the next one must know the
            # lock.
            session.locked |= {key}
        row = session.execute(statements.ADVANCE_BY_CLOCK, key).fetchone()
        if row is None:
            self._make_counter(session, key, None)
            row = session.execute(statements.ADVANCE_BY_CLOCK, key).fetchone()
        session.locked |= {key, (HELD, key)}
        timestamp, now, epoch = row
        self.known_epochs.remember(key, epoch)
        return timestamp, Counter(timestamp, now, time.monotonic())

    def _advance(
        self, session: Session, key: CollectionKey, counter: Counter, supplied: int | None
    ) -> tuple[int, Counter]:
        """Count one record more in a locked collection; return the timestamp of that record."""
        timestamp, counter = counter.advanced(supplied)
        session.defer(statements.ADVANCE, (counter.timestamp, 1, *key))
        return timestamp, counter

    def _remember(
        self,
        session: Session,
        key: CollectionKey,
        counter: Counter,
        object_id: str,
        *,
        is_live: bool,
    ) -> None:
        """Forget what was true before a write, and remember what is true now."""
        forget_reads(session, key, counter, object_id)
        if is_live:
            session.memo[key, object_id] = _ALIVE

    def remove_many(
        self, session: Session, key: CollectionKey, object_ids: Sequence[str], *, with_deleted: bool
    ) -> dict[str, int]:
        number = len(object_ids)
        if lane_of(key.parent_id) is not None:
            pairs = [(key, object_id) for object_id in object_ids]
            in_order = self.remove_in_order(session, pairs, with_deleted=with_deleted)
            return dict(zip(object_ids, in_order, strict=True))
        if key in session.memo:
            stamps = self._next_timestamps(session, key, object_ids[0], number, added=-number)
            removal = statements.REMOVE_STAMPED[with_deleted]
            session.defer(removal, (list(object_ids), list(stamps), *key))
            if not with_deleted:
                session.defer(statements.PURGE_ALL, key)
            return dict(zip(object_ids, stamps, strict=True))
        rows = session.execute(
            statements.REMOVE_MANY[with_deleted],
            (list(object_ids), number - 1, number - 1, number, *key, number, *key),
        ).fetchall()
        session.wrote()
        if not with_deleted:
            session.defer(statements.PURGE_ALL, key)
        return dict(rows)

    def remove_in_order(
        self,
        session: Session,
        pairs: Sequence[tuple[CollectionKey, str]],
        *,
        with_deleted: bool,
    ) -> list[int]:
        """Delete live records of the shards of one collection; return the time of each deletion.

        Parameters
        ----------
        pairs : the shard and the id of each record, in the order in which they are deleted.
        """
        by_key: dict[CollectionKey, list[str]] = {}
        for key, object_id in pairs:
            by_key.setdefault(key, []).append(object_id)
        for key in sorted(by_key):
            self.lock(session, key)
            if key not in session.memo:
                self._look(session, key, by_key[key][0], None, NEVER_TOUCHED)
        return remove_in_order(session, pairs, by_key, with_deleted=with_deleted)

    def depart(
        self,
        session: Session,
        key: CollectionKey,
        rows: Sequence[tuple[int, str, str, str]],
        number: int,
    ) -> int:
        stamps = self._next_timestamps(session, key, rows[0][1], number, added=0)
        departures = [
            StoredDeparture(object_id, principal, stamps[rank - 1], kind)
            for rank, object_id, principal, kind in rows
        ]
        self.store_departures(session, key, departures)
        return stamps[-1]

    def store_departures(
        self, session: Session, key: CollectionKey, rows: Sequence[StoredDeparture]
    ) -> None:
        places = ", ".join(["(%s, %s, %s, %s, %s, %s)"] * len(rows))
        values = tuple(value for row in rows for value in (*key, *row))
        session.defer(statements.STORE_DEPARTURES.format(places=places), values)

    def store_entries(self, session: Session, key: CollectionKey, rows: Sequence[EntryRow]) -> None:
        ids, stamps, deleted, data = zip(*rows, strict=True)
        session.execute(
            statements.STORE_ENTRIES, (*key, list(ids), list(stamps), list(deleted), list(data))
        )

    def rewind_entries(self, session: Session, key: CollectionKey, now: int) -> int:
        changed: int = session.execute(statements.REWIND, (now, *key, now, *key)).rowcount
        return changed

    # JSON

    dumps = staticmethod(dumped)

    def loads(self, data: Any) -> dict[str, Any]:
        # Of several records, the driver has made them from JSON.
        loaded: dict[str, Any] = orjson.loads(data) if isinstance(data, str) else data
        return loaded


def _postgresql(session: Session) -> PostgreSQLSession:
    assert isinstance(session, PostgreSQLSession)  # noqa: S101 - lent by the client of PostgreSQL
    return session


def _values(
    key: CollectionKey, rows: Sequence[tuple[str, str]], stamps: Sequence[int]
) -> list[Any]:
    """Return the values of rows for an insertion."""
    pairs = zip(rows, stamps, strict=True)
    return [value for (id_, data), stamp in pairs for value in (*key, id_, stamp, data)]


def _keys(locks: Iterable[Any]) -> list[CollectionKey]:
    """Return those locks of a session that are the locks of collections."""
    return [one for one in locks if isinstance(one, CollectionKey)]
