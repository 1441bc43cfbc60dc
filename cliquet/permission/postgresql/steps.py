"""The locks and deletions of the permission backend in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Any

from cliquet.connections.postgresql.client import PostgreSQLSession
from cliquet.connections.sql import SQL, Session
from cliquet.core.globs import is_pattern
from cliquet.permission.postgresql.dialect import PostgreSQLPermissionDialect
from cliquet.permission.relational.dialect import COLUMNS
from cliquet.permission.relational.queries import REMOVE_ACES, Queries

__all__ = ["PostgreSQLPermissionSteps"]

# A server has only some thousands of locks for all its clients together.
_MAX_LOCKS = 100

# It marks our locks, because the storage may have locks in the same session.
_ACE = object()

# The lock is on the server that has the entries of the object, because of the table (E-9.3).
_LOCK = (
    "SELECT pg_advisory_xact_lock(%s) FROM"
    " (SELECT count(*) FROM access_control_entries WHERE object_id = %s) AS always"
)


# Their order is that of the array.
_LOCK_ALL = "SELECT pg_advisory_xact_lock(locks.key) FROM unnest(%s::bigint[]) AS locks (key)"


class PostgreSQLPermissionSteps:
    """Locks each object by itself; in a distributed database, also by a statement of its own.

    Parameters
    ----------
    dialect : makes the statements.
    """

    def __init__(self, dialect: PostgreSQLPermissionDialect) -> None:
        self._dialect = dialect
        self._queries = Queries(dialect)

    def lock(self, session: Session, object_ids: Collection[str]) -> bool:
        assert isinstance(session, PostgreSQLSession)  # noqa: S101 - lent by this client
        if not _may_lock(object_ids):
            return False
        keys = {_lock_key(object_id): str(object_id) for object_id in object_ids}
        missing = sorted(key for key in keys if (_ACE, key) not in session.locked)
        # The lock is a statement of its own, so that the next statement sees all changes from
        # before the lock.
        if len(missing) > 1 and not self._dialect.is_distributed():
            session.defer(_LOCK_ALL, (missing,))
        else:
            for key in missing:
                session.defer(_LOCK, (key, keys[key]))
        if missing:
            session.locked |= {(_ACE, key) for key in missing}
        return True

    def is_guarded(self, session: Session) -> bool:
        return not all(isinstance(entry, tuple) and entry[0] is _ACE for entry in session.locked)

    def forgetting(self, object_ids: Collection[str]) -> list[SQL]:
        if _may_lock(object_ids) and (len(object_ids) == 1 or self._dialect.is_distributed()):
            return [SQL(REMOVE_ACES, (one,)) for one in sorted(set(map(str, object_ids)))]
        return [self._delete(self._dialect.selected(object_ids))]

    def take(self, session: Session, object_ids: Sequence[str]) -> list[Any]:
        condition = self._dialect.one_of("object_id", object_ids)
        if _may_lock(object_ids):
            rows = session.execute(*self._queries.aces(condition, None)).fetchall()
            for statement in self.forgetting(object_ids):
                session.defer(*statement)
            return rows
        text, parameters = self._delete(condition)
        columns = ", ".join(COLUMNS["access_control_entries"])
        return session.execute(f"{text} RETURNING {columns}", parameters).fetchall()

    def _delete(self, condition: SQL) -> SQL:
        return self._dialect.deletion("access_control_entries", condition)


def _may_lock(object_ids: Collection[str]) -> bool:
    return len(object_ids) <= _MAX_LOCKS and not any(map(is_pattern, object_ids))


def _lock_key(object_id: str) -> int:
    """Return the number of the lock of an object in the database."""
    digest = blake2b(object_id.encode(), digest_size=8, person=b"cliquet ACEs").digest()
    return int.from_bytes(digest, "big", signed=True)
