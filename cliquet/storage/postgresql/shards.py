"""What PostgreSQL does for the shards of a collection, under their locks (E-23)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cliquet.connections.sql import Session
from cliquet.storage.history import new_epoch
from cliquet.storage.postgresql import statements
from cliquet.storage.postgresql.counter import Counter
from cliquet.storage.selection import CollectionKey
from cliquet.storage.spreading import lane_of, siblings_of

__all__ = ["forget_reads", "insertion_of_row", "remove_in_order"]


def insertion_of_row(key: CollectionKey, timestamp: int | None) -> tuple[str, Sequence[Any]]:
    """Return the statement that makes the row of a collection, or of all shards of one.

    Parameters
    ----------
    timestamp : timestamp of the row, or ``None`` for a time before the present one.
    """
    if lane_of(key.parent_id) is None:
        return statements.ENSURE_COUNTER, (*key, timestamp, *key)
    parents, name = [one.parent_id for one in siblings_of(key)], key.collection_id
    values = (name, timestamp, new_epoch(), parents, parents, name, name)
    return statements.ENSURE_SHARDS, values


def remove_in_order(
    session: Session,
    pairs: Sequence[tuple[CollectionKey, str]],
    by_key: Mapping[CollectionKey, Sequence[str]],
    *,
    with_deleted: bool,
) -> list[int]:
    """Delete live records of locked shards; return the time of each deletion.

    Parameters
    ----------
    pairs : the shard and the id of each record, in the order in which they are deleted.
    by_key : the same ids by their shards.
    """
    counters: dict[CollectionKey, Counter] = {key: session.memo[key] for key in by_key}
    latest = max((counter.timestamp for counter in counters.values()), default=0)
    stamps = []
    by_id: dict[tuple[CollectionKey, str], int] = {}
    for pair in pairs:
        (latest,) = counters[pair[0]]._replace(timestamp=latest).following(1)
        by_id[pair] = latest
        stamps.append(latest)
    for key, object_ids in sorted(by_key.items()):
        own = [by_id[key, object_id] for object_id in object_ids]
        session.defer(statements.ADVANCE, (own[-1], -len(own), *key))
        session.defer(statements.REMOVE_STAMPED[with_deleted], (list(object_ids), own, *key))
        if not with_deleted:
            session.defer(statements.PURGE_ALL, key)
        forget_reads(session, key, counters[key]._replace(timestamp=own[-1]))
    return stamps


def forget_reads(
    session: Session, key: CollectionKey, counter: Counter, object_id: str | None = None
) -> None:
    """Forget what was true before a write, but for the counters of the collection."""
    siblings = {} if counter.lane is None else _counters_of_siblings(session, key, counter)
    if object_id is None:
        session.wrote()
    else:
        session.wrote((key, object_id))
    session.memo.update(siblings)
    session.memo[key] = counter


def _counters_of_siblings(
    session: Session, key: CollectionKey, counter: Counter
) -> dict[CollectionKey, Counter]:
    """Return the counters of the shards that are locked too: they go on after this write."""
    found = ((one, session.memo.get(one)) for one in siblings_of(key))
    return {
        one: known._replace(timestamp=max(known.timestamp, counter.timestamp))
        for one, known in found
        if known is not None
    }
