"""The statements that write in the storage in PostgreSQL.

Each of them locks the row of the collection in ``timestamps``, or is sent after that lock. The
timestamp grows while the lock is held, so that commits have the order of the timestamps (D-60).

In READ COMMITTED, a statement that waits for a lock keeps, for all other tables, the snapshot from
before the wait. Data that must be seen after the lock is therefore read by a later statement, which
is sent in the same round trip. This statement also reads the clock and the timestamp of the
collection: nobody else changes that timestamp any more, so that the writes that follow only consist
of constants, and need no answer. They travel with the next statement or with the commit.

Every statement names one parent as a constant, calls no function whose value depends on the moment
in what it writes, and has no ``INSERT`` inside of another statement, so that Citus can send it to
the server that has this parent (E-9.3).
"""

from __future__ import annotations

import functools

from cliquet.storage.relational.steps import HOME, NEVER_TOUCHED
from cliquet.storage.timestamps import MAX_TIMESTAMP

__all__ = [
    "ADVANCE",
    "ADVANCE_ALONE",
    "ADVANCE_BY_CLOCK",
    "ENSURE_COUNTER",
    "ENSURE_SHARDS",
    "ENTOMB",
    "ERASE",
    "FIRST_ACCESS",
    "INSERT",
    "INSERT_ADVANCED",
    "LOCK",
    "LOCKED_LIFE",
    "LOCKED_LIFE_AND_CONFLICT",
    "LOCKED_ROW",
    "LOCKED_ROW_AND_ACES",
    "LOCK_NOWAIT",
    "LOCK_OF_PARENT",
    "LOCK_SHARD",
    "MATCHING",
    "PURGE_ALL",
    "PUT",
    "REMOVE_MANY",
    "REMOVE_STAMPED",
    "REPLACE",
    "REWIND",
    "SHOW_LOCK",
    "STORE_DEPARTURES",
    "STORE_ENTRIES",
    "TOUCH",
    "TOUCH_AGAIN",
]

# It is rounded down, so that a timestamp is never in the future.
CLOCK = "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

_RECORD = f"{HOME} AND id = %s"

# The collection of the last lock, for later statements of the same round trip, which do not know
# the result of the lock otherwise. If there were no row to lock, another transaction could create
# it and write before the next statement. It is local to the transaction, because of PgBouncer.
_HELD = "current_setting('cliquet.held', TRUE) = %s"

_LOCK = (
    "SELECT set_config('cliquet.held',"
    f" coalesce((SELECT %s FROM timestamps WHERE {HOME} FOR NO KEY UPDATE{{nowait}}), ''), TRUE)"
)
LOCK = _LOCK.format(nowait="")
LOCK_NOWAIT = _LOCK.format(nowait=" NOWAIT")

# A reader can ask at any moment whether somebody holds this lock (`spreading.horizon`). It comes
# after the other one, so that writers never wait for each other here, and before the clock is read.
# If there was no row to lock, it is not taken either: the order would be the reverse the next time.
SHOW_LOCK = "SELECT pg_advisory_xact_lock(%s)"
LOCK_SHARD = f"SELECT CASE WHEN {_HELD} THEN pg_advisory_xact_lock(%s) END"

# It concerns the collections that somebody watches, whatever parents they have.
POSITIONS = (
    "SELECT parent_id, collection_id, last_modified, epoch FROM timestamps"
    " JOIN unnest(%s::text[], %s::text[]) AS watched(parent, collection)"
    ' ON parent_id = watched.parent COLLATE "C" AND collection_id = watched.collection COLLATE "C"'
)

# A lock names one parent (E-9.3). All transactions that lock several collections use one order.
MATCHING = "SELECT parent_id, collection_id FROM timestamps WHERE {scope}"
LOCK_OF_PARENT = (
    "SELECT FROM timestamps WHERE parent_id = %s AND collection_id = ANY (%s::text[])"
    " ORDER BY collection_id FOR NO KEY UPDATE"
)

_LATEST = f"(SELECT last_modified FROM timestamps WHERE {HOME})"
# A timestamp of a shard is later than all that others can see in its siblings.
_LATEST_OF_SHARDS = (
    "(SELECT max(last_modified) FROM timestamps"
    " WHERE parent_id = ANY (%s::text[]) AND collection_id = %s)"
)

# It is read under the lock: whether the lock is held, the timestamp of the collection, the clock.
_STATE = f"(%s OR {_HELD}) AS is_held, {_LATEST} AS latest, {CLOCK} AS now"
_FROM_RECORD = f" FROM (SELECT 1) AS always LEFT JOIN records ON {_RECORD}"

LOCKED_ROW = f"SELECT {_STATE}, last_modified, deleted, data::text{_FROM_RECORD}"

# A join would repeat the data for each entry. It is formatted with the query for the entries.
LOCKED_ROW_AND_ACES = (
    f"SELECT {_STATE}, last_modified, deleted, data::text, NULL AS permission, NULL AS principal"
    f"{_FROM_RECORD} UNION ALL"
    " SELECT NULL, NULL, NULL, NULL, NULL, NULL, permission, principal FROM ({aces}) AS aces"
)

# For a write, only whether there is a record matters. The second one is formatted with the query
# for a record that is in the way.
LOCKED_LIFE = (
    f"SELECT {_STATE}, records.last_modified, records.deleted, NULL, NULL, NULL, NULL{_FROM_RECORD}"
)
LOCKED_LIFE_AND_CONFLICT = (
    f"SELECT {_STATE}, records.last_modified, records.deleted,"
    f" conflict.rank, conflict.id, conflict.last_modified, conflict.data{_FROM_RECORD}"
    " LEFT JOIN ({conflicts}) AS conflict ON TRUE"
)


def of_shard(text: str) -> str:
    """Return one of the statements ``LOCKED_…`` for a shard.

    The parents of all shards stand in the place of the first parent.
    """
    return text.replace(_LATEST, _LATEST_OF_SHARDS)


ENSURE_COUNTER = (
    "INSERT INTO timestamps (parent_id, collection_id, last_modified)"
    f" SELECT %s, %s, coalesce(%s, {CLOCK} - 1)"
    # `ON CONFLICT` waits for a transaction that is updating the row. That transaction may wait for
    # this one on another connection, and PostgreSQL does not see this deadlock.
    f" WHERE NOT EXISTS (SELECT 1 FROM timestamps WHERE {HOME})"
    " ON CONFLICT (parent_id, collection_id) DO NOTHING"
)

# All shards of a collection get their rows together. They have the epoch of those that there are,
# and their latest timestamp, because a row of its own is no change.
ENSURE_SHARDS = (
    "INSERT INTO timestamps (parent_id, collection_id, last_modified, epoch)"
    f" SELECT shard.parent, %s, coalesce(known.latest, %s, {CLOCK} - 1), coalesce(known.epoch, %s)"
    " FROM unnest(%s::text[]) AS shard (parent), (SELECT max(last_modified) AS latest,"
    " min(epoch) AS epoch FROM timestamps WHERE parent_id = ANY (%s::text[])"
    " AND collection_id = %s) AS known"
    ' WHERE NOT EXISTS (SELECT 1 FROM timestamps WHERE parent_id = shard.parent COLLATE "C"'
    " AND collection_id = %s) ON CONFLICT (parent_id, collection_id) DO NOTHING"
)

FIRST_ACCESS = (
    "INSERT INTO timestamps AS counter (parent_id, collection_id, last_modified)"
    f" VALUES (%s, %s, {CLOCK})"
    " ON CONFLICT (parent_id, collection_id) DO UPDATE SET last_modified = EXCLUDED.last_modified"
    f" WHERE counter.last_modified = {NEVER_TOUCHED}"
    " RETURNING last_modified"
)

# This does the same under the lock. If the transaction is undone, it is sent again with the same
# time. A write in between gets a later timestamp, because this one is of the past
# millisecond.
_UNTOUCHED = f"WHERE {HOME} AND last_modified = {NEVER_TOUCHED}"
TOUCH = (
    "UPDATE timestamps SET last_modified = cliquet_next(last_modified) - 1"
    f" {_UNTOUCHED} RETURNING last_modified"
)
TOUCH_AGAIN = f"UPDATE timestamps SET last_modified = %s {_UNTOUCHED}"

# The function reads the clock after the row is locked, because it is called with a column. With
# zero, it gives the clock itself.
_CLOCK_OF_ROW = "cliquet_next(0 * last_modified)"

# This locks the row by itself.
ADVANCE_BY_CLOCK = (
    "UPDATE timestamps SET last_modified = cliquet_next(last_modified), live = live + 1"
    f" WHERE {HOME} RETURNING last_modified, {_CLOCK_OF_ROW}, epoch"
)

# The same for a transaction of these two statements, whose result is that of the second one. Both
# rows have one parent, and are on one server. If the row is gone, another transaction may create it
# and write before the second statement, which must not take the timestamp of that transaction: the
# row of another life has another epoch.
ADVANCE_ALONE = (
    "UPDATE timestamps SET last_modified = cliquet_next(last_modified), live = live + 1"
    f" WHERE {HOME} AND epoch = %s"
)
INSERT_ADVANCED = (
    "INSERT INTO records (parent_id, collection_id, id, last_modified, data)"
    " SELECT parent_id, collection_id, %s, last_modified, %s::jsonb"
    f" FROM timestamps WHERE {HOME} AND epoch = %s RETURNING last_modified"
)

# The following statements run under the lock.

ADVANCE = f"UPDATE timestamps SET last_modified = %s, live = live + %s WHERE {HOME}"


def insertion_of(number: int) -> str:
    """Return the statement that stores so many records, which all have the same parent."""
    places = ", ".join(["(%s, %s, %s, %s, %s::jsonb)"] * number)
    return (
        f"INSERT INTO records (parent_id, collection_id, id, last_modified, data) VALUES {places}"
    )


def replacement_of(number: int) -> str:
    """Return the statement that stores or replaces so many records of the same parent."""
    return (
        f"{insertion_of(number)} ON CONFLICT (parent_id, collection_id, id) DO UPDATE"
        " SET deleted = FALSE, last_modified = EXCLUDED.last_modified, data = EXCLUDED.data"
    )


INSERT = insertion_of(1)
PUT = replacement_of(1)

# A change of a record that is known to exist is one statement with that of its collection. An
# insertion is not: Citus refuses WITH in front of it, and an INSERT within WITH.
_WITH_COUNTER = "WITH counter AS ({advance} RETURNING last_modified) "
_ADVANCED = _WITH_COUNTER.format(advance=ADVANCE)
REPLACE = (
    f"{_ADVANCED}UPDATE records SET deleted = FALSE, last_modified = %s, data = %s::jsonb"
    f" WHERE {_RECORD}"
)
# The lock, and the replacement of a record that is still what was seen of it. Otherwise nothing
# changes, not even the counter. The second statement sees what others have committed before the
# lock was taken. If there was no row to lock, and somebody makes it meanwhile, the last condition
# holds for the row that is there after the wait.
# It is one condition that no index knows: an index of live records by time would be read from one
# end of the interval to the other.
_SEEN = f"{_RECORD} AND CASE WHEN deleted THEN -1 ELSE records.last_modified END BETWEEN %s AND %s"
_REPLACE_SEEN = (
    "{lock};WITH {held}counter AS (UPDATE timestamps SET last_modified = {stamp}"
    " WHERE {home} AND EXISTS (SELECT FROM records WHERE {seen}{same}{newer}){granted}"
    " RETURNING last_modified)"
    " UPDATE records SET last_modified = counter.last_modified, data = %s::jsonb FROM counter"
    "{former} WHERE {seen} RETURNING records.last_modified, {held_aces}{shown}"
)
_HELD_ACES = (
    "aces AS (SELECT coalesce(jsonb_object_agg(permission, principals), '{{}}') AS held FROM"
    " (SELECT permission, jsonb_agg(principal) AS principals FROM ({query}) AS entries"
    " GROUP BY permission) AS grouped), "
)
# It is what the statement found, even though it changes that.
_FORMER = f", (SELECT last_modified, data FROM records WHERE {_RECORD}) AS former"
# Somebody may write, or nobody of several principals may.
_GRANTED = (
    " AND EXISTS (SELECT FROM aces WHERE held->'write' ? %s"
    " OR (%s AND NOT coalesce(held->'write' ?| %s::text[], FALSE)))"
)


@functools.lru_cache(maxsize=16)
def replacement_of_seen(
    aces: str | None, *, is_read: bool, is_given: bool, tells_former: bool
) -> str:
    """Return the statements that replace a record in a transaction of their own.

    Parameters
    ----------
    aces : query for the permissions, if some must be held.
    is_read : whether the record must still have the data that were read.
    is_given : whether the new record has a timestamp. It counts if it is newer than that of the
        old one. If it is older than that of the collection then, nothing is replaced.
    tells_former : whether the result has the timestamp and the data that were replaced too.
    """
    return _REPLACE_SEEN.format(
        lock=LOCK,
        home=HOME,
        seen=_SEEN,
        held="" if aces is None else _HELD_ACES.format(query=aces),
        same=" AND data = %s::jsonb" if is_read else "",
        newer=(
            # After the last timestamp, a record may be ahead of its collection.
            " AND (records.last_modified < %s) = (timestamps.last_modified < %s)"
            if is_given
            else ""
        ),
        granted="" if aces is None else _GRANTED,
        stamp=(
            "CASE WHEN last_modified < %s THEN %s ELSE cliquet_next(last_modified) END"
            if is_given
            else "cliquet_next(last_modified)"
        ),
        former=_FORMER if tells_former else "",
        held_aces="NULL" if aces is None else "(SELECT held FROM aces)",
        shown=", former.last_modified, former.data::text" if tells_former else "",
    )


ENTOMB = (
    f"{_ADVANCED}UPDATE records SET deleted = TRUE, data = '{{}}', last_modified = %s"
    f" WHERE {_RECORD}"
)

# The first timestamp is the same as that of `cliquet.storage.timestamps.next_timestamp`.
_REMOVE_MANY = (
    "WITH wanted AS (SELECT id, n FROM unnest(%s::text[]) WITH ORDINALITY AS wanted (id, n)), "
    "counter AS ("
    f"UPDATE timestamps SET last_modified = CASE WHEN last_modified < {MAX_TIMESTAMP} - %s"
    f" THEN cliquet_next(last_modified) ELSE {_CLOCK_OF_ROW} END + %s, live = live - %s"
    f" WHERE {HOME}"
    " RETURNING last_modified), "
    "stamp AS (SELECT wanted.id, counter.last_modified - %s + wanted.n AS last_modified"
    " FROM wanted, counter), "
    "removed AS ({removal}" + HOME + " AND records.id = stamp.id RETURNING 1)"
    " SELECT id, last_modified FROM stamp"
)

# A deletion without tombstone is the horizon of the collection.
_ADVANCE_HORIZON = (
    f"UPDATE timestamps SET last_modified = %s, purged = %s, live = live - 1 WHERE {HOME}"
)
ERASE = f"{_WITH_COUNTER.format(advance=_ADVANCE_HORIZON)}DELETE FROM records WHERE {_RECORD}"
PURGE_ALL = f"UPDATE timestamps SET purged = last_modified WHERE {HOME}"

# The key is whether a tombstone is left.
REMOVE_MANY = {
    True: _REMOVE_MANY.format(
        removal="UPDATE records SET deleted = TRUE, data = '{}',"
        " last_modified = stamp.last_modified FROM stamp WHERE "
    ),
    False: _REMOVE_MANY.format(removal="DELETE FROM records USING stamp WHERE "),
}

# The same where the timestamps are known. The counter was advanced before.
_STAMPED = "unnest(%s::text[], %s::bigint[]) AS stamp (id, last_modified)"
REMOVE_STAMPED = {
    True: "UPDATE records SET deleted = TRUE, data = '{}', last_modified = stamp.last_modified"
    f" FROM {_STAMPED} WHERE {HOME} AND records.id = stamp.id",
    False: f"DELETE FROM records USING {_STAMPED} WHERE {HOME} AND records.id = stamp.id",
}

STORE_ENTRIES = (
    "INSERT INTO records (parent_id, collection_id, id, last_modified, deleted, data)"
    " SELECT %s, %s, entry.id, entry.last_modified, entry.deleted, entry.data::jsonb"
    " FROM unnest(%s::text[], %s::bigint[], %s::boolean[], %s::text[])"
    " AS entry (id, last_modified, deleted, data)"
    " ON CONFLICT (parent_id, collection_id, id) DO UPDATE SET deleted = EXCLUDED.deleted,"
    " last_modified = EXCLUDED.last_modified, data = EXCLUDED.data"
)

# It is formatted with the places of the rows.
STORE_DEPARTURES = (
    "INSERT INTO departures (parent_id, collection_id, id, principal, last_modified, kind)"
    " VALUES {places} ON CONFLICT (parent_id, collection_id, id, principal) DO UPDATE"
    " SET last_modified = EXCLUDED.last_modified, kind = EXCLUDED.kind"
)

REWIND = (
    "WITH ahead AS (SELECT id, %s + row_number() OVER (ORDER BY last_modified, id) AS stamp"
    f" FROM records WHERE {HOME} AND last_modified > %s)"
    " UPDATE records SET last_modified = ahead.stamp FROM ahead"
    f" WHERE {HOME} AND records.id = ahead.id"
)
