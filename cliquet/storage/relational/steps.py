"""The steps of storages in SQL that each database does in its own way.

PostgreSQL writes a record and the counter of its collection in one round trip; SQLite, in several
cheap statements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from cliquet.connections.sql import Session
from cliquet.storage.departures import StoredDeparture
from cliquet.storage.relational.text import SQL
from cliquet.storage.selection import CollectionKey

__all__ = [
    "HOME",
    "LIVE_WITH_ACES",
    "NEVER_TOUCHED",
    "PURGE_UNTIL",
    "SELECT_LIVE",
    "SELECT_ONE",
    "SELECT_SOME",
    "SUM_LIVE",
    "WITH_ACES",
    "Conflict",
    "EntryRow",
    "Steps",
    "Write",
    "is_known_live",
    "row_and_pairs",
]

NEVER_TOUCHED: Final = -(2**63)
"""Timestamp of a counter row that was created for its lock, before anything was written (X-22)."""

HOME: Final = "parent_id = %s AND collection_id = %s"
"""The condition on a collection, whose parameters are a :class:`CollectionKey`."""

# The text is parsed at once, which takes less time than the parser that a driver calls for JSON.
SELECT_ONE: Final = (
    f"SELECT last_modified, deleted, CAST(data AS TEXT) FROM records WHERE {HOME} AND id = %s"
)

SELECT_SOME: Final = (
    "SELECT id, last_modified, deleted, CAST(data AS TEXT) FROM records"
    f" WHERE {HOME} AND id IN ({{ids}})"
)
"""The rows of some records. It is formatted with as many placeholders as there are ids."""

SELECT_LIVE: Final = f"{SELECT_SOME} AND NOT deleted"
"""The rows of those that are alive."""

SUM_LIVE: Final = "SELECT CAST(sum(live) AS BIGINT) FROM timestamps WHERE "
"""The number of live records of several collections; a condition on them follows."""

PURGE_UNTIL: Final = (
    f"UPDATE timestamps SET purged = CASE WHEN purged < %s THEN %s ELSE purged END WHERE {HOME}"
)
"""Moves the horizon of a collection forward; the timestamp comes twice before the key."""

WITH_ACES: Final = (
    "SELECT last_modified, deleted, CAST(data AS TEXT), NULL AS permission, NULL AS principal"
    " FROM records"
    f" WHERE {HOME} AND id = %s"
    " UNION ALL SELECT NULL, NULL, NULL, permission, principal FROM ({aces}) AS aces"
)
"""The row of a record, if there is one, and one for each ACE. A join would repeat the data.

It is formatted with the query for the ACEs.
"""

LIVE_WITH_ACES: Final = (
    "SELECT last_modified, CAST(data AS TEXT) AS data, NULL AS principal FROM records"
    f" WHERE {HOME} AND id = %s AND NOT deleted"
    " UNION ALL SELECT NULL, permission, principal FROM ({aces}) AS aces"
)
"""The same without tombstones. A permission is in the place of the data.

Each column costs the driver a function in Python, and a value in each row.
"""

EntryRow = tuple[str, int, bool, str]
"""The id, the timestamp, whether it is a tombstone, and the JSON text of the data."""


class Write(NamedTuple):
    """A live record that will be written.

    Attributes
    ----------
    data : JSON text of the record without its id and timestamp.
    supplied : timestamp that the caller wants, or ``None``.
    conflicts : query for records in the way, or ``None`` if there cannot be any.
    """

    key: CollectionKey
    id: str
    data: str
    supplied: int | None
    conflicts: SQL | None


class Conflict(NamedTuple):
    """A row of :attr:`Write.conflicts`: the rank of the field, and the record in the way."""

    rank: int
    id: str
    last_modified: int
    data: Any


def row_and_pairs(rows: Sequence[Sequence[Any]]) -> tuple[Any, list[Any]]:
    """Return the row of the record, or ``None``, and the ACEs of a result of `WITH_ACES`."""
    # The database gives the record first, although a union promises no order.
    if rows and rows[0][0] is not None:
        return rows[0][:3], [row[3:] for row in rows[1:]]
    row = next((row[:3] for row in rows if row[0] is not None), None)
    return row, [row[3:] for row in rows if row[0] is None]


def is_known_live(session: Session, key: CollectionKey, object_id: str) -> bool | None:
    """Return whether a record is alive; ``None`` if nobody has looked under the present lock.

    :meth:`Steps.locked_row` keeps what it has read in the memo of the session.
    """
    known = session.memo.get((key, object_id))
    if known is None:
        return None
    (row,) = known
    return row is not None and not row[1]


class Steps(Protocol):
    """The steps of one database.

    Those that write call :meth:`~cliquet.connections.sql.Session.wrote`.
    """

    # JSON

    def dumps(self, data: dict[str, Any]) -> str:
        """Return the JSON text of the data of a record.

        Raises
        ------
        TypeError : the database cannot store it.
        """

    def loads(self, data: Any) -> dict[str, Any]:
        """Return the data of a record in a dictionary that belongs to the caller."""

    # Locks

    def lock(self, session: Session, key: CollectionKey) -> None:
        """Keep others from writing to a collection until the transaction ends."""

    def lock_matching(self, session: Session, condition: SQL) -> list[CollectionKey]:
        """Lock the collections for which a condition is true, in a fixed order; return them."""

    def check_lock(self, session: Session, key: CollectionKey) -> None:
        """Make sure, before anything else is read, that a requested lock is held."""

    def locked_row(
        self, session: Session, key: CollectionKey, object_id: str, aces: SQL | None = None
    ) -> tuple[Any, list[Any]]:
        """Return the row of a record in a collection that the session has locked, and remember it.

        Parameters
        ----------
        aces : query for permissions and principals, which is run in the same statement.

        Returns
        -------
        The timestamp, whether it is a tombstone, and the data, or ``None`` if there is no row; and
        the rows of `aces`.
        """

    def look_ahead(
        self,
        session: Session,
        key: CollectionKey,
        object_ids: Sequence[str],
        pairs: Mapping[str, list[tuple[str, str]]],
    ) -> None:
        """Read rows that :meth:`locked_row` will return, if the collection is locked.

        Parameters
        ----------
        pairs : the permissions and principals of each object, which were read under the same lock.
        """

    def known_timestamp(self, session: Session, key: CollectionKey) -> int | None:
        """Return the timestamp of a locked collection, ``None`` if it was not read since then."""

    def positions(
        self, session: Session, keys: Sequence[CollectionKey]
    ) -> list[tuple[str, str, int, str]]:
        """Return the parent, the id, the timestamp and the epoch of the counters of collections."""

    def first_access(self, key: CollectionKey) -> int | None:
        """Store the present time for an untouched collection, even if the request fails.

        Returns
        -------
        The time, in ms; ``None`` if the collection was touched meanwhile.
        """

    def lock_all(self, session: Session) -> None:
        """Wait for all writers, and let no other begin before the end of the transaction."""

    def flushed(self, session: Session) -> None:
        """Remember that the tables are empty for this transaction."""

    # Writes

    def insert(self, session: Session, key: CollectionKey, object_id: str, data: str) -> int:
        """Store a record with an id that nobody else can have; return its timestamp."""

    def insert_many(
        self, session: Session, key: CollectionKey, rows: Sequence[tuple[str, str]]
    ) -> Sequence[int]:
        """Store pairs of such an id and the JSON text of its record; return their timestamps."""

    def put_many(
        self, session: Session, key: CollectionKey, rows: Sequence[tuple[str, str]], *, added: int
    ) -> Sequence[int]:
        """Store or replace records of a locked collection; return their timestamps.

        Parameters
        ----------
        rows : pairs of an id and the JSON text of its record; all ids are different.
        added : number of them that are new.
        """

    def put(self, session: Session, write: Write) -> int | Conflict:
        """Store or replace a record; return its timestamp, or a record that is in the way."""

    def remove(
        self,
        session: Session,
        key: CollectionKey,
        object_id: str,
        supplied: int | None,
        *,
        with_deleted: bool,
    ) -> int | None:
        """Delete a live record; return the time of deletion, ``None`` if there is no record."""

    def remove_many(
        self, session: Session, key: CollectionKey, object_ids: Sequence[str], *, with_deleted: bool
    ) -> dict[str, int]:
        """Delete live records of a locked collection; return the time of each deletion."""

    def depart(
        self,
        session: Session,
        key: CollectionKey,
        rows: Sequence[tuple[int, str, str, str]],
        number: int,
    ) -> int:
        """Store departures with the next timestamps of a collection; return the last of these.

        Parameters
        ----------
        rows : the rank of the timestamp, from 1, the id, the principal and the kind of each.
        number : number of timestamps.
        """

    # Copies

    def store_departures(
        self, session: Session, key: CollectionKey, rows: Sequence[StoredDeparture]
    ) -> None:
        """Write departures without changes; they replace those of the same id and principal."""

    def store_entries(self, session: Session, key: CollectionKey, rows: Sequence[EntryRow]) -> None:
        """Write entries without changes; they replace entries with the same ids."""

    def rewind_entries(self, session: Session, key: CollectionKey, now: int) -> int:
        """Give entries later than a time the timestamps after that time; return the number."""
