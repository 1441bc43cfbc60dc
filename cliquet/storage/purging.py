"""How a purge is cut into slices, for storages that hold all that goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

__all__ = ["sliced"]

T = TypeVar("T")


def sliced(items: Iterable[T], size: int, position: Callable[[T], int]) -> Iterator[list[T]]:
    """Yield the items in the order of their positions, some at once.

    Parameters
    ----------
    size : greatest number of items at once; those with the same position stay together.
    """
    found: list[T] = []
    for item in sorted(items, key=position):
        if len(found) >= size and position(item) != position(found[-1]):
            yield found
            found = []
        found.append(item)
    if found:
        yield found
