"""The fields of a schema: what was meant to be one and is none, and what takes the name of another.

Colander takes as fields what is a node, and passes over everything else without a word.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final

import colander

from cliquet.core.mistakes import Place, is_async, names_used, place_of
from cliquet.resource import stored_forms
from cliquet.resource.checks.findings import Finding, where
from cliquet.resource.querystring import split_prefix

__all__ = ["declared"]

_OTHER_PACKAGES: Final = ("cliquet", "colander", "builtins")
_TYPES_OF_PYTHON: Final = (bool, bytes, dict, float, int, list, set, str, tuple)
# What colander reads on the class of a schema, apart from texts, whose names fields have too.
_OF_COLANDER: Final = {
    *dir(colander.SchemaNode(colander.Mapping())),
    *("typ", "widget"),
} - {"name", "title", "description"}
# The types that members have which belong to every record.
_COMMON: Final[dict[str, tuple[type | None, str]]] = {
    "id": (colander.String, "a text"),
    "last_modified": (colander.Integer, "a number"),
    "deleted": (None, "the mark of a deletion"),
}


def declared(schema: Any) -> Iterator[Finding]:
    """Find mistakes in the fields of a schema of colander."""
    if not isinstance(schema, colander.SchemaNode):
        return
    # The fields of an adapter only describe, and validate nothing. It is known by its method, since
    # its module is loaded only by those who have one.
    is_adapted = hasattr(schema, "sent_json_schema")
    for node in _descendants(schema):
        yield from _members(node, schema)
        if isinstance(node.typ, type):
            name = node.typ.__name__
            yield Finding(
                f"{where(schema)}: the field {node.name!r} has the class {name} as its type; "
                f"allowed: an instance, as in colander.SchemaNode(colander.{name}())."
            )
        elif not is_adapted:
            yield from _unusable(node, schema)
        yield from _async(node, schema)
    yield from _common(schema)


def _unusable(node: Any, schema: Any) -> Iterator[Finding]:
    """Find types that take nothing, keep nothing, or refuse what they gave."""
    typ = node.typ
    name = f"the field {node.name!r}" if node.name else f"an item of the type {type(typ).__name__}"
    # A class of the application may do without what these types need.
    if type(typ) is colander.Sequence and not node.children:
        yield Finding(
            f"{where(schema)}: {name} is a Sequence without the node of its items; allowed: "
            "colander.SchemaNode(colander.Sequence(), colander.SchemaNode(colander.String())), or "
            "the type colander.List() for items of any type."
        )
    if type(typ) is colander.Mapping and node is not schema and _drops(node):
        yield Finding(
            f"{where(schema)}: {name} is a Mapping without fields, so that nothing is kept of what "
            "clients send in it; allowed: nodes within it, or the type "
            "colander.Mapping(unknown='preserve').",
            is_certain=False,
        )
    if not stored_forms.is_taken_again(node):
        yield Finding(
            f"{where(schema)}: {name} stores true and false, and does not take both of them, so "
            "that PATCH refuses its records; allowed: 'true' among its true_choices, and 'false' "
            "among its false_choices.",
            is_certain=False,
        )


def _drops(node: Any) -> bool:
    """Return whether a mapping gives an empty object, whatever it is given."""
    return (
        not node.children
        and node.typ.unknown == "ignore"
        and node.preparer is None
        and type(node).deserialize is colander.SchemaNode.deserialize
        and getattr(node, "after_bind", None) is None
    )


def _async(node: Any, schema: Any) -> Iterator[Finding]:
    """Find functions of a node whose results colander would take for what they have not done."""
    for name in ("validator", "preparer", "missing", "default"):
        given = getattr(node, name, None)
        given = getattr(given, "wrapped", given) if type(given) is colander.deferred else given
        given = given.validators if isinstance(given, (colander.All, colander.Any)) else given
        for found in given if isinstance(given, (list, tuple)) else (given,):
            if callable(found) and is_async(found):
                field = f"of the field {node.name!r}" if node is not schema else "of the schema"
                yield Finding(
                    f"{place_of(getattr(found, '__func__', found))}: the {name} {field} is async, "
                    "and nothing would await it; allowed: a function with def."
                )


def _descendants(node: Any) -> Iterator[Any]:
    yield node
    for child in node.children:
        yield from _descendants(child)


def _members(node: Any, root: Any) -> Iterator[Finding]:
    """Find attributes of the class of a node that look like fields."""
    own = [one for one in type(node).__mro__ if one.__module__.split(".")[0] not in _OTHER_PACKAGES]
    used: set[str] | None = None
    for cls in own:
        for name, value in vars(cls).items():
            if name.startswith("_") or name in _OF_COLANDER:
                continue
            finding = _no_field(cls, name, value, root)
            if finding is None:
                continue
            used = names_used(own) if used is None else used
            if name not in used:
                yield finding
        yield from _annotated(cls)


def _no_field(cls: type, name: str, value: Any, root: Any) -> Finding | None:
    said = None
    is_certain = True
    example = f"{name} = colander.SchemaNode(colander.String())"
    if isinstance(value, tuple) and any(isinstance(one, colander.SchemaNode) for one in value):
        said = f"{name} is a tuple, which a comma at its end makes; allowed: a node without it"
    elif isinstance(value, colander.SchemaType):
        kind = type(value).__name__
        said = (
            f"{name} is the type {kind} alone; allowed: {name} = "
            f"colander.SchemaNode(colander.{kind}())"
        )
    elif isinstance(value, type) and issubclass(value, colander.SchemaType):
        kind = value.__name__
        said = (
            f"{name} is the class {kind}; allowed: {name} = colander.SchemaNode(colander.{kind}())"
        )
    elif value in _TYPES_OF_PYTHON if isinstance(value, type) else False:
        said = f"{name} is the class {value.__name__}; allowed: a node, as in {example}"
    elif isinstance(value, type) and issubclass(value, colander.SchemaNode):
        if any(isinstance(node, value) for node in _descendants(root)):
            return None
        said = (
            f"{name} is a class, and no field; allowed: an instance, as in "
            f"{name.lower()} = {value.__name__}()"
        )
        # A class may stand here for code elsewhere.
        is_certain = False
    return None if said is None else Finding(f"{Place(cls)}: {said}.", is_certain)


def _annotated(cls: type) -> Iterator[Finding]:
    """Find fields that were written as other libraries have them."""
    try:
        annotations = inspect.get_annotations(cls)
    except NameError:
        # They may name what only type checkers import.
        return
    for name in annotations:
        if name not in vars(cls) and not name.startswith("_") and name not in _OF_COLANDER:
            yield Finding(
                f"{Place(cls)}: {name} is an annotation, and no field; allowed: {name} = "
                "colander.SchemaNode(colander.String()), or a model of pydantic (PydanticSchema).",
                is_certain=False,
            )


def _common(schema: Any) -> Iterator[Finding]:
    """Find fields with names that records and filters give a meaning of their own."""
    names = {node.name for node in schema.children}
    for node in schema.children:
        field, operator = split_prefix(node.name, ())
        if field != node.name and field in names:
            yield Finding(
                f"{where(schema)}: {node.name!r} is a field, so that clients have no filter "
                f"{operator.name} of {field!r}; allowed: another name.",
                is_certain=False,
            )
        if node.name not in _COMMON:
            continue
        kind, words = _COMMON[node.name]
        if kind is None or not isinstance(node.typ, kind) or node.missing is colander.required:
            yield Finding(
                f"{where(schema)}: the field {node.name!r} is declared, and is {words}, which the "
                "server gives to every record; allowed: another name.",
                is_certain=False,
            )
