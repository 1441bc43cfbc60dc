"""What the storage in Redis reads: of the operation under way, if there is one, else at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cliquet.storage.collection_key import CollectionKey, Scope
from cliquet.storage.listing import evaluation
from cliquet.storage.listing.evaluation import Entry, Names
from cliquet.storage.query import COMPARISON, Filter
from cliquet.storage.redis.database import Database
from cliquet.storage.redis.transactions import Transactions

__all__ = ["Reader", "live_ones"]


class Reader:
    """Reads entries."""

    def __init__(self, database: Database, transactions: Transactions) -> None:
        self._database = database
        self._transactions = transactions

    def live(self, key: CollectionKey, object_id: str) -> Entry | None:
        """Return a live record."""
        if not isinstance(object_id, str):
            return None
        operation = self._transactions.current
        if operation is None:
            return self._database.get(key, object_id).entry
        return next(iter(live_ones(operation.entries(key, [object_id]))), None)

    def timestamp(self, key: CollectionKey) -> int | None:
        """Return the timestamp of a collection, or ``None`` if it was never touched."""
        operation = self._transactions.current
        if operation is None:
            return self._database.timestamp(key)
        return operation.timestamp(key)

    def listed(
        self,
        scope: Scope,
        filters: Sequence[Filter] | None,
        names: Names,
        *,
        include_deleted: bool,
    ) -> tuple[list[Entry], int | None]:
        """Return what matches the filters, and the collection timestamp of the same instant.
        There is no timestamp of several collections.
        """
        key = scope.key
        ids = _wanted_ids(filters or (), names) if key is not None else None
        operation = self._transactions.current
        if operation is not None:
            if key is not None and ids is not None:
                entries = operation.entries(key, ids)
            else:
                groups = operation.matching(scope).values()
                entries = [entry for group in groups for entry in group]
            timestamp = operation.known_timestamp(key) if key is not None else None
        else:
            if key is not None and ids is not None:
                snapshots = [self._database.entries(key, ids)]
            else:
                found = self._database.matching(scope, include_deleted=include_deleted)
                snapshots = list(found.values())
            entries = [entry for snapshot in snapshots for entry in snapshot.entries()]
            timestamp = snapshots[0].timestamp if key is not None else None
        if not include_deleted:
            entries = live_ones(entries)
        return evaluation.apply_filters(entries, filters or (), names), timestamp

    def count(
        self,
        scope: Scope,
        filters: Sequence[Filter] | None,
        names: Names,
        *,
        include_deleted: bool,
    ) -> int:
        """Return how many entries match the filters."""
        key = scope.key
        is_simple = not filters and not include_deleted and self._transactions.current is None
        if is_simple and key is not None:
            return self._database.live_count(key)
        entries, _ = self.listed(scope, filters, names, include_deleted=include_deleted)
        return len(entries)


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
