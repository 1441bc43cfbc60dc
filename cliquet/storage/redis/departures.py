"""The departures of the storage in Redis, within the present operation if there is one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cliquet import utils
from cliquet.storage import departures
from cliquet.storage.departures import Departed, Departure, StoredDeparture
from cliquet.storage.redis.commits import Part
from cliquet.storage.redis.database import Database
from cliquet.storage.redis.transactions import Transactions
from cliquet.storage.selection import CollectionKey

__all__ = ["Departures"]


class Departures:
    """The part of the storage in Redis for departures."""

    def __init__(self, database: Database, transactions: Transactions) -> None:
        self._database = database
        self._transactions = transactions

    def record(self, key: CollectionKey, recorded: Sequence[Departure]) -> int | None:
        rows, number = departures.rows_of(recorded)
        if not rows:
            return None
        operation = self._transactions.current
        if operation is None:
            # The script makes the timestamps: this disturbs nobody, and waits for nobody.
            part = Part(made_departures=sorted(rows))
            return self._database.commit({key: part}, utils.msec_time()).timestamps[-1]
        positions = [operation.advance(key, None) for _ in range(number)]
        for rank, object_id, principal, kind in rows:
            departure = StoredDeparture(object_id, principal, positions[rank - 1], kind)
            operation.depart(key, departure)
        return positions[-1]

    def list(
        self, key: CollectionKey, after: int, principals: Iterable[str], limit: int | None
    ) -> Sequence[Departed]:
        source = self._transactions.current or self._database
        return departures.listed(source.departures(key), after, principals, limit)
