"""What the storage in Redis reads: of the operation under way, if there is one, else at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cliquet.core.globs import is_pattern
from cliquet.storage.listing import evaluation
from cliquet.storage.listing.evaluation import Entry, Names
from cliquet.storage.query import COMPARISON, Filter
from cliquet.storage.redis.database import Database, Snapshot
from cliquet.storage.redis.transactions import Transactions
from cliquet.storage.redis.values import Home

__all__ = ["Reader", "live_ones"]


class Reader:
    """Reads entries."""

    def __init__(self, database: Database, transactions: Transactions) -> None:
        self._database = database
        self._transactions = transactions

    def live(self, home: Home, object_id: str) -> Entry | None:
        """Return a live record."""
        if not isinstance(object_id, str):
            return None
        operation = self._transactions.current
        if operation is None:
            return self._database.get(home, object_id).entry
        return next(iter(live_ones(operation.entries(home, [object_id]))), None)

    def timestamp(self, home: Home) -> int | None:
        """Return the timestamp of a collection, or ``None`` if it was never touched."""
        operation = self._transactions.current
        if operation is None:
            return self._database.timestamp(home)
        return operation.timestamp(home)

    def listed(
        self,
        home: Home,
        filters: Sequence[Filter] | None,
        names: Names,
        *,
        include_deleted: bool,
    ) -> tuple[list[Entry], int | None]:
        """Return what matches the filters, and the collection timestamp of the same instant.

        Parameters
        ----------
        home : whose parent may be a pattern; there is no timestamp then.
        """
        is_one = not is_pattern(home.parent_id)
        ids = _wanted_ids(filters or (), names) if is_one else None
        operation = self._transactions.current
        if operation is not None:
            if ids is not None:
                entries = operation.entries(home, ids)
            else:
                found = operation.matching(*home)
                entries = [entry for group in found.values() for entry in group]
            timestamp = operation.known_timestamp(home) if is_one else None
        else:
            snapshots = self._snapshots(home, ids, include_deleted=include_deleted)
            entries = [entry for snapshot in snapshots for entry in snapshot.entries()]
            timestamp = snapshots[0].timestamp if is_one else None
        if not include_deleted:
            entries = live_ones(entries)
        return evaluation.apply_filters(entries, filters or (), names), timestamp

    def count(
        self,
        home: Home,
        filters: Sequence[Filter] | None,
        names: Names,
        *,
        include_deleted: bool,
    ) -> int:
        """Return how many entries match the filters."""
        is_simple = not filters and not include_deleted and not is_pattern(home.parent_id)
        if is_simple and self._transactions.current is None:
            return self._database.live_count(home)
        entries, _ = self.listed(home, filters, names, include_deleted=include_deleted)
        return len(entries)

    def _snapshots(
        self, home: Home, ids: list[str] | None, *, include_deleted: bool
    ) -> list[Snapshot]:
        if ids is not None:
            return [self._database.entries(home, ids)]
        return list(self._database.matching(*home, include_deleted=include_deleted).values())


def live_ones(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries that are no tombstones."""
    return [entry for entry in entries if entry.data is not None]


def _wanted_ids(filters: Sequence[Filter], names: Names) -> list[str] | None:
    """Return the only ids that filters let through, to read no others; ``None`` if they may be any.

    Whoever looks for a tombstone, or for the shared records of a user, names the ids.
    """
    for item in filters:
        if item.field != names.id_field:
            continue
        if item.operator is COMPARISON.EQ and isinstance(item.value, str):
            return [item.value]
        is_list = isinstance(item.value, (list, tuple, set, frozenset))
        if item.operator is COMPARISON.IN and is_list:
            # A number stands for its text there: left to the filter.
            if not all(isinstance(member, str) for member in item.value):
                return None
            return list(dict.fromkeys(item.value))
    return None
