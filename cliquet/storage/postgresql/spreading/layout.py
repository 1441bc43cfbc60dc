"""Over how many shards each collection of a database is spread, and how that is changed.

The number is stored in the database. A service that was started with another one does not serve the
collection, because it would find a part of the records only.
"""

from __future__ import annotations

from typing import Any, Final

from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.connections.sql import Session
from cliquet.migrations.distribution import is_distributed
from cliquet.migrations.postgresql import PostgreSQLMigrations
from cliquet.monitoring import logs
from cliquet.storage.exceptions import BackendError
from cliquet.storage.spreading import NAME_OF_SHARD
from cliquet.transactions import scope

__all__ = ["Layout"]

_PREFIX: Final = "shards:"
# It is no name of LIKE, in which the characters _ and % are special.
_STORED: Final = "SELECT name, value FROM metadata WHERE starts_with(name::text, %s)"
_FORGET: Final = "DELETE FROM metadata WHERE name = %s"
_STORE: Final = "INSERT INTO metadata (name, value) VALUES (%s, %s)"

_ON_CITUS: Final = (
    "Collections with shards cannot be on several servers of Citus: {names}. Set shards = 1 for"
    " their resources, and run `cliquet migrate`."
)

# Nobody writes to any collection while the records of one are moved.
_LOCK: Final = "LOCK TABLE timestamps, records, departures IN SHARE ROW EXCLUSIVE MODE"

_WHOLE: Final = f"regexp_replace({{table}}.parent_id, '{NAME_OF_SHARD}', '')"
# It is the same as `cliquet.storage.spreading.Spread.shard_of`.
_INDEX: Final = (
    "('x' || encode(substring(sha256(convert_to({table}.id, 'UTF8')) FROM 1 FOR 4), 'hex'))"
    "::bit(32)::bigint % {number}"
)

# A process with the former number may have written after the last change of it.
_REMOVE_OLDER: Final = (
    "DELETE FROM {table} USING {table} AS other WHERE {table}.collection_id = %(collection)s"
    " AND other.collection_id = %(collection)s AND {table}.id = other.id{and_same}"
    " AND {table}.parent_id <> other.parent_id AND {whole} = {whole_of_other}"
    " AND ({table}.last_modified, {table}.parent_id) < (other.last_modified, other.parent_id)"
)
_MOVE: Final = (
    "UPDATE {table} SET parent_id = {place}"
    " WHERE collection_id = %(collection)s AND parent_id <> {place}"
)
# The timestamp of each shard is the latest one, so that what clients have stays true.
_MAKE_COUNTERS: Final = (
    "INSERT INTO timestamps AS counter (parent_id, collection_id, last_modified, purged, epoch)"
    " SELECT {name}, %(collection)s, latest, purged, epoch FROM (SELECT {whole} AS whole,"
    " max(last_modified) AS latest, max(purged) AS purged,"
    " (array_agg(epoch ORDER BY parent_id))[1] AS epoch"
    " FROM timestamps WHERE collection_id = %(collection)s GROUP BY 1) AS collection"
    " CROSS JOIN generate_series(0, {number} - 1) AS shard (index)"
    " ON CONFLICT (parent_id, collection_id) DO UPDATE SET"
    " last_modified = EXCLUDED.last_modified, purged = EXCLUDED.purged, epoch = EXCLUDED.epoch"
)
_REMOVE_COUNTERS: Final = (
    "DELETE FROM timestamps WHERE collection_id = %(collection)s AND {is_former}"
)
_COUNT: Final = (
    "UPDATE timestamps SET live = (SELECT count(*) FROM records"
    " WHERE records.parent_id = timestamps.parent_id AND records.collection_id = %(collection)s"
    " AND NOT deleted) WHERE collection_id = %(collection)s"
)


class Layout:
    """Knows the declared numbers of shards, and compares them with those of the database."""

    def __init__(self, client: PostgreSQLClient, migrations: PostgreSQLMigrations) -> None:
        self._client = client
        self._migrations = migrations
        self._declared: dict[str, int] = {}
        # What the database had when it was asked, which is once if it agrees with the service.
        self._found: dict[str, int] | None = None

    def declare(self, collection_id: str, number: int) -> None:
        self._declared[collection_id] = number

    def declared(self, collection_id: str) -> int:
        """Return the number that the service wants."""
        return self._declared.get(collection_id, 1)

    def number_of(self, collection_id: str) -> int:
        """Return the number of shards of a collection.

        Raises
        ------
        BackendError : the database has another number than the service.
        """
        if self._found is None:
            with self._client.connect(readonly=True) as session:
                self._found = self._stored(session)
        stored = self._found.get(collection_id, 1)
        # Nobody declares the collections of another application on the same database.
        number = self._declared.get(collection_id, stored)
        if stored == number:
            return number
        self._found = None
        message = (
            f"The collection {collection_id!r} has {stored} shards in the database, and {number} "
            "in the service: stop the service, and run `cliquet migrate`."
        )
        logs.logger.error(message)
        raise BackendError(message=message)

    def differing(self) -> list[str]:
        """Return the declared collections with another number of shards in the database."""
        with self._client.connect(readonly=True) as session:
            stored = self._stored(session)
        return [
            f"{collection_id}: {stored.get(collection_id, 1)} instead of {number}"
            for collection_id, number in sorted(self._declared.items())
            if stored.get(collection_id, 1) != number
        ]

    def spread_collections(self) -> list[str]:
        """Return the collections that have several shards in the database."""
        with self._client.connect(readonly=True) as session:
            return sorted(self._stored(session))

    def require_whole_collections(self) -> None:
        """Make sure that Citus may spread the tables.

        Its servers would each have some shards of a collection. A reader finds out who writes by
        locks, and must read them together with the counters, on one server (`horizon`).

        Raises
        ------
        BackendError : collections have shards, or the service wants them to have some.
        """
        declared = {name for name, number in self._declared.items() if number > 1}
        names = sorted(declared.union(self.spread_collections()))
        if names:
            raise BackendError(message=_ON_CITUS.format(names=", ".join(names)))

    @scope.without_time_limits()
    def update(self, *, dry_run: bool) -> None:
        """Spread the declared collections over their numbers of shards.

        Parameters
        ----------
        dry_run : only log the steps, without doing them.

        Raises
        ------
        BackendError : one would get several, and Citus has spread the tables.
        """
        with self._client.begin() as session:
            if not dry_run:
                self._migrations.lock(session)
            stored = self._stored(session)
            for collection_id, number in sorted(self._declared.items()):
                if stored.get(collection_id, 1) == number:
                    continue
                if number > 1 and is_distributed(session, "records"):
                    raise BackendError(message=_ON_CITUS.format(names=collection_id))
                if not dry_run:
                    _move(session, collection_id, number)
                logs.logger.info(
                    "shards.to_change" if dry_run else "shards.changed",
                    collection=collection_id,
                    before=stored.get(collection_id, 1),
                    after=number,
                )
        self._found = None

    def _stored(self, session: Session) -> dict[str, int]:
        if not self._migrations.has_table(session, "metadata"):
            return {}
        rows = session.execute(_STORED, (_PREFIX,)).fetchall()
        return {name[len(_PREFIX) :]: int(value) for name, value in rows}


def _name(collection_id: str) -> str:
    return f"{_PREFIX}{collection_id}"


def _move(session: Session, collection_id: str, number: int) -> None:
    """Move the records, tombstones, departures and counters of a collection."""
    values: Any = {"collection": collection_id}
    session.wrote()
    session.execute(_LOCK)
    session.execute(_filled(_MAKE_COUNTERS, "timestamps", number), values)
    for table, and_same in (
        ("records", ""),
        ("departures", " AND departures.principal = other.principal"),
    ):
        session.execute(_filled(_REMOVE_OLDER, table, number, and_same), values)
        session.execute(_filled(_MOVE, table, number), values)
    session.execute(_filled(_REMOVE_COUNTERS, "timestamps", number), values)
    session.execute(_COUNT, values)
    session.execute(_FORGET, (_name(collection_id),))
    if number > 1:
        session.execute(_STORE, (_name(collection_id), str(number)))


def _filled(text: str, table: str, number: int, and_same: str = "") -> str:
    """Return a statement for one table and number; values of clients are no part of it."""
    whole = _WHOLE.format(table=table)
    index = _INDEX.format(table=table, number=number).replace("%", "%%")
    name, place, is_former = "whole", whole, f"parent_id ~ '{NAME_OF_SHARD}'"
    if number > 1:
        name = f"whole || '\x1f' || index || '/{number}'"
        place = f"{whole} || '\x1f' || ({index}) || '/{number}'"
        is_former = f"parent_id !~ '\x1f[0-9]+/{number}$'"
    return text.format(
        table=table,
        number=number,
        whole=whole,
        whole_of_other=_WHOLE.format(table="other"),
        name=name,
        place=place,
        is_former=is_former,
        and_same=and_same,
    )
