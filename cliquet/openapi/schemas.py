"""Schemas of records as JSON Schema (draft 2020-12, which OpenAPI 3.1 uses).

A schema that is not made of nodes of colander describes itself: see :func:`as_json_schema`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import colander

from cliquet.openapi import constraints
from cliquet.openapi.components import Described
from cliquet.resource.schema import URL, PermissionsSchema

__all__ = ["as_json_schema", "fields_of", "is_required", "nullable"]


def as_json_schema(node: Any, *, is_sent: bool) -> Described:
    """Return the JSON Schema of a node.

    A node with a method ``json_schema`` is described by what that returns; so are fields of an
    application that colander's types do not describe, and schemas of other libraries. What the
    service sends is described by a method ``sent_json_schema``, if there is one.

    Parameters
    ----------
    node : a schema, or one of its fields.
    is_sent : whether the service sends these values, instead of accepting them. Then all members
        may be missing, because clients choose the members of a response, and only types are
        promised: a record may be older than a limit.
    """
    own = getattr(node, "sent_json_schema", None) if is_sent else None
    own = own or getattr(node, "json_schema", None)
    if callable(own):
        return dict(own())
    described = _typed(node, is_sent)
    if not is_sent:
        described = {**described, **_conditions(node, described.get("type"))}
    elif node.missing is None:
        described = nullable(described)
    return {**_texts(node), **described}


def is_required(node: Any) -> bool:
    """Return whether a member must be there; a deferred default counts as one."""
    return bool(node.missing is colander.required)


def nullable(described: Described) -> Described:
    """Return a schema that accepts null too."""
    json_type = described.get("type")
    if isinstance(json_type, str) and "enum" not in described:
        return {**described, "type": [json_type, "null"]}
    return {"anyOf": [described, {"type": "null"}]} if described else {}


def fields_of(node: Any) -> list[tuple[str, Described]]:
    """Return the names and the schemas of the declared fields, as the service sends them."""
    own = getattr(node, "json_schema", None)
    if callable(own):
        return list(own().get("properties", {}).items())
    return [(child.name, as_json_schema(child, is_sent=True)) for child in node.children]


def _texts(node: Any) -> Described:
    """Return the title and the description that the author has given."""
    texts = {"title": node.title, "description": node.description}
    if texts["title"] == (node.name or "").replace("_", " ").title():
        # Colander makes it of the name.
        del texts["title"]
    return {name: str(text) for name, text in texts.items() if text}


def _conditions(node: Any, json_type: Any) -> Described:
    """Return what a value must fulfil besides its type, and its default."""
    found: Described = {}
    is_bound = isinstance(node.validator, colander.deferred)
    if node.validator is not None and not is_bound and not isinstance(node, URL):
        found.update(constraints.as_keywords(node.validator, json_type))
    if isinstance(node.typ, colander.String) and is_required(node) and not node.typ.allow_empty:
        # Colander takes an empty text for a missing one.
        found.setdefault("minLength", 1)
    missing = node.missing
    if missing not in (colander.required, colander.drop, colander.null, None) and (
        constraints.is_json(missing)
    ):
        found["default"] = missing
    return found


def _typed(node: Any, is_sent: bool) -> Described:
    """Return the description of the type of a node; nothing for one that is not known."""
    if isinstance(node, PermissionsSchema):
        return _permissions(node, is_sent)
    for cls in type(node.typ).__mro__:
        if cls in _KINDS:
            return _KINDS[cls](node, is_sent)
    return {}


def _mapping(node: Any, is_sent: bool) -> Described:
    properties = {
        child.name: as_json_schema(child, is_sent=is_sent) for child in node.children if child.name
    }
    described: Described = {"type": "object"}
    if properties:
        described["properties"] = properties
    required = [child.name for child in node.children if child.name and is_required(child)]
    if required and not is_sent:
        described["required"] = required
    unknown = getattr(node.typ, "unknown", "ignore")
    if unknown != "ignore":
        described["additionalProperties"] = unknown == "preserve"
    return described


def _permissions(node: Any, is_sent: bool) -> Described:
    principals = {"type": "array", "items": {"type": "string"}}
    described: Described = {"type": "object", "additionalProperties": principals}
    if node.known_perms:
        described["properties"] = dict.fromkeys(node.known_perms, principals)
        if not is_sent:
            # Programs may have stored other ones.
            described["additionalProperties"] = False
    return described


def _sequence(node: Any, is_sent: bool) -> Described:
    items = as_json_schema(node.children[0], is_sent=is_sent) if node.children else {}
    return {"type": "array", "items": items}


def _tuple(node: Any, is_sent: bool) -> Described:
    items = [as_json_schema(child, is_sent=is_sent) for child in node.children]
    # The service sends as many as there are; `items` is false for further ones.
    return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}


def _any_array(node: Any, is_sent: bool) -> Described:
    return {"type": "array", "items": {}}


def _string(node: Any, is_sent: bool) -> Described:
    if isinstance(node, URL):
        limits = {} if is_sent else {"minLength": 1, "maxLength": 2048}
        return {"type": "string", **limits, "description": "An absolute URL."}
    return {"type": "string"}


def _enum(node: Any, is_sent: bool) -> Described:
    attribute = node.typ.attr
    values = [getattr(member, attribute) for member in node.typ.enum_cls]
    if not constraints.is_json(values):
        return {}
    # A hook may have stored anything else.
    return {} if is_sent else {"enum": values}


def _date(node: Any, is_sent: bool) -> Described:
    return {"type": "string"} if node.typ.format else {"type": "string", "format": "date"}


def _date_time(node: Any, is_sent: bool) -> Described:
    # The format is that of RFC 3339, which has no time without a zone.
    is_zoned = node.typ.default_tzinfo is not None and node.typ.format is None
    return {"type": "string", "format": "date-time"} if is_zoned else {"type": "string"}


def _plain(**keywords: Any) -> Callable[[Any, bool], Described]:
    return lambda node, is_sent: dict(keywords)


_KINDS: Final[dict[type, Callable[[Any, bool], Described]]] = {
    colander.Mapping: _mapping,
    colander.Sequence: _sequence,
    colander.Tuple: _tuple,
    colander.Set: _any_array,
    colander.List: _any_array,
    colander.String: _string,
    colander.Integer: _plain(type="integer"),
    # Also floats, decimals and amounts of money.
    colander.Number: _plain(type="number"),
    colander.Boolean: _plain(type="boolean"),
    colander.DateTime: _date_time,
    colander.Date: _date,
    colander.Time: _plain(type="string"),
    colander.Enum: _enum,
}
