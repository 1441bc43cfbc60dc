"""The statements that write in the storage in PostgreSQL.

Each of them locks the row of the collection in ``timestamps``, or is sent after that lock. The
timestamp grows while the lock is held, so that commits have the order of the timestamps (D-60).

In READ COMMITTED, a statement that waits for a lock keeps, for all other tables, the snapshot from
before the wait. Data that must be seen after the lock is therefore read by a later statement, which
is sent in the same round trip. Only an insertion with an id that nobody else can have fits in one
statement with its lock, because its uniqueness is checked in the index and not in the snapshot.
"""

from __future__ import annotations

from cliquet.storage.relational.steps import HOME, NEVER_TOUCHED
from cliquet.storage.timestamps import MAX_TIMESTAMP

__all__ = [
    "DEPART",
    "ENSURE_COUNTER",
    "FIRST_ACCESS",
    "INSERT",
    "LOCK",
    "LOCKED_ROW",
    "LOCK_MATCHING",
    "LOCK_NOWAIT",
    "PUT",
    "REMOVE",
    "REMOVE_MANY",
    "REWIND",
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

LOCK_MATCHING = (
    "SELECT parent_id, collection_id FROM timestamps WHERE {scope}"
    # All transactions that lock several collections use the same order.
    " ORDER BY parent_id, collection_id FOR NO KEY UPDATE"
)

# This reads whether the lock is held, and the record.
LOCKED_ROW = (
    f"SELECT (%s OR {_HELD}) AS is_held, last_modified, deleted, data"
    f" FROM (SELECT 1) AS always LEFT JOIN records ON {_RECORD}"
)

ENSURE_COUNTER = (
    "INSERT INTO timestamps (parent_id, collection_id, last_modified)"
    f" SELECT %s, %s, coalesce(%s, {CLOCK} - 1)"
    # `ON CONFLICT` waits for a transaction that is updating the row. That transaction may wait for
    # this one on another connection, and PostgreSQL does not see this deadlock.
    f" WHERE NOT EXISTS (SELECT 1 FROM timestamps WHERE {HOME})"
    " ON CONFLICT (parent_id, collection_id) DO NOTHING"
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
TOUCH = f"UPDATE timestamps SET last_modified = {CLOCK} - 1 {_UNTOUCHED} RETURNING last_modified"
TOUCH_AGAIN = f"UPDATE timestamps SET last_modified = %s {_UNTOUCHED}"

# The same as `cliquet.storage.timestamps.next_timestamp`. It is formatted with the number of
# timestamps minus one. The clock is read after the row is locked, when `SET` is evaluated.
_FIRST = (
    f"CASE WHEN last_modified < {MAX_TIMESTAMP}{{less}}"
    f" THEN greatest(last_modified + 1, {CLOCK}) ELSE {CLOCK} END"
)
_NEXT = _FIRST.format(less="")

INSERT = (
    "WITH counter AS ("
    f"UPDATE timestamps SET last_modified = {_NEXT}, live = live + 1 WHERE {HOME}"
    " RETURNING last_modified)"
    " INSERT INTO records (parent_id, collection_id, id, last_modified, data)"
    " SELECT %s, %s, %s, last_modified, %s::jsonb FROM counter RETURNING last_modified"
)

# The following statements run under the lock, so that their snapshots see the last write.

_PREVIOUS = f"previous AS (SELECT last_modified FROM timestamps WHERE {HOME})"

# A given timestamp that is later than that of the collection also becomes that of the collection
# (B-4.7).
_ADVANCED = f"CASE WHEN %s > last_modified THEN %s ELSE {_NEXT} END"

# A given timestamp that equals that of the collection is not used, because it would hide the change
# (B-21.5).
_STAMP = (
    "stamp AS (SELECT CASE WHEN %s IS NULL OR %s = previous.last_modified"
    " THEN counter.last_modified ELSE %s END AS last_modified FROM counter, previous)"
)

PUT = (
    "WITH conflict AS ({conflicts}), "
    f"{_PREVIOUS}, "
    "counter AS ("
    f"UPDATE timestamps SET last_modified = {_ADVANCED}, live = live"
    f" + CASE WHEN EXISTS (SELECT 1 FROM records WHERE {_RECORD} AND NOT deleted) THEN 0 ELSE 1 END"
    f" WHERE {HOME} AND (%s OR {_HELD}) AND NOT EXISTS (SELECT 1 FROM conflict)"
    " RETURNING last_modified), "
    f"{_STAMP}, "
    "written AS ("
    "INSERT INTO records (parent_id, collection_id, id, last_modified, data)"
    " SELECT %s, %s, %s, last_modified, %s::jsonb FROM stamp"
    " ON CONFLICT (parent_id, collection_id, id) DO UPDATE SET deleted = FALSE,"
    " last_modified = EXCLUDED.last_modified, data = EXCLUDED.data RETURNING last_modified)"
    " SELECT NULL::integer, NULL, last_modified, NULL FROM written"
    " UNION ALL SELECT rank, id, last_modified, data FROM conflict"
    # A row that is read without the lock may be out of date.
    f" WHERE (%s OR {_HELD})"
)

NO_CONFLICTS = (
    "SELECT 0 AS rank, NULL::text AS id, 0::bigint AS last_modified, NULL::jsonb AS data"
    " WHERE FALSE"
)

# It is formatted with the statement that removes the record or makes it a tombstone.
_ENTOMB = (
    "UPDATE records SET deleted = TRUE, data = '{}', last_modified = stamp.last_modified"
    " FROM stamp WHERE "
)
_ERASE = "DELETE FROM records USING stamp WHERE "

_REMOVE = (
    f"WITH target AS (SELECT 1 FROM records WHERE {_RECORD} AND NOT deleted), "
    f"{_PREVIOUS}, "
    "counter AS ("
    "UPDATE timestamps SET {advance}, live = live - 1"
    f" WHERE {HOME} AND (%s OR {_HELD}) AND EXISTS (SELECT 1 FROM target)"
    " RETURNING last_modified), "
    f"{_STAMP}, "
    "removed AS ({removal}" + _RECORD + " RETURNING 1)"
    f" SELECT (%s OR {_HELD}), (SELECT last_modified FROM stamp)"
)

_REMOVE_MANY = (
    "WITH wanted AS (SELECT id, n FROM unnest(%s::text[]) WITH ORDINALITY AS wanted (id, n)), "
    "counter AS ("
    "UPDATE timestamps SET {advance}, live = live - %s"
    f" WHERE {HOME}"
    " RETURNING last_modified), "
    "stamp AS (SELECT wanted.id, counter.last_modified - %s + wanted.n AS last_modified"
    " FROM wanted, counter), "
    "removed AS ({removal}" + HOME + " AND records.id = stamp.id RETURNING 1)"
    " SELECT id, last_modified FROM stamp"
)

_AFTER_ALL = f"{_FIRST.format(less=' - %s')} + %s"

# It is formatted with the next timestamp. Without a tombstone, that is the horizon too. The clock
# is read once, because a subquery with a volatile function is evaluated as it is written.
_ADVANCE = "last_modified = {stamp}"
_ADVANCE_ALL = "(last_modified, purged) = (SELECT stamp, stamp FROM (SELECT {stamp} AS stamp) AS s)"

# The key is whether a tombstone is left.
REMOVE = {
    True: _REMOVE.format(advance=_ADVANCE.format(stamp=_ADVANCED), removal=_ENTOMB),
    False: _REMOVE.format(advance=_ADVANCE_ALL.format(stamp=_ADVANCED), removal=_ERASE),
}
REMOVE_MANY = {
    True: _REMOVE_MANY.format(advance=_ADVANCE.format(stamp=_AFTER_ALL), removal=_ENTOMB),
    False: _REMOVE_MANY.format(advance=_ADVANCE_ALL.format(stamp=_AFTER_ALL), removal=_ERASE),
}

STORE_ENTRIES = (
    "INSERT INTO records (parent_id, collection_id, id, last_modified, deleted, data)"
    " SELECT %s, %s, entry.id, entry.last_modified, entry.deleted, entry.data::jsonb"
    " FROM unnest(%s::text[], %s::bigint[], %s::boolean[], %s::text[])"
    " AS entry (id, last_modified, deleted, data)"
    " ON CONFLICT (parent_id, collection_id, id) DO UPDATE SET deleted = EXCLUDED.deleted,"
    " last_modified = EXCLUDED.last_modified, data = EXCLUDED.data"
)

_DEPARTURES_WRITE = (
    " ON CONFLICT (parent_id, collection_id, id, principal) DO UPDATE"
    " SET last_modified = EXCLUDED.last_modified, kind = EXCLUDED.kind"
)

DEPART = (
    "WITH counter AS ("
    f"UPDATE timestamps SET {_ADVANCE.format(stamp=_AFTER_ALL)} WHERE {HOME}"
    " RETURNING last_modified), "
    "written AS ("
    "INSERT INTO departures (parent_id, collection_id, id, principal, last_modified, kind)"
    " SELECT %s, %s, one.id, one.principal, counter.last_modified - %s + one.rank, one.kind"
    " FROM counter, unnest(%s::bigint[], %s::text[], %s::text[], %s::text[])"
    f" AS one (rank, id, principal, kind){_DEPARTURES_WRITE})"
    " SELECT last_modified FROM counter"
)

STORE_DEPARTURES = (
    "INSERT INTO departures (parent_id, collection_id, id, principal, last_modified, kind)"
    " SELECT %s, %s, one.id, one.principal, one.last_modified, one.kind"
    " FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::text[])"
    f" AS one (id, principal, last_modified, kind){_DEPARTURES_WRITE}"
)

REWIND = (
    "WITH ahead AS (SELECT id, %s + row_number() OVER (ORDER BY last_modified, id) AS stamp"
    f" FROM records WHERE {HOME} AND last_modified > %s)"
    " UPDATE records SET last_modified = ahead.stamp FROM ahead"
    f" WHERE {HOME} AND records.id = ahead.id"
)
