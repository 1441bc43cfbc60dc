"""Insertions that commit with the transaction that they end, in one round trip."""

from __future__ import annotations

from cliquet.connections.postgresql.session import PostgreSQLSession
from cliquet.storage.postgresql import statements
from cliquet.storage.selection import CollectionKey
from cliquet.transactions import scope

__all__ = ["LastInsertions"]

# Some megabytes at most.
_MOST_KNOWN = 4096


class LastInsertions:
    """Inserts records of collections that have a row, which only a flush or an upkeep removes."""

    def __init__(self) -> None:
        self._known: set[CollectionKey] = set()

    def remember(self, key: CollectionKey) -> None:
        """Remember that a collection has a row."""
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known.add(key)

    def insert(
        self, session: PostgreSQLSession, key: CollectionKey, object_id: str, data: str
    ) -> int | None:
        """Insert a record and commit; return its timestamp.

        ``None`` if the transaction goes on, or has other locks, or if the collection has no row.
        """
        if (
            not scope.is_last_write()
            or key not in self._known
            or not session.can_be_one
            # The locks of an earlier attempt have to be taken first.
            or scope.contended()
        ):
            return None
        # If this attempt fails, the next one must know the lock, which the statement itself takes.
        session.locked |= {key}
        session.defer(statements.ADVANCE_ALONE, key)
        found = session.execute_last(statements.INSERT_ADVANCED, (object_id, data, *key))
        row = found.fetchone()
        if row is None:
            # The row is gone. What was sent with the record, its permissions, is kept, and would be
            # written again: the record follows in another transaction.
            self._known.discard(key)
            return None
        timestamp: int = row[0]
        return timestamp
