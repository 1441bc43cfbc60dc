"""The reads of the storage in memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from cliquet.core import jsonio
from cliquet.storage.base import Page
from cliquet.storage.exceptions import RecordNotFoundError
from cliquet.storage.history import History
from cliquet.storage.listing import evaluation
from cliquet.storage.listing.evaluation import Entry
from cliquet.storage.memory.collection import State
from cliquet.storage.page_text import PageText
from cliquet.storage.selection import CollectionKey, Names, Selection
from cliquet.storage.values import copy_again
from cliquet.storage.watching import Position
from cliquet.types import Record

__all__ = ["Reader"]


class _TextOfEntries(PageText):
    """The page that is written from what is stored, of which nobody gets more than a copy."""

    def __init__(self, entries: Sequence[Entry], names: Names) -> None:
        super().__init__(len(entries))
        tombstone: Any = {names.deleted_field: True}
        self._stored: list[Record] = [
            {
                **(tombstone if entry.data is None else entry.data),
                names.id_field: entry.id,
                names.modified_field: entry.timestamp,
            }
            for entry in entries
        ]

    def parsed(self) -> list[Record]:
        return [copy_again(record) for record in self._stored]

    def cut(self, limit: int) -> tuple[bytes, Record | None]:
        shown = self._stored[:limit]
        text = jsonio.dumps(shown)[1:-1]
        return text, copy_again(shown[-1]) if self.number > limit else None


class Reader:
    """The part of the storage in memory that reads."""

    def __init__(self, state: State) -> None:
        self._state = state

    def timestamp(self, key: CollectionKey) -> int:
        with self._state.store.latch:
            timestamp = self._state.timestamp(key)
            return self._state.access(key) if timestamp is None else timestamp

    def timestamps(self, collection_id: str) -> dict[str, int]:
        with self._state.store.latch:
            timestamps = {
                str(key.parent_id): counter.timestamp
                for key, counter in self._state.first_accesses.items()
                if key.collection_id == collection_id
            }
            for key, counter in self._state.counters.items():
                if key.collection_id == collection_id:
                    timestamps[str(key.parent_id)] = counter.timestamp
        return timestamps

    def history(self, key: CollectionKey) -> History:
        with self._state.store.latch:
            return self._state.history(key)

    def positions(self, keys: Sequence[CollectionKey]) -> dict[CollectionKey, Position]:
        with self._state.store.latch:
            return {
                key: Position(timestamp, self._state.history(key).epoch)
                for key in keys
                if (timestamp := self._state.timestamp(key)) is not None
            }

    def get(self, key: CollectionKey, object_id: str, names: Names) -> Record:
        collection = self._state.collections.get(key)
        entry = None if collection is None else collection.live(object_id)
        if entry is None:
            raise RecordNotFoundError(object_id)
        return entry.to_stored_record(names)

    def find_many(
        self, key: CollectionKey, object_ids: Sequence[str], names: Names
    ) -> list[Record]:
        with self._state.store.latch:
            collection = self._state.collections.get(key)
            entries = [] if collection is None else [*map(collection.live, object_ids)]
        return [entry.to_stored_record(names) for entry in entries if entry is not None]

    def find_tombstone(self, key: CollectionKey, object_id: str, names: Names) -> Record | None:
        collection = self._state.collections.get(key)
        entry = None if collection is None else collection.tombstone(object_id)
        return None if entry is None else entry.to_stored_record(names)

    def page(self, selection: Selection) -> tuple[list[Record], int]:
        scope, names = selection.scope, selection.names
        key = scope.key
        with self._state.store.latch:
            timestamp = None if key is None else self._state.timestamp(key)
            history = None
            if key is not None and selection.include_deleted:
                history = self._state.history(key)
            entries = self._state.entries(scope, include_deleted=selection.include_deleted)
        entries = evaluation.matching(entries, selection)
        total = len(evaluation.live_ones(entries))
        page = evaluation.on_page(entries, selection)
        listed: Page
        if selection.as_text:
            listed = _TextOfEntries(page, names)
        else:
            listed = Page([entry.to_stored_record(names) for entry in page])
        if key is not None:
            listed.timestamp = timestamp
            listed.claim = partial(self._claim, key)
            listed.history = history
        return listed, total

    def records(self, selection: Selection) -> list[Record]:
        return self.page(selection)[0]

    def count(self, selection: Selection) -> int:
        key = selection.scope.key
        if key is not None and not selection.filters and not selection.include_deleted:
            counter = self._state.counters.get(key)
            return 0 if counter is None else counter.live
        entries = self._state.entries(selection.scope, include_deleted=selection.include_deleted)
        return len(evaluation.matching(entries, selection))

    def _claim(self, key: CollectionKey) -> int | None:
        """Give a collection its first timestamp, if it still has none (:attr:`Page.claim`)."""
        with self._state.store.latch:
            return self._state.access(key) if self._state.timestamp(key) is None else None
