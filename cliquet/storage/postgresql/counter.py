"""The timestamp of a collection while PostgreSQL holds its lock."""

from __future__ import annotations

import functools
import hashlib
import time
from typing import NamedTuple

from cliquet.storage.relational.steps import NEVER_TOUCHED
from cliquet.storage.selection import CollectionKey
from cliquet.storage.spreading import Lane
from cliquet.storage.timestamps import MAX_TIMESTAMP, next_timestamp, next_timestamps

__all__ = ["Counter", "KnownEpochs", "digest_of", "lock_number"]

# Some megabytes at most.
_MOST_KNOWN = 4096


class KnownEpochs(dict[CollectionKey, str]):
    """The epochs of some collections that have a row."""

    def remember(self, key: CollectionKey, epoch: str) -> None:
        """Remember that a collection has a row, which has this epoch."""
        if len(self) >= _MOST_KNOWN:
            self.clear()
        self[key] = epoch


class Counter(NamedTuple):
    """What is known of a collection under its lock.

    Attributes
    ----------
    timestamp : timestamp of the collection, in ms; of a shard, the greatest one of all shards.
    clock : time of the server when it was read, in ms.
    read_at : time of the monotonic clock of this process just after that, in seconds.
    lane : which timestamps a shard gives; ``None`` for all.
    """

    timestamp: int
    clock: int
    read_at: float
    lane: Lane | None = None

    def present(self) -> int:
        """Return the time of the server, in ms; it is never in the future."""
        return self.clock + int((time.monotonic() - self.read_at) * 1000)

    @property
    def previous(self) -> int | None:
        """The timestamp, or ``None`` if the collection was never touched."""
        return None if self.timestamp == NEVER_TOUCHED else self.timestamp

    def advanced(self, supplied: int | None) -> tuple[int, Counter]:
        """Return the timestamp of the next record, and the counter after it."""
        timestamp, latest = next_timestamps(self.previous, supplied, self.present())
        if self.lane is not None and latest != supplied:
            aligned = self._in_lane(latest, self.lane)
            timestamp, latest = aligned if timestamp == latest else timestamp, aligned
        # This is done for each write, and `_replace` takes three calls.
        return timestamp, Counter(latest, self.clock, self.read_at, self.lane)

    def following(self, number: int) -> range:
        """Return the next timestamps, for several changes at once."""
        lane = self.lane or Lane(0, 1)
        last_step = (number - 1) * lane.number
        wanted = next_timestamp(self.previous, self.present(), last_step + lane.number)
        first = self._in_lane(wanted, lane)
        return range(first, first + last_step + 1, lane.number)

    def _in_lane(self, timestamp: int, lane: Lane) -> int:
        """Return the first timestamp of a lane from one on; after the last one, from the clock."""
        aligned = lane.aligned(timestamp)
        return aligned if aligned <= MAX_TIMESTAMP else lane.aligned(self.present())


def digest_of(key: CollectionKey) -> str:
    """Return a text that identifies one collection, for the setting that says what is locked."""
    return f"{len(key.parent_id)}:{key.parent_id}:{key.collection_id}"


@functools.lru_cache(maxsize=1024)
def lock_number(key: CollectionKey) -> int:
    """Return the number of the lock that shows to readers that somebody writes to a shard.

    If two shards of a database had one number, readers would take one of them for locked too.
    """
    digest = hashlib.sha256(f"cliquet:{digest_of(key)}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
