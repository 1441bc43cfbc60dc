"""The parts into which the keys of a backend are divided, so that a cluster can spread them.

Each part is a namespace of its own, with its own lists of contents. All keys of a part are on
the same server, so that a script or a transaction on one part is one step there as on a single
server, which has one part only.
"""

from __future__ import annotations

import binascii
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

__all__ = ["SLOTS", "Partitions", "routing_keys", "slot_of"]

T = TypeVar("T")

SLOTS = 16384


def slot_of(key: bytes) -> int:
    """Return the slot of a key, by the specification of Redis Cluster.

    Only what stands between the first ``{`` and the next ``}`` counts, if there is something.
    """
    start = key.find(b"{") + 1
    end = key.find(b"}", start) if start else -1
    # The standard library has the same polynomial.
    return binascii.crc_hqx(key[start:end] if end > start else key, 0) % SLOTS


class Partitions:
    """The parts of a backend.

    Parameters
    ----------
    namespace : the beginning of all of its keys.
    number : number of the parts, which is a property of the stored data: with another one they
        would not be found. More parts move faster from one server to another. What asks all of
        them sends as many commands.

    Attributes
    ----------
    is_one : whether everything is on one server.
    all : the beginnings of the keys of each part.
    """

    def __init__(self, namespace: bytes, number: int) -> None:
        # A single part has the keys of a single server, without a tag.
        self.is_one = number == 1
        tags = () if self.is_one else _tags(number)
        self.all: Sequence[bytes] = [b"%s{%d}:" % (namespace, tag) for tag in tags] or [namespace]

    def of(self, name: bytes) -> bytes:
        """Return the part with everything of this name."""
        return self.all[0] if self.is_one else self.all[binascii.crc32(name) % len(self.all)]

    def grouped(self, items: Iterable[T], name: Callable[[T], bytes]) -> dict[bytes, list[T]]:
        """Return items by the part of their names, in the order of the parts."""
        if self.is_one:
            return {self.all[0]: list(items)}
        groups: dict[bytes, list[T]] = {}
        for item in items:
            groups.setdefault(self.of(name(item)), []).append(item)
        return dict(sorted(groups.items()))


def routing_keys(part: bytes) -> list[bytes]:
    """Return the keys that a script on a part declares.

    There is nothing under them. While a slot moves from one server to another, a script that
    declares two such keys is refused by both, so that it never sees, or writes, only half of the
    keys of its part.
    """
    return [part, part + b"-"]


@functools.cache
def _tags(count: int) -> tuple[int, ...]:
    """Return hash tags whose slots have equal distances, so that each server has as many parts."""
    found: dict[int, int] = {}
    number = 0
    while len(found) < count:
        found.setdefault(slot_of(b"%d" % number) * count // SLOTS, number)
        number += 1
    return tuple(found[rank] for rank in range(count))
