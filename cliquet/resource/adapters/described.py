"""What a JSON Schema says of the fields of a record, for code that knows fields of colander.

It knows neither requests nor the library that validates.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote

import colander

__all__ = ["Described", "Field", "as_sent", "fields_of", "inlined", "is_open"]

Described = dict[str, Any]

_ABSENT: Final = object()
# Where a schema has schemas within: one, several in a list, or several by name.
_ONE: Final = frozenset(
    (
        *("items", "additionalProperties", "unevaluatedItems", "unevaluatedProperties"),
        *("not", "if", "then", "else", "contains", "propertyNames"),
    )
)
_LISTED: Final = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_NAMED: Final = frozenset(("properties", "patternProperties", "dependentSchemas"))
# They mean nothing within another document, or name what is left out of it.
_OF_DOCUMENTS: Final = frozenset(("$defs", "$schema", "$id", "$ref", "discriminator"))
# With these, members that `properties` does not name may be declared nevertheless.
_DECLARING: Final = frozenset(
    (
        *("patternProperties", "unevaluatedProperties", "dependentSchemas"),
        *("allOf", "anyOf", "oneOf", "if"),
    )
)
# What remains true of a record that is older than a limit, or of which a client reads a part.
_SENT: Final = frozenset(("type", "format", "title", "description", *_NAMED, *_ONE, *_LISTED)) - {
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
}

_TYPES: Final[dict[str, Callable[[], Any]]] = {
    "string": colander.String,
    "integer": colander.Integer,
    "number": colander.Float,
    "boolean": colander.Boolean,
}


class Field(colander.SchemaNode):  # type: ignore[misc]  # colander has no types
    """A declared member. It validates nothing.

    Attributes
    ----------
    takes_null : whether null is a value of it.
    is_null_default : whether it is null where a client sends nothing.
    """

    takes_null = True
    is_null_default = False


def inlined(schema: Mapping[str, Any]) -> Described:
    """Return a JSON Schema without references, for a place within another document.

    Where a schema refers to itself, anything is allowed.

    Raises
    ------
    LookupError : a reference leads nowhere, or out of the schema; the argument is its text.
    """

    def walk(node: Any, using: frozenset[str]) -> Any:
        if not isinstance(node, Mapping):
            return node
        found: Described = {}
        reference = node.get("$ref")
        if isinstance(reference, str):
            target = _target(schema, reference)
            if reference not in using:
                referred = walk(target, using | {reference})
                found = dict(referred) if isinstance(referred, dict) else {}
        for name, value in node.items():
            if name in _OF_DOCUMENTS:
                continue
            if name in _ONE:
                found[name] = walk(value, using)
            elif name in _LISTED and isinstance(value, (list, tuple)):
                found[name] = [walk(item, using) for item in value]
            elif name in _NAMED and isinstance(value, Mapping):
                found[name] = {
                    key: _untitled(key, walk(item, using)) for key, item in value.items()
                }
            else:
                found[name] = copy.deepcopy(value)
        return _nullable(found)

    result: Described = walk(schema, frozenset())
    return result


def _nullable(described: Described) -> Described:
    """Return a schema of a value or null with a list of types, which says the same."""
    kind = _without_null(described)
    json_type = kind.get("type")
    if "anyOf" not in described or not isinstance(json_type, str) or not _takes_null(described):
        return described
    # These would exclude null.
    return described if {"enum", "const"} & kind.keys() else {**kind, "type": [json_type, "null"]}


def _target(schema: Mapping[str, Any], reference: str) -> Any:
    root, *parts = reference.split("/")
    target: Any = schema
    if root != "#":
        raise LookupError(reference)
    for part in parts:
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(target, (list, tuple)) and name.isdigit() and int(name) < len(target):
            target = target[int(name)]
        elif isinstance(target, Mapping) and name in target:
            target = target[name]
        else:
            raise LookupError(reference)
    return target


def _untitled(name: str, described: Any) -> Any:
    """Leave out a title that only repeats the name."""
    if isinstance(described, dict) and described.get("title") == name.replace("_", " ").title():
        del described["title"]
    return described


def as_sent(described: Any) -> Any:
    """Return what is true of all records that the service may send: their types alone."""
    if not isinstance(described, dict):
        return described
    sent: Described = {}
    for name, value in described.items():
        if name not in _SENT or value is False:
            continue
        if name in _ONE:
            sent[name] = as_sent(value)
        elif name in _LISTED:
            sent[name] = [as_sent(item) for item in value]
        elif name in _NAMED:
            sent[name] = {key: as_sent(item) for key, item in value.items()}
        else:
            sent[name] = value
    if "oneOf" in sent:
        # Without their limits, a value may fit several of them.
        sent["anyOf"] = [*sent.get("anyOf", ()), *sent.pop("oneOf")]
    return sent


def is_open(described: Mapping[str, Any]) -> bool:
    """Return whether an object may have members that its ``properties`` do not name."""
    others = described.get("additionalProperties")
    if others is not None:
        return others is not False or "patternProperties" in described
    return "properties" not in described or not _DECLARING.isdisjoint(described)


def fields_of(described: Mapping[str, Any]) -> list[Field]:
    """Return the declared members of an object."""
    required = frozenset(described.get("required", ()))
    return [
        _field(name, one if isinstance(one, dict) else {}, name in required)
        for name, one in described.get("properties", {}).items()
    ]


def _field(name: str, described: Described, is_required: bool) -> Field:
    default = described.get("default", _ABSENT)
    if is_required:
        missing = colander.required
    else:
        missing = colander.drop if default is _ABSENT or default is None else default
    kind = _without_null(described)
    json_type = kind.get("type")
    children: list[Field] = []
    typ: Any
    if json_type == "object":
        children = fields_of(kind)
        typ = colander.Mapping(unknown="preserve" if is_open(kind) else "ignore")
    elif json_type == "array":
        items = kind.get("items")
        children = [_field("", items if isinstance(items, dict) else {}, True)]
        typ = colander.Sequence()
    else:
        # Of the base class of all types, nothing is known.
        make = _TYPES.get(json_type) if isinstance(json_type, str) else None
        typ = colander.SchemaType() if make is None else make()
    field = Field(typ, *children, name=name, missing=missing)
    field.takes_null = _takes_null(described)
    field.is_null_default = default is None
    return field


def _takes_null(described: Any) -> bool:
    """Return whether null may be a value; true where it is not known."""
    if not isinstance(described, dict):
        return described is not False
    if "const" in described:
        return described["const"] is None
    if "enum" in described:
        return None in described["enum"]
    if "type" in described:
        types = described["type"]
        return "null" in ([types] if isinstance(types, str) else types)
    for name in ("anyOf", "oneOf"):
        if name in described:
            return any(map(_takes_null, described[name]))
    return all(map(_takes_null, described.get("allOf", ())))


def _without_null(described: Described) -> Described:
    """Return what a value is if it is not null."""
    types = described.get("type")
    if isinstance(types, (list, tuple)):
        others = [one for one in types if one != "null"]
        return {**described, "type": others[0]} if len(others) == 1 else described
    for name in ("anyOf", "oneOf"):
        others = [one for one in described.get(name, ()) if one != {"type": "null"}]
        if len(others) == 1 and isinstance(others[0], dict):
            rest = {key: value for key, value in described.items() if key != name}
            return _without_null({**rest, **others[0]})
    return described
