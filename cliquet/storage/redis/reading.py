"""The reads of the storage in Redis, within the present operation if there is one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from cliquet.storage.base import Page
from cliquet.storage.exceptions import ReadonlyError, RecordNotFoundError
from cliquet.storage.history import History
from cliquet.storage.listing import evaluation
from cliquet.storage.listing.evaluation import Entry, live_ones
from cliquet.storage.query import COMPARISON, Filter
from cliquet.storage.redis.database import Database
from cliquet.storage.redis.transactions import Transactions
from cliquet.storage.selection import CollectionKey, Names, Scope, Selection
from cliquet.storage.watching import Position
from cliquet.types import Record

__all__ = ["Bump", "Reader"]

Bump = Callable[[int | None], tuple[int, str]]
"""Takes a wanted timestamp; returns the time of the clock, and the timestamp as text."""


class Reader:
    """Reads entries.

    Parameters
    ----------
    bump : is called before a collection gets its first timestamp.
    is_readonly : whether the service never writes.
    """

    def __init__(
        self, database: Database, transactions: Transactions, bump: Bump, *, is_readonly: bool
    ) -> None:
        self._database = database
        self._transactions = transactions
        self._bump = bump
        self._is_readonly = is_readonly

    def live(self, key: CollectionKey, object_id: str) -> Entry | None:
        """Return a live record."""
        if not isinstance(object_id, str):
            return None
        operation = self._transactions.current
        if operation is None:
            return self._database.get(key, object_id).entry
        return next(iter(live_ones(operation.entries(key, [object_id]))), None)

    def timestamp(self, key: CollectionKey) -> int:
        source = self._transactions.current or self._database
        timestamp = source.timestamp(key)
        return self._claim(key)[1] if timestamp is None else timestamp

    def timestamps(self, collection_id: str) -> dict[str, int]:
        return self._database.directory.timestamps(collection_id)

    def history(self, key: CollectionKey) -> History:
        history = self._database.history(key)
        if history.epoch or self._is_readonly or self._database.timestamp(key) is None:
            return history
        self._database.start_epoch(key)
        return self._database.history(key)

    def positions(self, keys: Sequence[CollectionKey]) -> dict[CollectionKey, Position]:
        return self._database.directory.positions(keys)

    def get(self, key: CollectionKey, object_id: str, names: Names) -> Record:
        entry = self.live(key, object_id)
        if entry is None:
            raise RecordNotFoundError(object_id)
        return entry.to_record(names)

    def find_tombstone(self, key: CollectionKey, object_id: str, names: Names) -> Record | None:
        named = [
            Filter(names.id_field, object_id, COMPARISON.EQ),
            Filter(names.deleted_field, True, COMPARISON.EQ),
        ]
        scope = Scope(collection_id=key.collection_id, parent_id=key.parent_id)
        found = self.records(Selection(scope, names, named, limit=1, include_deleted=True))
        return found[0] if found else None

    def page(self, selection: Selection) -> tuple[list[Record], int]:
        entries, timestamp, history = self._listed(selection)
        key = selection.scope.key
        page = Page(
            entry.to_record(selection.names) for entry in evaluation.on_page(entries, selection)
        )
        page.timestamp = timestamp
        page.history = history
        if timestamp is None and key is not None:
            page.claim = functools.partial(self._claim_alone, key)
        return page, len(live_ones(entries))

    def records(self, selection: Selection) -> list[Record]:
        return self.page(selection)[0]

    def count(self, selection: Selection) -> int:
        key = selection.scope.key
        is_simple = not selection.filters and not selection.include_deleted
        if is_simple and key is not None and self._transactions.current is None:
            return self._database.live_count(key)
        return len(self._listed(selection)[0])

    def _listed(self, selection: Selection) -> tuple[list[Entry], int | None, History | None]:
        """Return the matching entries, and timestamp and history of the collection at that moment.

        Several collections have no common ones. An operation, which writes, asks for no history,
        and neither does a list without tombstones.
        """
        scope, include_deleted = selection.scope, selection.include_deleted
        key = scope.key
        ids = None if key is None else _wanted_ids(selection.filters, selection.names)
        operation = self._transactions.current
        timestamp = history = None
        if operation is not None:
            if key is not None and ids is not None:
                entries = operation.entries(key, ids)
            else:
                groups = operation.matching(scope).values()
                entries = [entry for group in groups for entry in group]
            if key is not None:
                timestamp = operation.known_timestamp(key)
        else:
            if key is not None and ids is not None:
                snapshots = [self._database.entries(key, ids, with_history=include_deleted)]
            else:
                found = self._database.directory.matching(scope, include_deleted=include_deleted)
                snapshots = list(found.values())
            entries = [entry for snapshot in snapshots for entry in snapshot.entries()]
            if key is not None:
                timestamp, history = snapshots[0].timestamp, snapshots[0].history
        if not include_deleted:
            entries = live_ones(entries)
        return evaluation.matching(entries, selection), timestamp, history

    def _claim(self, key: CollectionKey) -> tuple[bool, int]:
        """Give a collection its first timestamp; return whether it is new, and the timestamp.

        Raises
        ------
        ReadonlyError : the service never writes, or the server is a replica.
        """
        if self._is_readonly:
            raise ReadonlyError(message="The collection was never touched, and cannot be.")
        now, _ = self._bump(None)
        return self._database.claim_timestamp(key, now)

    def _claim_alone(self, key: CollectionKey) -> int | None:
        """Do the same as :meth:`_claim`; return ``None`` if somebody else was faster."""
        is_new, timestamp = self._claim(key)
        return timestamp if is_new else None


def _wanted_ids(filters: Sequence[Filter], names: Names) -> list[str] | None:
    """Return the only ids that the filters allow, so that no others are read; ``None`` for any.

    A search for a tombstone, or for the shared records of a user, names the ids.
    """
    for item in filters:
        if item.field != names.id_field:
            continue
        if item.operator is COMPARISON.EQ and isinstance(item.value, str):
            return [item.value]
        is_list = isinstance(item.value, (list, tuple, set, frozenset))
        if item.operator is COMPARISON.IN and is_list:
            # A number would be compared as text, which is left to the filter.
            if not all(isinstance(member, str) for member in item.value):
                return None
            return list(dict.fromkeys(item.value))
    return None
