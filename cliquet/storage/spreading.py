"""Collections that are spread over several counters, so that several clients write at once (E-23).

A collection has one counter, and with it one lock: every write waits for the one before it. A
collection that is spread has several of them, its *shards*. Each record belongs to the shard that
its id gives. For the database, a shard is a collection with a parent of its own, whose name no
client and no application knows.

The module knows the names of the shards, and their timestamps. It knows no database.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from cliquet.core.globs import Pattern, is_pattern, literals_of
from cliquet.storage.selection import CollectionKey

__all__ = [
    "NAME_OF_SHARD",
    "SEPARATOR",
    "Lane",
    "Parents",
    "Spread",
    "SpreadTimestamp",
    "lane_of",
    "latest_of",
    "siblings_of",
    "whole_parent",
]

SEPARATOR: Final = "\x1f"
"""Stands between the parent and the number of a shard."""

NAME_OF_SHARD: Final = f"{SEPARATOR}[0-9]+/[0-9]+$"
"""The end of the name of a shard, as a regular expression of Python and of PostgreSQL."""

_ENDS_AS_SHARD: Final = re.compile(f"{SEPARATOR}([0-9]+)/([0-9]+)\\Z")


class SpreadTimestamp(int):
    """The timestamp of a collection in which a write is under way.

    Its value is the *horizon*: a reader who knows the collection up to it has missed nothing. A
    shard may have got a later timestamp, while an earlier one of another shard is not committed.

    Attributes
    ----------
    latest : the greatest timestamp of all shards, in ms.
    """

    latest: int

    def __new__(cls, horizon: int, latest: int) -> SpreadTimestamp:
        timestamp = int.__new__(cls, horizon)
        timestamp.latest = latest
        return timestamp

    def __reduce__(self) -> tuple[type[SpreadTimestamp], tuple[int, int]]:
        return type(self), (int(self), self.latest)


def latest_of(timestamp: int) -> int:
    """Return the greatest timestamp in a collection, for questions whether it has changed.

    Parameters
    ----------
    timestamp : timestamp of the collection as a storage gives it.
    """
    return timestamp.latest if isinstance(timestamp, SpreadTimestamp) else timestamp


class Lane(NamedTuple):
    """The timestamps that one shard gives: those with one remainder, so that all are distinct."""

    rank: int
    number: int

    def aligned(self, timestamp: int) -> int:
        """Return the first timestamp of the lane that is not before one."""
        return timestamp + (self.rank - timestamp) % self.number


class Spread(NamedTuple):
    """A collection with its number of shards."""

    key: CollectionKey
    number: int

    def shard(self, index: int) -> CollectionKey:
        """Return the key of a shard."""
        parent_id, collection_id = self.key
        return CollectionKey(
            collection_id=collection_id, parent_id=f"{parent_id}{SEPARATOR}{index}/{self.number}"
        )

    def shard_of(self, object_id: str) -> CollectionKey:
        """Return the key of the shard to which a record belongs.

        `cliquet.storage.postgresql.spreading.layout` computes the same in SQL.
        """
        digest = hashlib.sha256(object_id.encode("utf-8", "surrogatepass")).digest()
        return self.shard(int.from_bytes(digest[:4], "big") % self.number)

    def shards(self) -> list[CollectionKey]:
        """Return the keys of all shards, in the order in which they are locked."""
        return sorted(map(self.shard, range(self.number)))

    def parents(self) -> Parents:
        """Return the parents of all shards."""
        return Parents.of_any([shard.parent_id for shard in self.shards()])


class Parents(Pattern):
    """Several parents: whatever is, or matches, one of some names and patterns.

    Attributes
    ----------
    alternatives : these names and patterns.
    """

    alternatives: tuple[str, ...]

    @classmethod
    def of_any(cls, alternatives: Sequence[str]) -> Parents:
        """Return the parents that one of the alternatives means."""
        parents = str.__new__(cls, "*")
        parents.literals = ("", "")
        parents.alternatives = tuple(alternatives)
        return parents

    @property
    def are_names(self) -> bool:
        """Whether none of the alternatives is a pattern."""
        return not any(map(is_pattern, self.alternatives))

    @classmethod
    def with_shards(cls, parent_id: str) -> Parents:
        """Return what a name or a pattern means, with the shards of it."""
        *before, last = literals_of(parent_id)
        if before and not last:
            # What ends with any text may end with the number of a shard.
            return cls.of_any([parent_id])
        return cls.of_any([parent_id, Pattern.of(*before, f"{last}{SEPARATOR}", "")])


def lane_of(parent_id: str) -> Lane | None:
    """Return the lane of a shard; ``None`` for a parent that is no shard."""
    # Nearly no parent is one.
    return None if SEPARATOR not in parent_id else _lane_of_shard(parent_id)


@functools.lru_cache(maxsize=1024)
def _lane_of_shard(parent_id: str) -> Lane | None:
    found = _ENDS_AS_SHARD.search(parent_id)
    return None if found is None else Lane(int(found[1]), int(found[2]))


def whole_parent(parent_id: str) -> str:
    """Return the parent to which a shard belongs; any other parent itself."""
    return parent_id if lane_of(parent_id) is None else parent_id.rpartition(SEPARATOR)[0]


def siblings_of(key: CollectionKey) -> Sequence[CollectionKey]:
    """Return all shards of the collection of a shard; the key itself if it is no shard."""
    return [key] if lane_of(key.parent_id) is None else _siblings_of_shard(key)


# A write asks several times, and there are few shared collections.
@functools.lru_cache(maxsize=1024)
def _siblings_of_shard(key: CollectionKey) -> Sequence[CollectionKey]:
    lane = lane_of(key.parent_id)
    assert lane is not None  # noqa: S101 - it is the key of a shard
    whole = CollectionKey(
        collection_id=key.collection_id, parent_id=key.parent_id.rpartition(SEPARATOR)[0]
    )
    return tuple(Spread(whole, lane.number).shards())
