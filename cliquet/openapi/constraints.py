"""The validators of colander, as the keywords of JSON Schema that mean the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import colander

from cliquet.core import jsonio
from cliquet.openapi.components import Described

__all__ = ["as_keywords", "is_json"]

# These parts of a pattern mean something else, or nothing, in the expressions of JavaScript.
_OF_PYTHON: Final = re.compile(r"\(\?[^:=!<]|\(\?<[=!]|\\[AZzpPGQE]|[*+?}]\+")


def as_keywords(validator: Any, json_type: str | None) -> Described:
    """Return the keywords for a validator; none for one that JSON Schema cannot express.

    Parameters
    ----------
    json_type : type of the values, which decides what a length is.
    """
    for kind, described in _KINDS.items():
        if isinstance(validator, kind):
            return described(validator, json_type)
    return {}


def is_json(value: Any) -> bool:
    """Return whether a value has the same form in JSON."""
    if not isinstance(value, (str, int, float, bool, list, tuple, dict, type(None))):
        return False
    try:
        return bool(jsonio.loads(jsonio.dumps(value)) == value)
    except (TypeError, ValueError):
        return False


def _length(validator: Any, json_type: str | None) -> Described:
    unit = {"string": "Length", "array": "Items", "object": "Properties"}.get(json_type or "")
    if unit is None:
        return {}
    limits = {f"min{unit}": validator.min, f"max{unit}": validator.max}
    # Colander takes a negative maximum for none.
    return {name: limit for name, limit in limits.items() if limit is not None and limit >= 0}


def _range(validator: Any, json_type: str | None) -> Described:
    limits = {"minimum": validator.min, "maximum": validator.max}
    return {
        name: limit
        for name, limit in limits.items()
        if isinstance(limit, (int, float)) and is_json(limit)
    }


def _choices(validator: Any, json_type: str | None) -> Described:
    choices = list(validator.choices)
    return {"enum": choices} if choices and is_json(choices) else {}


def _none_of(validator: Any, json_type: str | None) -> Described:
    choices = list(validator.forbidden)
    return {"not": {"enum": choices}} if choices and is_json(choices) else {}


def _contains_only(validator: Any, json_type: str | None) -> Described:
    found = _choices(validator, json_type)
    return {"items": found} if found else {}


def _pattern(validator: Any, json_type: str | None) -> Described:
    compiled = validator.match_object
    pattern = compiled.pattern
    if compiled.flags & ~re.UNICODE or not isinstance(pattern, str) or _OF_PYTHON.search(pattern):
        return {}
    # Python looks for the pattern at the beginning, JSON Schema anywhere.
    return {"pattern": pattern if pattern.startswith("^") else f"^(?:{pattern})"}


def _email(validator: Any, json_type: str | None) -> Described:
    return {"format": "email"}


def _all(validator: Any, json_type: str | None) -> Described:
    merged: Described = {}
    more = []
    for one in validator.validators:
        keywords = as_keywords(one, json_type)
        if merged.keys().isdisjoint(keywords):
            merged.update(keywords)
        else:
            more.append(keywords)
    return {**merged, "allOf": more} if more else merged


def _any(validator: Any, json_type: str | None) -> Described:
    found = [as_keywords(one, json_type) for one in validator.validators]
    # One that cannot be expressed may accept everything.
    return {"anyOf": found} if found and all(found) else {}


# The special kinds come before those that they derive from.
_KINDS: Final[dict[type, Callable[[Any, str | None], Described]]] = {
    colander.Length: _length,
    colander.Range: _range,
    colander.ContainsOnly: _contains_only,
    colander.OneOf: _choices,
    colander.NoneOf: _none_of,
    colander.Email: _email,
    colander.Regex: _pattern,
    colander.Any: _any,
    colander.All: _all,
}
