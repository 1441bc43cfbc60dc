"""Copies of JSON values for storages, which share nothing with the caller."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cliquet.types import JSONValue

__all__ = ["copy_again", "copy_json", "copy_object"]

# The types of most values, which are not copied. To call a function for each takes longer.
_UNCOPIED = frozenset((str, int, bool, type(None)))
_CONTAINERS = frozenset((dict, list))


def copy_json(value: JSONValue) -> JSONValue:
    """Return a copy that shares nothing with `value`, with plain types of Python.

    Raises
    ------
    TypeError : the value, or a value in it, has no JSON form (B-1.8).
    """
    kind = type(value)
    if kind in _UNCOPIED:
        return value
    if kind is dict:
        return copy_object(value)
    if kind is list:
        if _UNCOPIED.issuperset(map(type, value)):
            return value.copy()
        return [item if type(item) in _UNCOPIED else copy_json(item) for item in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"JSON has no number {value!r}.")
        return float(value)
    # A subclass becomes the type that a reader gets: the text of an enumeration becomes plain text.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, (list, tuple)):
        return [copy_json(item) for item in value]
    if isinstance(value, Mapping):
        return copy_object(value)
    raise TypeError(f"{kind.__name__} is not a JSON type: {value!r}")


def copy_object(value: Mapping[str, JSONValue]) -> dict[str, JSONValue]:
    """Return a copy of an object, with its members in the order that all storages keep.

    It is that of ``jsonb`` in PostgreSQL: shorter names in UTF-8 come first, then the order is by
    code point. Thus all storages return the same text.

    Raises
    ------
    TypeError : the same as in :func:`copy_json`, or a name is not a text.
    """
    try:
        # Code points have the same order as their UTF-8 bytes.
        names = sorted(value)
        names.sort(key=len if "".join(names).isascii() else _length)
    except (TypeError, AttributeError):
        name = next(name for name in value if not isinstance(name, str))
        raise TypeError(f"Names of a JSON object are text, not {name!r}.") from None
    copy: dict[str, JSONValue] = {}
    for name in names:
        item = value[name]
        kind = type(item)
        if kind is list and _UNCOPIED.issuperset(map(type, item)):
            item = item.copy()
        elif kind not in _UNCOPIED:
            item = copy_object(item) if kind is dict else copy_json(item)
        copy[name if type(name) is str else str.__str__(name)] = item
    return copy


def copy_again(stored: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of a result of :func:`copy_object`.

    Its types are plain and its members are in their order, so that only the containers are copied.
    """
    copy = stored.copy()
    for name, item in stored.items():
        kind = type(item)
        if kind is dict:
            copy[name] = copy_again(item)
        elif kind is list:
            is_flat = _CONTAINERS.isdisjoint(map(type, item))
            copy[name] = item.copy() if is_flat else _list_again(item)
    return copy


def _list_again(stored: list[Any]) -> list[Any]:
    copy = stored.copy()
    for rank, item in enumerate(stored):
        if type(item) in _CONTAINERS:
            copy[rank] = copy_again(item) if type(item) is dict else _list_again(item)
    return copy


def _length(name: str) -> int:
    return len(name) if name.isascii() else len(name.encode("utf-8", "surrogatepass"))
