"""The filters of a list: the parameters for each field and operator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from cliquet.openapi.components import Described
from cliquet.openapi.parameters import TIMESTAMP
from cliquet.openapi.schemas import fields_of
from cliquet.storage.operators import COMPARISON, Takes

__all__ = ["MAX_DEPTH", "dotted_fields", "of_field"]

MAX_DEPTH: Final = 3
"""How deep the members of objects have parameters; deeper ones can be in filters too."""

_SEVERAL: Final = (Takes.VALUES, Takes.MEMBERS)
_SCALAR: Final = ("string", "integer", "number", "boolean")


def dotted_fields(schema: Any) -> list[tuple[str, Described]]:
    """Return the declared fields of a schema, with those of nested objects after a dot."""
    return list(_dotted(fields_of(schema), "", MAX_DEPTH))


def _dotted(
    fields: Iterable[tuple[str, Described]], before: str, depth: int
) -> Iterator[tuple[str, Described]]:
    for name, described in fields:
        yield before + name, described
        if depth > 1:
            nested = described.get("properties", {})
            yield from _dotted(nested.items(), f"{before}{name}.", depth - 1)


def of_field(name: str, described: Described) -> Iterator[tuple[str, Described]]:
    """Give the name and the description of each filter that makes sense for a field."""
    types = _types(described)
    # Equality is what most clients look for.
    for operator in sorted(COMPARISON, key=lambda one: one is not COMPARISON.EQ):
        if not _fits(operator, types, described):
            continue
        is_plain = operator is COMPARISON.EQ
        parameter = name if is_plain else f"{operator.name.lower()}_{name}"
        yield (
            parameter,
            {
                "name": parameter,
                "in": "query",
                "description": f"The field `{name}` {operator.words}.",
                **_value(operator, types, described),
            },
        )


def _types(described: Described) -> set[str]:
    """Return the types of JSON that a field may have, null apart; none if it is not known."""
    found = described.get("type", [])
    types = {found} if isinstance(found, str) else set(found)
    for one in described.get("anyOf", ()):
        types |= _types(one)
    return types - {"null"}


def _fits(operator: COMPARISON, types: set[str], described: Described) -> bool:
    """Return whether a filter could ever match a field of these types."""
    if operator.takes is Takes.PRESENCE or not types:
        return True
    if operator.takes is Takes.MEMBERS:
        return "array" in types
    if operator.takes is Takes.PATTERN:
        # A timestamp is a number that is written as a text.
        return "string" in types and described is not TIMESTAMP
    return not types.isdisjoint(_SCALAR)


def _value(operator: COMPARISON, types: set[str], described: Described) -> Described:
    if operator.takes is Takes.PRESENCE:
        return {"schema": {"type": "boolean"}}
    if operator.takes is Takes.PATTERN:
        return {"schema": {"type": "string"}}
    if operator.takes is Takes.MEMBERS:
        # After the items of a tuple there are no more, which is no description but `false`.
        items = described.get("items")
        one = items if isinstance(items, dict) else {}
        item = _scalar(_types(one), one)
    else:
        item = _scalar(types, described)
    if operator.takes in _SEVERAL:
        # Values between commas are one way; a JSON array is the other one.
        return {"style": "form", "explode": False, "schema": {"type": "array", "items": item}}
    return {"schema": item}


def _scalar(types: set[str], described: Described) -> Described:
    """Return the schema of one value, without a default or a text of the field."""
    if len(types) != 1 or types.isdisjoint(_SCALAR):
        return {"type": "string"}
    kept = ("enum", "format", "pattern")
    scalar = {name: described[name] for name in kept if name in described}
    return {**scalar, "type": next(iter(types))}
