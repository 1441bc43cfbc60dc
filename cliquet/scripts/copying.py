"""Make one storage equal to another storage, or one permission backend equal to another.

Both backends are exported side by side, in the order that the contract of exports promises, and the
differences are imported in batches. Nothing is remembered between two runs: after an interrupted
run, the next one finds that most of the work is done, and finishes it.

This module knows nothing of files, settings and terminals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from cliquet.permission.base import PermissionBase
from cliquet.permission.grants import Grant, UserPrincipal
from cliquet.storage.base import StorageBase
from cliquet.storage.departures import StoredDeparture
from cliquet.storage.ordering import json_equal
from cliquet.storage.selection import CollectionKey
from cliquet.storage.transfer import (
    CollectionTimestamp,
    ExportedCollection,
    ExportedEntry,
    ImportedCollection,
)

__all__ = [
    "Copied",
    "DisorderError",
    "UnstorableError",
    "copy_grants",
    "copy_records",
    "find_newer_collection",
    "has_same_timestamps",
]

BATCH = 500
"""Number of changes that are written, and held in memory, at once."""

T = TypeVar("T")


@dataclass
class Copied:
    """The progress of a copy.

    Attributes
    ----------
    collections, entries : number of collections, and of records and tombstones (or grants), of the
        source that have been compared.
    written, removed : number of changes made in the target.
    has_moved : whether something of the source was seen to change during the copy.
    """

    collections: int = 0
    entries: int = 0
    written: int = 0
    removed: int = 0
    has_moved: bool = False


class DisorderError(Exception):
    """A backend does not export in the order of its contract, so that it cannot be compared."""


class UnstorableError(Exception):
    """The target cannot hold something that the source holds."""


def side_by_side(
    source: Iterable[T], target: Iterable[T], key: Callable[[T], Any]
) -> Iterator[tuple[T | None, T | None]]:
    """Yield pairs of items with the same key; ``None`` stands for an item that one side lacks.

    The next item of a side is read only after its previous item has been yielded.

    Raises
    ------
    DisorderError : the keys of one side do not increase.
    """
    sources, targets = _in_order(source, key), _in_order(target, key)
    one, other = next(sources, None), next(targets, None)
    while one is not None or other is not None:
        if other is None or (one is not None and key(one) < key(other)):
            yield one, None
            one = next(sources, None)
        elif one is None or key(other) < key(one):
            yield None, other
            other = next(targets, None)
        else:
            yield one, other
            one, other = next(sources, None), next(targets, None)


def _in_order(items: Iterable[T], key: Callable[[T], Any]) -> Iterator[T]:
    previous: Any = None
    for item in items:
        present = key(item)
        if previous is not None and present <= previous:
            raise DisorderError(f"{present!r} is exported after {previous!r}.")
        previous = present
        yield item


# Storage


def _name(collection: CollectionTimestamp | ExportedCollection) -> CollectionKey:
    return collection.key


def _pairs_of_timestamps(
    source: StorageBase, target: StorageBase, parent_ids: Sequence[str]
) -> Iterator[tuple[CollectionTimestamp | None, CollectionTimestamp | None]]:
    only = _only(parent_ids)
    return side_by_side(source.export_timestamps(*only), target.export_timestamps(*only), _name)


def _only(parent_ids: Sequence[str]) -> tuple[Sequence[str], ...]:
    """Return the argument of an export, which other storages may lack, if all is exported."""
    return (parent_ids,) if parent_ids else ()


def has_same_timestamps(
    source: StorageBase, target: StorageBase, parent_ids: Sequence[str] = ()
) -> bool:
    """Return whether all collections have the same timestamps in both."""
    pairs = _pairs_of_timestamps(source, target, parent_ids)
    return all(one == other for one, other in pairs)


def find_newer_collection(
    source: StorageBase, target: StorageBase, parent_ids: Sequence[str] = ()
) -> CollectionTimestamp | None:
    """Return a collection of the target that is newer than in the source, if there is one.

    A copy never makes such a collection: somebody else writes to the target, or has done so.
    """
    for one, other in _pairs_of_timestamps(source, target, parent_ids):
        if (
            other is not None
            and (one is None or one.timestamp < other.timestamp)
            # A collection that was only read, or checked by a heartbeat, has no data to lose.
            and target.list_all(other.collection_id, other.parent_id, limit=1, include_deleted=True)
        ):
            return other
    return None


def copy_records(
    source: StorageBase,
    target: StorageBase,
    progress: Callable[[Copied], None] = lambda copied: None,
    *,
    parent_ids: Sequence[str] = (),
    dry_run: bool = False,
) -> Copied:
    """Make the target hold exactly the records, tombstones and timestamps of the source.

    Others may write to the source during the copy. What they write may be missing in the target,
    but the timestamp of a collection is never below that of one of its records. Nobody else may
    write to the target.

    Parameters
    ----------
    progress : called from time to time with the same object that is returned in the end.
    parent_ids : ids or patterns of the parents whose data are copied or removed; by default all.
    dry_run : only count what would be done.

    Raises
    ------
    DisorderError, UnstorableError : see there.
    cliquet.storage.exceptions.BackendError : a server failed.
    """
    return _StorageCopy(source, target, progress, dry_run=dry_run).run(parent_ids)


class _StorageCopy:
    def __init__(
        self,
        source: StorageBase,
        target: StorageBase,
        progress: Callable[[Copied], None],
        *,
        dry_run: bool,
    ) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._dry_run = dry_run
        self._copied = Copied()
        self._batch: list[ImportedCollection] = []
        self._size = 0
        # The entries of the collection that is being copied.
        self._entries: list[ExportedEntry] = []
        self._removed_ids: list[str] = []
        self._departures: list[StoredDeparture] = []
        self._removed_departures: list[tuple[str, str]] = []

    def run(self, parent_ids: Sequence[str]) -> Copied:
        only = _only(parent_ids)
        pairs = side_by_side(self._source.export(*only), self._target.export(*only), _name)
        for one, other in pairs:
            if one is not None:
                self._compare(one, other)
                self._copied.collections += 1
            else:
                assert other is not None  # noqa: S101 - one of the two is there
                self._add(ImportedCollection(*_name(other), None))
                self._copied.removed += 1
        self._write()
        self._progress(self._copied)
        return self._copied

    def _compare(self, source: ExportedCollection, target: ExportedCollection | None) -> None:
        timestamp = source.timestamp
        present = () if target is None else target.entries
        for one, other in side_by_side(source.entries, present, lambda entry: entry.id):
            if one is not None:
                self._copied.entries += 1
                if one.last_modified > timestamp:
                    # Somebody wrote it after the timestamp was read, and may have written more.
                    timestamp = one.last_modified
                    self._copied.has_moved = True
                if other is None or not _same(one, other):
                    self._entries.append(one)
                    self._copied.written += 1
            else:
                assert other is not None  # noqa: S101 - one of the two is there
                self._removed_ids.append(other.id)
                self._copied.removed += 1
            if self._is_full():
                self._close(source, target, timestamp)
                self._write()
            elif one is not None and self._copied.entries % BATCH == 0:
                self._progress(self._copied)
        before = () if target is None else target.departures
        for departure, former in side_by_side(source.departures, before, lambda one: one[:2]):
            if departure is None:
                assert former is not None  # noqa: S101 - one of the two is there
                self._removed_departures.append(former[:2])
            elif departure != former:
                self._departures.append(departure)
            if self._is_full():
                self._close(source, target, timestamp)
                self._write()
        if (
            self._pending()
            or target is None
            # If only the epochs differ, the target has restored data, and keeps its own.
            or (target.timestamp, target.purged) != (timestamp, source.purged)
        ):
            self._close(source, target, timestamp)

    def _close(
        self, source: ExportedCollection, target: ExportedCollection | None, timestamp: int
    ) -> None:
        """Put the changes of the collection that is being copied into the batch."""
        # Older data that replace newer ones were restored. The target gives them a new epoch.
        is_restored = target is not None and target.timestamp > timestamp
        self._add(
            ImportedCollection(
                *_name(source),
                timestamp,
                self._entries,
                self._removed_ids,
                source.purged,
                None if is_restored else source.epoch or None,
                self._departures,
                self._removed_departures,
            )
        )
        self._entries, self._removed_ids = [], []
        self._departures, self._removed_departures = [], []

    def _pending(self) -> int:
        """Return the number of changes of the collection that are not in the batch yet."""
        return (
            len(self._entries)
            + len(self._removed_ids)
            + len(self._departures)
            + len(self._removed_departures)
        )

    def _is_full(self) -> bool:
        return self._size + self._pending() >= BATCH

    def _add(self, changes: ImportedCollection) -> None:
        self._batch.append(changes)
        self._size += 1 + len(changes.entries) + len(changes.removed_ids)
        self._size += len(changes.departures) + len(changes.removed_departures)
        if self._size >= BATCH:
            self._write()

    def _write(self) -> None:
        if self._batch:
            try:
                if not self._dry_run:
                    self._target.import_(self._batch)
            except TypeError as error:
                raise self._explained(error) from error
            self._batch, self._size = [], 0
            self._progress(self._copied)

    def _explained(self, error: TypeError) -> UnstorableError:
        """Find the change that cannot be stored, by storing the changes one by one."""
        for changes in self._batch:
            for entry in changes.entries:
                if self._is_refused(changes._replace(entries=[entry], removed_ids=())):
                    return UnstorableError(
                        f"the record {entry.id!r} of {changes.collection_id!r} of"
                        f" {changes.parent_id!r} cannot be stored: {error}"
                    )
        return UnstorableError(str(error))

    def _is_refused(self, changes: ImportedCollection) -> bool:
        try:
            self._target.import_([changes])
        except TypeError:
            return True
        return False


def _same(one: ExportedEntry, other: ExportedEntry) -> bool:
    # The data must be compared too: a client may give a record the same past timestamp twice.
    return one[:2] == other[:2] and json_equal(one.data, other.data)


# Permissions


def _grant_key(grant: Grant) -> tuple[bool, Grant]:
    return not isinstance(grant, UserPrincipal), grant


def copy_grants(
    source: PermissionBase,
    target: PermissionBase,
    progress: Callable[[Copied], None] = lambda copied: None,
    *,
    is_wanted: Callable[[Grant], bool] = lambda grant: True,
    dry_run: bool = False,
) -> Copied:
    """Make the target hold exactly the principals of users and ACEs of the source.

    Parameters
    ----------
    progress : called from time to time with the same object that is returned in the end.
    is_wanted : says which ones are copied and removed; by default all.
    dry_run : only count what would be done.

    Raises
    ------
    DisorderError, UnstorableError : see there.
    cliquet.storage.exceptions.BackendError : a server failed.
    """
    copied = Copied()
    added: list[Grant] = []
    removed: list[Grant] = []
    make = _count_grants if dry_run else _import_grants
    sources, targets = filter(is_wanted, source.export()), filter(is_wanted, target.export())
    for one, other in side_by_side(sources, targets, _grant_key):
        if one is not None:
            copied.entries += 1
            if other is None:
                added.append(one)
        else:
            assert other is not None  # noqa: S101 - one of the two is there
            removed.append(other)
        if len(added) + len(removed) >= BATCH:
            make(target, added, removed, copied)
            added, removed = [], []
            progress(copied)
        elif copied.entries % BATCH == 0:
            progress(copied)
    if added or removed:
        make(target, added, removed, copied)
    progress(copied)
    return copied


def _import_grants(
    target: PermissionBase, added: Sequence[Grant], removed: Sequence[Grant], copied: Copied
) -> None:
    try:
        target.import_(added, removed)
    except TypeError as error:
        raise UnstorableError(str(error)) from error
    _count_grants(target, added, removed, copied)


def _count_grants(
    target: PermissionBase, added: Sequence[Grant], removed: Sequence[Grant], copied: Copied
) -> None:
    copied.written += len(added)
    copied.removed += len(removed)
