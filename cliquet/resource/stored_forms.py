"""The form in which a value is stored, if its JSON is none that the schema would take again.

A PATCH validates the whole record once more, and clients put back what they got: what is stored has
to be what the field takes.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import colander

__all__ = ["is_taken_again", "of_member"]


def of_member(schema: Any, name: str, value: Any) -> Any:
    """Return the value of a member in the form that its field takes.

    It is the value itself wherever its JSON is that form, or where no field is declared.

    Parameters
    ----------
    schema : schema of the record.
    """
    for node in getattr(schema, "children", ()):
        if node.name == name:
            return _of(node, value) if _has_own_form(node) else value
    return value


def is_taken_again(node: Any) -> bool:
    """Return whether a field takes what is stored of its values, as far as its type tells."""
    typ = node.typ
    if type(typ) is not colander.Boolean:
        # Those of an application may do anything.
        return True
    try:
        return all(typ.deserialize(node, value) is value for value in (False, True))
    except colander.Invalid:
        return False


def _has_own_form(node: Any) -> bool:
    typ = node.typ
    if isinstance(typ, colander.Enum):
        return True
    if isinstance(typ, (colander.Date, colander.DateTime)):
        return bool(typ.format)
    return any(map(_has_own_form, node.children))


def _of(node: Any, value: Any) -> Any:
    typ = node.typ
    if isinstance(typ, colander.Enum):
        # The JSON of a member would be its value, and the field takes its name, or another of its
        # attributes.
        return getattr(value, typ.attr) if isinstance(value, typ.enum_cls) else value
    if isinstance(typ, (colander.Date, colander.DateTime)):
        # A hook may have made it into a text already.
        is_date = isinstance(value, datetime.date)
        return value.strftime(typ.format) if typ.format and is_date else value
    if isinstance(typ, colander.Mapping) and isinstance(value, Mapping):
        nodes = {child.name: child for child in node.children}
        return {
            name: _of(nodes[name], item) if name in nodes else item for name, item in value.items()
        }
    if isinstance(typ, colander.Sequence) and isinstance(value, list) and node.children:
        return [_of(node.children[0], item) for item in value]
    # A hook may have made it longer or shorter.
    is_whole = isinstance(value, tuple) and len(value) == len(node.children)
    if isinstance(typ, colander.Tuple) and is_whole:
        return [_of(child, item) for child, item in zip(node.children, value, strict=True)]
    return value
