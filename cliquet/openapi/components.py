"""The parts of a document that other parts refer to, each of which it has once."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

__all__ = ["Components", "Described", "identifier"]

Described = dict[str, Any]
"""A part of the document, with values of JSON."""


class Components:
    """The components of one document, by their kind and their name.

    Attributes
    ----------
    described : the member ``components`` of the document.
    """

    def __init__(self) -> None:
        self.described: dict[str, dict[str, Described]] = {}
        self._names: dict[tuple[str, str, str], str] = {}
        self._operations: set[str] = set()

    def refer(
        self, kind: str, name: str, make: Callable[[], Described], owner: str = ""
    ) -> Described:
        """Return a reference to a component, which is made when it is needed first.

        Parameters
        ----------
        kind : ``schemas``, ``parameters``, ``headers`` or ``responses``.
        name : name of the component; it gets a number if another owner has one of that name.
        owner : name of the resource that it belongs to, if it belongs to one.
        """
        known = self.described.setdefault(kind, {})
        key = (kind, name, owner)
        if key not in self._names:
            # It is there before it is made, because a schema may refer to itself.
            self._names[key] = unique = _unique(re.sub(r"[^A-Za-z0-9._-]", "_", name), known)
            known[unique] = {}
            known[unique].update(make())
        return {"$ref": f"#/components/{kind}/{self._names[key]}"}

    def schema(self, name: str, make: Callable[[], Described], owner: str = "") -> Described:
        """Return a reference to a schema."""
        return self.refer("schemas", name, make, owner)

    def operation_id(self, *parts: str) -> str:
        """Return an identifier of an operation that no other one has."""
        found = _unique(identifier("_".join(parts)).lower(), self._operations)
        self._operations.add(found)
        return found


def identifier(text: str) -> str:
    """Return a text as a name for programs, with letters, digits and ``_`` alone."""
    return re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "unnamed"


def _unique(name: str, known: Collection[str]) -> str:
    """Return a name, with a number if it is known already."""
    number = 1
    unique = name
    while unique in known:
        number += 1
        unique = f"{name}_{number}"
    return unique
