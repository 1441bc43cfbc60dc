"""Up to which timestamp nothing is missing in a collection that is spread (D-60, E-23.3).

Writers of different shards do not wait for each other. One may commit a timestamp while another one
has taken an earlier timestamp, and has not committed. A client that got the later one as that of
the collection would never see the earlier change. It gets the horizon instead, and no reader waits:

- One statement reads the counters and then, for each shard, whether somebody holds its lock. The
  records are read by a later statement.
- If nobody holds the lock, the next writer who takes it sees these counters, because they are
  committed. The timestamp of that writer is later than all of them. A writer who held the lock
  before has committed, and the later statement sees what that writer wrote.
- If a writer holds the lock, they have taken a timestamp later than the counter of the shard.

Thus nothing up to the horizon is missing: it is the greatest counter, or the smallest one of the
locked shards, if there are any.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from cliquet.storage.history import History
from cliquet.storage.postgresql.counter import lock_number
from cliquet.storage.relational.reading import Reader, touched
from cliquet.storage.relational.steps import NEVER_TOUCHED
from cliquet.storage.selection import CollectionKey
from cliquet.storage.spreading import Spread, SpreadTimestamp

__all__ = ["Horizons", "State"]

# The lock is given back at once: a transaction that kept it would keep writers out. A standby knows
# nothing of the locks of its primary, and says NULL.
_READ: Final = (
    "SELECT last_modified, purged, epoch, CASE WHEN pg_is_in_recovery() THEN NULL"
    " WHEN pg_try_advisory_lock_shared(lock) THEN pg_advisory_unlock_shared(lock)"
    " ELSE FALSE END"
    " FROM unnest(%s::text[], %s::bigint[]) AS shard (parent, lock) JOIN timestamps"
    ' ON parent_id = shard.parent COLLATE "C" AND collection_id = %s'
    " ORDER BY parent_id"
)

_MAX_KNOWN: Final = 10_000


class State(NamedTuple):
    """The state of a collection that is spread.

    Attributes
    ----------
    timestamp : the horizon, in ms, which knows the latest timestamp if that is another one;
        ``None`` if the collection was never touched.
    """

    timestamp: int | None
    history: History


class Horizons:
    """Reads the states of collections.

    A shard that is seldom written to has an old counter. While somebody writes to it, the horizon
    would go back to that time, and clients would get again what they have. Therefore the latest
    horizon of each collection is remembered: what was complete once stays complete.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[CollectionKey, tuple[str, int]] = {}

    def read(self, spread: Spread) -> State:
        """Return the state of a collection; what is read later lacks nothing up to its horizon."""
        rows = self._rows(spread)
        # The first write of a shard without a row is later than all that is seen here, because its
        # row is committed before it.
        latest = touched(max((row[0] for row in rows), default=NEVER_TOUCHED))
        if latest is None:
            return State(None, History())
        history = History(max(row[1] for row in rows), rows[0][2])
        horizon = self._horizon(spread.key, rows, latest, history.epoch)
        if horizon < latest:
            return State(SpreadTimestamp(horizon, latest), history)
        return State(latest, history)

    def has_writers(self, spread: Spread) -> bool:
        """Return whether somebody writes, or has written, to another shard than the first one."""
        return len(self._rows(spread)) > 1

    def _rows(self, spread: Spread) -> list[Any]:
        parents, locks = _parents_and_locks(spread)
        return self._reader.rows(_READ, (parents, locks, spread.key.collection_id), None)

    def _horizon(self, key: CollectionKey, rows: Sequence[Any], latest: int, epoch: str) -> int:
        horizon = min((row[0] for row in rows if row[3] is not True), default=latest)
        # Before the first timestamp of a collection, the row of a shard says nothing of the time.
        horizon = max(horizon, 0)
        if rows[0][3] is None:
            # A standby may be behind what was complete on its primary.
            return horizon
        before = self._known.get(key)
        if before is not None and before[0] == epoch:
            horizon = min(max(horizon, before[1]), latest)
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[key] = epoch, horizon
        return horizon


@functools.lru_cache(maxsize=1024)
def _parents_and_locks(spread: Spread) -> tuple[list[str], list[int]]:
    shards = spread.shards()
    return [shard.parent_id for shard in shards], list(map(lock_number, shards))
