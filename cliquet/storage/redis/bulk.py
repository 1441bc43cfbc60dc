"""Changes of many entries at once within an operation.

In a cluster, each part of the keys has an operation of its own. Parameters `part` are the only part
that is changed, or ``None`` for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from cliquet.storage import departures as rules
from cliquet.storage.departures import StoredDeparture
from cliquet.storage.listing import evaluation
from cliquet.storage.listing.evaluation import Entry
from cliquet.storage.redis.operation import Operation
from cliquet.storage.selection import CollectionKey, Scope, Selection

__all__ = ["delete_chosen", "delete_page", "page", "purge", "purge_exactly", "trim"]

Deletion = Callable[[CollectionKey, str], Entry]
"""Deletes the record with an id; returns its tombstone."""


def page(
    found: Mapping[CollectionKey, Sequence[Entry]], selection: Selection
) -> list[tuple[CollectionKey, str]]:
    """Return the collections and the ids of the selected records, in the order of the page."""
    # Equal entries may be in several collections, so that they are distinguished by identity.
    keys: dict[int, CollectionKey] = {}
    entries = []
    for key, some in found.items():
        for entry in evaluation.live_ones(some):
            keys[id(entry)] = key
            entries.append(entry)
    entries = evaluation.on_page(evaluation.matching(entries, selection), selection)
    return [(keys[id(entry)], entry.id) for entry in entries]


def delete_page(
    operation: Operation, selection: Selection, delete: Deletion, *, part: bytes | None = None
) -> dict[tuple[CollectionKey, str], Entry]:
    """Delete the selected records; return their tombstones by collection and id."""
    found = operation.matching(selection.scope, is_loose=True, part=part)
    return {name: delete(*name) for name in page(found, selection)}


def delete_chosen(
    operation: Operation,
    selection: Selection,
    delete: Deletion,
    chosen: Iterable[tuple[CollectionKey, str]],
) -> dict[tuple[CollectionKey, str], Entry]:
    """Do the same with records that were chosen before, if they are still there and match."""
    ids: dict[CollectionKey, list[str]] = {}
    for key, object_id in chosen:
        ids.setdefault(key, []).append(object_id)
    found = {key: operation.entries(key, some) for key, some in ids.items()}
    return {name: delete(*name) for name in page(found, selection._replace(limit=None))}


def purge(
    operation: Operation,
    *,
    scope: Scope,
    before: int | None,
    max_retained: int | None,
    part: bytes | None = None,
) -> int:
    """Delete tombstones; return their number."""
    purged = 0
    for key, found in operation.matching(scope, is_loose=True, part=part).items():
        tombstones = evaluation.purgeable(found, before, max_retained)
        for entry in tombstones:
            operation.purge(key, entry.id)
        purged += len(tombstones)
        for departure in rules.purgeable(operation.departures(key), before, max_retained):
            operation.purge_departure(key, departure)
    return purged


def purge_exactly(
    operation: Operation,
    *,
    key: CollectionKey,
    tombstones: Sequence[Entry],
    departures: Sequence[StoredDeparture],
) -> int:
    """Delete tombstones and departures that were read before, if they are still the same.

    Returns
    -------
    The number of deleted tombstones.
    """
    seen = {entry.id: entry.timestamp for entry in tombstones}
    same = [
        entry.id
        for entry in operation.entries(key, list(seen))
        if entry.data is None and entry.timestamp == seen[entry.id]
    ]
    for object_id in same:
        operation.purge(key, object_id)
    for departure in departures:
        operation.purge_departure(key, departure)
    return len(same)


def trim(
    operation: Operation,
    selection: Selection,
    max_objects: int,
    delete: Deletion,
    *,
    part: bytes | None = None,
) -> int:
    """Delete all matching records except the most recent ones; return their number."""
    trimmed = 0
    for key, found in operation.matching(selection.scope, is_loose=True, part=part).items():
        entries = evaluation.surplus(found, selection, max_objects)
        for entry in entries:
            delete(key, entry.id)
        trimmed += len(entries)
    return trimmed
