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
        self._epochs: dict[CollectionKey, str] = {}

    def remember(self, key: CollectionKey, epoch: str) -> None:
        """Remember that a collection has a row, which has this epoch."""
        if len(self._epochs) >= _MOST_KNOWN:
            self._epochs.clear()
        self._epochs[key] = epoch

    def insert(
        self, session: PostgreSQLSession, key: CollectionKey, object_id: str, data: str
    ) -> int | None:
        """Insert a record and commit; return its timestamp.

        ``None`` if the transaction goes on, or has other locks, or if the collection has no row.
        """
        if not scope.is_last_write():
            return None
        epoch = self._epochs.get(key)
        if (
            epoch is None
            or not session.can_be_one
            # The locks of an earlier attempt have to be taken first.
            or scope.contended()
        ):
            return None
        # If this attempt fails, the next one must know the lock, which the statement itself takes.
        session.locked |= {key}
        found = session.execute_last(
            (statements.ADVANCE_ALONE, (*key, epoch)),
            (statements.INSERT_ADVANCED, (object_id, data, *key, epoch)),
        )
        row = found.fetchone()
        if row is None:
            # The row is gone, or is another one. What was sent with the record, its permissions, is
            # kept, and would be written again: the record follows in another transaction.
            self._epochs.pop(key, None)
            return None
        timestamp: int = row[0]
        return timestamp
