"""Changes of many entries at once within an operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cliquet.storage import departures as rules
from cliquet.storage.departures import StoredDeparture
from cliquet.storage.listing import evaluation
from cliquet.storage.listing.evaluation import Entry
from cliquet.storage.redis.operation import Operation
from cliquet.storage.selection import CollectionKey, Scope, Selection

__all__ = ["delete_page", "purge", "purge_exactly", "trim"]

Deletion = Callable[[CollectionKey, str], Entry]
"""Deletes the record with an id; returns its tombstone."""


def delete_page(operation: Operation, selection: Selection, delete: Deletion) -> list[Entry]:
    """Delete the selected records; return their tombstones."""
    # Equal entries may be in several collections, so that they are distinguished by identity.
    keys: dict[int, CollectionKey] = {}
    entries = []
    for key, found in operation.matching(selection.scope, is_loose=True).items():
        for entry in evaluation.live_ones(found):
            keys[id(entry)] = key
            entries.append(entry)
    entries = evaluation.on_page(evaluation.matching(entries, selection), selection)
    return [delete(keys[id(entry)], entry.id) for entry in entries]


def purge(
    operation: Operation,
    *,
    scope: Scope,
    before: int | None,
    max_retained: int | None,
) -> int:
    """Delete tombstones; return their number."""
    purged = 0
    for key, found in operation.matching(scope, is_loose=True).items():
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


def trim(operation: Operation, selection: Selection, max_objects: int, delete: Deletion) -> int:
    """Delete all matching records except the most recent ones; return their number."""
    trimmed = 0
    for key, found in operation.matching(selection.scope, is_loose=True).items():
        entries = evaluation.surplus(found, selection, max_objects)
        for entry in entries:
            delete(key, entry.id)
        trimmed += len(entries)
    return trimmed
