"""Members of a body that the schema does not declare, where its option refuses them (E-17.4).

What is judged is what the client sends, and not the record that results from it: hooks may give a
record members that the schema does not declare.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import colander

from cliquet import errors
from cliquet.core.mistakes import did_you_mean
from cliquet.storage.ordering import json_equal
from cliquet.web import faults

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = ["found", "raise_400_if_unknown", "refuses", "reserved_names"]

# The search for the nearest name takes time, which a client must not multiply.
_MOST_HINTS: Final = 10
_LONGEST_HINTED: Final = 64


def refuses(schema: Any) -> bool:
    """Return whether a schema refuses members that it does not declare."""
    get_option = getattr(schema, "get_option", None)
    return get_option is not None and get_option("unknown") == "raise"


def reserved_names(model: Any) -> frozenset[str]:
    """Return the members that every record may have, for a model or its class."""
    return frozenset({model.id_field, model.modified_field, model.deleted_field})


def found(
    schema: Any, value: Any, reserved: Collection[str], stored: Mapping[str, Any] | None = None
) -> colander.Invalid | None:
    """Return the faults of a value that has unknown members, or ``None``.

    Parameters
    ----------
    reserved : members of the value itself that are known besides.
    stored : the record before. A member that it has, with the same value, is not refused.
    """
    return _found(schema, value, stored, reserved, iter(range(_MOST_HINTS)))


def raise_400_if_unknown(resource: UserResource, changes: Any, existing: Mapping[str, Any]) -> None:
    """Refuse the changes of a PATCH if they have unknown members.

    Raises
    ------
    HTTPBadRequest : they do.
    """
    if not refuses(resource.mapping):
        return
    invalid = found(resource._schema, changes, reserved_names(resource.model), existing)
    if invalid is not None:
        root = colander.Invalid(colander.SchemaNode(colander.Mapping(), name="data"))
        root.children = invalid.children
        faults.add_invalid(resource.request, "body", root)
        raise errors.json_error_handler(resource.request)


def _found(
    node: Any, value: Any, stored: Any, reserved: Collection[str], hints: Iterator[int]
) -> colander.Invalid | None:
    invalid = colander.Invalid(node)
    if isinstance(node.typ, colander.Sequence) and isinstance(value, list) and node.children:
        for position, item in enumerate(value):
            _add(invalid, _found(node.children[0], item, None, (), hints), position)
    elif isinstance(node.typ, colander.Mapping) and isinstance(value, dict):
        children = {child.name: (position, child) for position, child in enumerate(node.children)}
        drops = node.typ.unknown == "ignore"
        before = stored if isinstance(stored, dict) else {}
        for name, member in value.items():
            if name in before and json_equal(before[name], member):
                continue
            position, child = children.get(name, (0, None))
            if child is not None:
                _add(invalid, _found(child, member, before.get(name), (), hints), position)
            elif drops and name not in reserved:
                unknown = colander.SchemaNode(colander.Mapping(), name=name)
                _add(invalid, colander.Invalid(unknown, _text(name, children, hints)))
    return invalid if invalid.children else None


def _add(
    invalid: colander.Invalid, fault: colander.Invalid | None, position: int | None = None
) -> None:
    if fault is not None:
        invalid.add(fault, position)


def _text(name: str, known: Collection[str], hints: Iterator[int]) -> str:
    hint = ""
    if len(name) <= _LONGEST_HINTED and next(hints, None) is not None:
        hint = did_you_mean(name, known)
    return f"Unknown member{hint}"
