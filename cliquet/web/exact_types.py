"""What each type of colander that stands for itself accepts: values that it would not change.

A function here makes the function that accepts the values of one node, by the options of its type.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import colander

__all__ = ["COMPILERS", "Accept", "DoubtError", "copied"]

Accept = Callable[[Any], Any]
"""Return what colander would return for a value, or raise :class:`DoubtError`."""

# JSON numbers that every storage keeps; colander passes others on, and the schema refuses them.
_LEAST_INTEGER, _GREATEST_INTEGER = -(2**63), 2**64 - 1


class DoubtError(Exception):
    """The value, or the schema, is for colander."""


def _string(node: Any, typ: Any) -> Accept:
    if typ.encoding is not None:
        raise DoubtError
    is_empty_kept = typ.allow_empty

    def accept(value: Any) -> Any:
        # Colander takes the empty text as absent, unless the type says otherwise.
        if type(value) is str and (value or is_empty_kept):
            return value
        raise DoubtError

    return accept


def _integer(node: Any, typ: Any) -> Accept:
    # Both functions of the type return an integer as it is.
    if typ.num is not int and getattr(typ.num, "__module__", None) != "colander":
        raise DoubtError

    def accept(value: Any) -> Any:
        # A boolean is no integer, and what JSON cannot keep is refused elsewhere.
        if type(value) is int and _LEAST_INTEGER <= value <= _GREATEST_INTEGER:
            return value
        raise DoubtError

    return accept


def _float(node: Any, typ: Any) -> Accept:
    if typ.num is not float:
        raise DoubtError

    def accept(value: Any) -> Any:
        if type(value) is float and math.isfinite(value):
            return value
        if type(value) is int and _LEAST_INTEGER <= value <= _GREATEST_INTEGER:
            return float(value)
        raise DoubtError

    return accept


def _boolean(node: Any, typ: Any) -> Accept:
    try:
        # The type may give the two words any meaning.
        meanings = {value: typ.deserialize(node, value) for value in (False, True)}
    except colander.Invalid:
        raise DoubtError from None

    def accept(value: Any) -> Any:
        if type(value) is bool:
            return meanings[value]
        raise DoubtError

    return accept


def _list(node: Any, typ: Any) -> Accept:
    def accept(value: Any) -> Any:
        if type(value) is list:
            return copied(value)
        raise DoubtError

    return accept


def copied(value: Any) -> Any:
    """Return a copy of a JSON value whose numbers can all be stored."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is int and _LEAST_INTEGER <= value <= _GREATEST_INTEGER:
        return value
    if kind is float and math.isfinite(value):
        return value
    if kind is list:
        return [copied(item) for item in value]
    if kind is dict:
        return {name: copied(item) for name, item in value.items()}
    raise DoubtError


COMPILERS: dict[type, Callable[[Any, Any], Accept]] = {
    colander.String: _string,
    colander.Integer: _integer,
    colander.Float: _float,
    colander.Boolean: _boolean,
    colander.List: _list,
}
