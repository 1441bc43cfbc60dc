"""The deletions of the permission backend in SQLite.

A transaction that writes is the only writer of the file from its first statement on, so that nobody
changes an object while its ACEs are replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from cliquet.connections.sql import SQL, Session
from cliquet.permission.relational.dialect import PermissionDialect
from cliquet.permission.relational.queries import Queries

__all__ = ["SQLitePermissionSteps"]


class SQLitePermissionSteps:
    """Needs no locks, because the transaction has the lock of the file.

    Parameters
    ----------
    dialect : makes the statements.
    """

    def __init__(self, dialect: PermissionDialect) -> None:
        self._dialect = dialect
        self._queries = Queries(dialect)

    def lock(self, session: Session, object_ids: Collection[str]) -> bool:
        """Do nothing: they are locked with the file."""
        return True

    def is_guarded(self, session: Session) -> bool:
        return True

    def forgetting(self, object_ids: Collection[str]) -> list[SQL]:
        return [self._delete(self._dialect.selected(object_ids))]

    def take(self, session: Session, object_ids: Sequence[str]) -> list[Any]:
        condition = self._dialect.one_of("object_id", object_ids)
        rows = session.execute(*self._queries.aces(condition, None)).fetchall()
        if rows:
            session.defer(*self._delete(condition))
        return rows

    def _delete(self, condition: SQL) -> SQL:
        return self._dialect.deletion("access_control_entries", condition)
