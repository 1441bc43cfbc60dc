"""The timestamp of a collection while PostgreSQL holds its lock."""

from __future__ import annotations

import time
from typing import NamedTuple

from cliquet.storage.relational.steps import NEVER_TOUCHED
from cliquet.storage.selection import CollectionKey
from cliquet.storage.timestamps import next_timestamps

__all__ = ["Counter", "digest_of"]


class Counter(NamedTuple):
    """What is known of a collection under its lock.

    Attributes
    ----------
    timestamp : timestamp of the collection, in ms.
    clock : time of the server when it was read, in ms.
    read_at : time of the monotonic clock of this process just after that, in seconds.
    """

    timestamp: int
    clock: int
    read_at: float

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
        return timestamp, self._replace(timestamp=latest)


def digest_of(key: CollectionKey) -> str:
    """Return a text that identifies one collection, for the setting that says what is locked."""
    return f"{len(key.parent_id)}:{key.parent_id}:{key.collection_id}"
