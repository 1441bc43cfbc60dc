"""The only reading of field paths, and the only order of JSON values.

Filters, sorting and page tokens use both. The backends in SQL do the same in SQL, and a test with
generated records proves that both are equal (see "One order" in ``docs/architecture.rst``).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

from cliquet.types import JSONValue

__all__ = ["MISSING", "Missing", "SortKey", "json_equal", "resolve", "sort_key"]


class Missing(enum.Enum):
    """The type of ``MISSING``; an enumeration keeps its identity in copies and pickles."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING
"""The value of an absent field.

It may be the value of ``EQ``, ``LT``, ``MAX``, ``MIN`` and ``GT`` in pagination rules, where it is
greater than every JSON value. It may also be in the list of ``IN`` and ``EXCLUDE``, with which the
HTTP layer makes ``field=None`` match records that lack the field (X-17).
"""


SortKey = tuple[Any, ...]
"""A value that compares and hashes like the JSON value that it represents."""

# Ranks of the types, in ascending order.
NULL: Final = 0
TEXT: Final = 1
NUMBER: Final = 2
BOOLEAN: Final = 3
ARRAY: Final = 4
OBJECT: Final = 5
ABSENT: Final = 6

_CONTAINERS: Final = (Mapping, list, tuple)
# Values of one of these types are equal if Python says so.
_SIMPLE: Final = frozenset({str, int, bool, type(None)})
_SCALAR_RANKS: Final[dict[type, int]] = {str: TEXT, int: NUMBER, float: NUMBER, bool: BOOLEAN}


def resolve(record: Mapping[str, JSONValue], path: str) -> JSONValue | Missing:
    """Return the value of a field, or :data:`MISSING`.

    Parameters
    ----------
    path : name of a field. With dots, it is the name of a member of nested objects, unless the
        record has a key that itself contains the dots (B-21.13). Arrays have no members.
    """
    if path in record:
        return record[path]
    if "." not in path:
        return MISSING
    value: JSONValue = record
    for name in path.split("."):
        # The check against the abstract class costs more than all the rest of a step.
        if type(value) is not dict and not isinstance(value, Mapping):
            return MISSING
        if name not in value:
            return MISSING
        value = value[name]
    return value


def sort_key(value: JSONValue | Missing) -> SortKey:
    """Return a key that is compared instead of `value`.

    The ascending order is null, text, numbers, booleans, arrays, objects, and then a missing value.
    Within a type: text by code point; numbers by exact value, whole or not; false before true;
    arrays by length, then item by item; objects by number of members, then their sorted names, then
    the values in the order of the names.

    The key is flat: each value is its rank, its size if it has one, and its content. No such
    sequence is the beginning of another, so that a comparison item by item compares the values,
    however deep they are, without recursion.

    Raises
    ------
    TypeError : it is not a JSON value.
    """
    rank = _SCALAR_RANKS.get(type(value))
    if rank is not None:
        return (rank, value)
    key: list[Any] = []
    pending: list[Any] = [value]
    while pending:
        item = pending.pop()
        rank = _SCALAR_RANKS.get(type(item))
        if rank is not None:
            key += (rank, item)
        elif item is None:
            key.append(NULL)
        elif item is MISSING:
            key.append(ABSENT)
        elif isinstance(item, str):
            key += (TEXT, item)
        elif isinstance(item, (int, float)):
            key += (NUMBER, item)
        elif isinstance(item, (list, tuple)):
            key += (ARRAY, len(item))
            pending.extend(reversed(item))
        elif isinstance(item, Mapping):
            names = sorted(item)
            key += (OBJECT, len(names), *names)
            pending.extend(item[name] for name in reversed(names))
        else:
            raise TypeError(f"{type(item).__name__} is not a JSON type: {item!r}")
    return tuple(key)


def json_equal(left: JSONValue | Missing, right: JSONValue | Missing) -> bool:
    """Return whether two values are the same JSON value.

    Numbers are equal by value (``1`` and ``1.0``); a boolean is never a number; arrays and objects
    are equal if they are equal at every depth.
    """
    kind = type(left)
    if kind is type(right) and kind in _SIMPLE:
        return left == right
    # It stops at the first difference, because a client may compare a large value with a small one.
    pending: list[tuple[Any, Any]] = [(left, right)]
    while pending:
        one, other = pending.pop()
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            if one.keys() != other.keys():
                return False
            pending.extend((one[name], other[name]) for name in one)
        elif isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
            if len(one) != len(other):
                return False
            pending.extend(zip(one, other, strict=True))
        elif (
            isinstance(one, _CONTAINERS)
            or isinstance(other, _CONTAINERS)
            or sort_key(one) != sort_key(other)
        ):
            return False
    return True
