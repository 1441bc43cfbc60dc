"""Changes of many entries at once, as parts of an operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cliquet.storage.collection_key import CollectionKey, Scope
from cliquet.storage.listing import evaluation
from cliquet.storage.listing.evaluation import Entry, Names
from cliquet.storage.query import Filter, PaginationRule, Sort
from cliquet.storage.redis.operation import Operation
from cliquet.storage.redis.reading import live_ones

__all__ = ["delete_page", "purge", "trim"]

Deletion = Callable[[CollectionKey, str], Entry]
"""Deletes a record, of which the id is given; returns its tombstone."""


def delete_page(
    operation: Operation,
    scope: Scope,
    names: Names,
    delete: Deletion,
    *,
    filters: Sequence[Filter] | None,
    sorting: Sequence[Sort] | None,
    pagination_rules: Sequence[PaginationRule] | None,
    limit: int | None,
) -> list[Entry]:
    """Delete the records of a page of a listing; return their tombstones."""
    # The same entry may stand in several collections: told apart by identity.
    keys: dict[int, CollectionKey] = {}
    entries = []
    for key, found in operation.matching(scope, is_loose=True).items():
        for entry in live_ones(found):
            keys[id(entry)] = key
            entries.append(entry)
    entries = evaluation.page(
        evaluation.apply_filters(entries, filters or (), names),
        names,
        sorting=sorting or [Sort(names.modified_field, 1)],
        pagination_rules=pagination_rules,
        limit=limit,
    )
    return [delete(keys[id(entry)], entry.id) for entry in entries]


def purge(
    operation: Operation,
    *,
    scope: Scope,
    before: int | None,
    max_retained: int | None,
) -> int:
    """Forget tombstones; return how many."""
    purged = 0
    for key, found in operation.matching(scope, is_loose=True).items():
        tombstones = [entry for entry in found if entry.data is None]
        if before is not None:
            tombstones = [entry for entry in tombstones if entry.timestamp < before]
        if max_retained is not None:
            tombstones.sort(key=lambda entry: (entry.timestamp, entry.id), reverse=True)
            tombstones = tombstones[max_retained:]
        for entry in tombstones:
            operation.purge(key, entry.id)
        purged += len(tombstones)
    return purged


def trim(
    operation: Operation,
    scope: Scope,
    names: Names,
    delete: Deletion,
    *,
    filters: Sequence[Filter] | None,
    max_objects: int,
) -> int:
    """Delete all but the most recent records that match; return how many."""
    oldest_last = [Sort(names.modified_field, -1), Sort(names.id_field, -1)]
    trimmed = 0
    for key, found in operation.matching(scope, is_loose=True).items():
        entries = evaluation.apply_filters(live_ones(found), filters or (), names)
        entries = evaluation.apply_sorting(entries, oldest_last, names)[max_objects:]
        for entry in reversed(entries):
            delete(key, entry.id)
        trimmed += len(entries)
    return trimmed
