"""The departures of the storage in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cliquet.storage import departures
from cliquet.storage.departures import Departed, Departure, StoredDeparture
from cliquet.storage.memory.collection import State
from cliquet.storage.selection import CollectionKey

__all__ = ["Departures"]


class Departures:
    """The part of the storage in memory for departures."""

    def __init__(self, state: State) -> None:
        self._state = state

    def record(self, key: CollectionKey, recorded: Sequence[Departure]) -> int | None:
        rows, number = departures.rows_of(recorded)
        if not rows:
            return None
        with self._state.store.write():
            collection = self._state.writable(key)
            positions = [self._state.advance(key, None, 0) for _ in range(number)]
            for rank, object_id, principal, kind in rows:
                collection.depart(StoredDeparture(object_id, principal, positions[rank - 1], kind))
        return positions[-1]

    def list(
        self, key: CollectionKey, after: int, principals: Iterable[str], limit: int | None
    ) -> Sequence[Departed]:
        collection = self._state.collections.get(key)
        stored = [] if collection is None else collection.departures()
        return departures.listed(stored, after, principals, limit)
