"""The locks and writes of the storage in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from cliquet.connections.attempts import attempts
from cliquet.connections.postgresql.client import PostgreSQLClient, PostgreSQLSession
from cliquet.connections.sql import Session
from cliquet.storage.departures import StoredDeparture
from cliquet.storage.postgresql import statements
from cliquet.storage.relational.steps import NEVER_TOUCHED, Conflict, EntryRow, Write
from cliquet.storage.relational.text import SQL
from cliquet.storage.selection import CollectionKey
from cliquet.transactions import scope

__all__ = ["PostgreSQLSteps"]

# Marks among the locks of a session: it has emptied the tables, which others do not see yet; or it
# has asked for the lock of a collection, whose row is known to exist.
_FLUSHED = "flushed"
_HELD = "held"
_TO_LOCK = "To make and lock the row of a collection"


class PostgreSQLSteps:
    """The implementation of :class:`~cliquet.storage.relational.steps.Steps` in PostgreSQL."""

    def __init__(self, client: PostgreSQLClient) -> None:
        self._client = client

    # Locks

    def lock(self, session: Session, key: CollectionKey) -> None:
        self._lock_contended(session)
        if key not in session.locked:
            self._defer_lock(session, key)

    def _lock_contended(self, session: Session) -> None:
        """First take, in one order, the locks that earlier attempts held or wanted."""
        contended = scope.contended()
        if contended and not any(map(_is_key, session.locked)):
            for key in sorted(filter(_is_key, contended)):
                self._defer_lock(session, key)

    def _defer_lock(self, session: Session, key: CollectionKey) -> None:
        """Lock a collection together with the next statement.

        If the locks are in the order of the keys, it waits for other transactions. Otherwise it
        does not wait, because the other transaction may wait for this one: the request then begins
        again, and takes the locks that it needs in the right order. Thus there is no deadlock.
        """
        in_order = all(key > other for other in session.locked if _is_key(other))
        session.locked |= {key}
        lock = statements.LOCK if in_order else statements.LOCK_NOWAIT
        _postgresql(session).defer(lock, (_digest(key), *key))

    def lock_matching(self, session: Session, scope: SQL) -> list[CollectionKey]:
        text = statements.LOCK_MATCHING.format(scope=scope.text)
        keys = list(map(CollectionKey._make, session.execute(text, scope.parameters).fetchall()))
        session.locked |= {*keys, *((_HELD, key) for key in keys)}
        return keys

    def _is_held(self, session: Session, key: CollectionKey) -> tuple[bool, str]:
        """Return the parameters about a lock: whether it is known to be held, and its name."""
        return ((_HELD, key) in session.locked, _digest(key))

    def check_lock(self, session: Session, key: CollectionKey) -> None:
        if (_HELD, key) in session.locked:
            return
        for _ in attempts(_TO_LOCK):
            (held,) = session.execute(statements.LOCK, (_digest(key), *key)).fetchone()
            if held:
                session.locked |= {(_HELD, key)}
                return
            self._make_counter(session, key, NEVER_TOUCHED)

    def locked_row(self, session: Session, key: CollectionKey, object_id: str) -> Any:
        for _ in attempts(_TO_LOCK):
            is_held = self._is_held(session, key)
            row = session.execute(statements.LOCKED_ROW, (*is_held, *key, object_id)).fetchone()
            if row[0]:
                session.locked |= {(_HELD, key)}
                return None if row[1] is None else row[1:]
            # There was no row to lock.
            self._make_counter(session, key, NEVER_TOUCHED)
        return None  # pragma: no cover - the loop ends by returning, or raises

    def _make_counter(self, session: Session, key: CollectionKey, timestamp: int | None) -> None:
        """Create the row of a collection, visible for all, and lock it.

        The row is committed at once. If it were a part of the transaction, a request that reads the
        timestamp of the new collection would wait for the end of this one.

        Parameters
        ----------
        timestamp : timestamp of the row, or ``None`` for a time before the present one.
        """
        insertion = (statements.ENSURE_COUNTER, (*key, timestamp, *key))
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
            if row is not None:
                _postgresql(session).keep(statements.TOUCH_AGAIN, (row[0], *key))
        else:
            row = self._client.execute_aside(statements.FIRST_ACCESS, key)
        return None if row is None else row[0]

    def flushed(self, session: Session) -> None:
        session.locked = frozenset({_FLUSHED})

    # Writes

    def insert(self, session: Session, key: CollectionKey, object_id: str, data: str) -> int:
        parameters = (*key, *key, object_id, data)
        self._lock_contended(session)
        if session.locked:
            self.lock(session, key)
        else:
            # The statement itself takes the lock. If this attempt fails, the next one must know the
            # lock.
            session.locked |= {key}
        row = session.execute(statements.INSERT, parameters).fetchone()
        if row is None:
            self._make_counter(session, key, None)
            row = session.execute(statements.INSERT, parameters).fetchone()
        session.locked |= {key, (_HELD, key)}
        timestamp: int = row[0]
        return timestamp

    def put(self, session: Session, write: Write) -> int | Conflict:
        self.lock(session, write.key)
        key, supplied, conflicts = write.key, write.supplied, write.conflicts
        text = statements.PUT.format(
            conflicts=statements.NO_CONFLICTS if conflicts is None else conflicts.text
        )
        for _ in attempts(_TO_LOCK):
            is_held = self._is_held(session, key)
            row = session.execute(
                text,
                (
                    *(() if conflicts is None else conflicts.parameters),
                    *key,
                    *(supplied, supplied),
                    *(*key, write.id),
                    *(*key, *is_held),
                    *(supplied, supplied, supplied),
                    *(*key, write.id, write.data),
                    *is_held,
                ),
            ).fetchone()
            if row is not None:
                break
            self._make_counter(session, key, None if supplied is None else supplied - 1)
        session.locked |= {(_HELD, key)}
        return row[2] if row[0] is None else Conflict(*row)

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
        for _ in attempts(_TO_LOCK):
            is_held = self._is_held(session, key)
            held, timestamp = session.execute(
                statements.REMOVE[with_deleted],
                (
                    *(*key, object_id),
                    *key,
                    *(supplied, supplied),
                    *(*key, *is_held),
                    *(supplied, supplied, supplied),
                    *(*key, object_id),
                    *is_held,
                ),
            ).fetchone()
            if held:
                session.locked |= {(_HELD, key)}
                deleted_at: int | None = timestamp
                return deleted_at
            # Without a row to lock, there is no record, unless it was written just now.
            self._make_counter(session, key, NEVER_TOUCHED)
        return None  # pragma: no cover - the loop ends by returning, or raises

    def remove_many(
        self, session: Session, key: CollectionKey, object_ids: Sequence[str], *, with_deleted: bool
    ) -> dict[str, int]:
        number = len(object_ids)
        rows = session.execute(
            statements.REMOVE_MANY[with_deleted],
            (list(object_ids), number - 1, number - 1, number, *key, number, *key),
        ).fetchall()
        return dict(rows)

    def depart(
        self,
        session: Session,
        key: CollectionKey,
        rows: Sequence[tuple[int, str, str, str]],
        number: int,
    ) -> int:
        columns = map(list, zip(*rows, strict=True))
        parameters = (number - 1, number - 1, *key, *key, number, *columns)
        self.lock(session, key)
        for _ in attempts(_TO_LOCK):
            row = session.execute(statements.DEPART, parameters).fetchone()
            if row is not None:
                break
            self._make_counter(session, key, NEVER_TOUCHED)
        session.locked |= {(_HELD, key)}
        timestamp: int = row[0]
        return timestamp

    def store_departures(
        self, session: Session, key: CollectionKey, rows: Sequence[StoredDeparture]
    ) -> None:
        columns = map(list, zip(*rows, strict=True))
        session.execute(statements.STORE_DEPARTURES, (*key, *columns))

    def store_entries(self, session: Session, key: CollectionKey, rows: Sequence[EntryRow]) -> None:
        ids, stamps, deleted, data = zip(*rows, strict=True)
        session.execute(
            statements.STORE_ENTRIES, (*key, list(ids), list(stamps), list(deleted), list(data))
        )

    def rewind_entries(self, session: Session, key: CollectionKey, now: int) -> int:
        changed: int = session.execute(statements.REWIND, (now, *key, now, *key)).rowcount
        return changed

    # JSON

    def dumps(self, data: dict[str, Any]) -> str:
        text = orjson.dumps(data)
        if b"\\u0000" in text and _holds_nul(data):
            raise TypeError("PostgreSQL cannot store the character NUL.")
        return text.decode()

    def loads(self, data: Any) -> dict[str, Any]:
        # The driver has made it from JSON.
        loaded: dict[str, Any] = data
        return loaded


def _postgresql(session: Session) -> PostgreSQLSession:
    assert isinstance(session, PostgreSQLSession)  # noqa: S101 - lent by the client of PostgreSQL
    return session


def _is_key(entry: Any) -> bool:
    """Return whether a lock of a session is that of a collection."""
    return isinstance(entry, CollectionKey)


def _digest(key: CollectionKey) -> str:
    """Return a text that identifies one collection."""
    return f"{len(key.parent_id)}:{key.parent_id}:{key.collection_id}"


def _holds_nul(value: Any) -> bool:
    """Return whether a JSON value contains NUL, and not only the six characters of its escape."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            if "\0" in item:
                return True
        elif isinstance(item, dict):
            pending.extend(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return False
