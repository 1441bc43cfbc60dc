"""The parameters of resources that are no filters: pages, sorting, conditions, preferences."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from cliquet.openapi.components import Components, Described
from cliquet.storage.generators import Generator

__all__ = ["TIMESTAMP", "condition", "header", "of_fields", "of_path", "of_resource", "query"]

TIMESTAMP: Final[Described] = {"type": "string", "pattern": '^("?)(0|[1-9][0-9]{0,14})\\1$'}
"""A timestamp in a parameter: milliseconds, with or without the quotes of ``ETag``."""

_TAG: Final[Described] = {"type": "string", "pattern": r'^("[0-9]{1,15}"|\*)$'}

_VARIABLE: Final = re.compile(r"\{(\w+)(?::((?:[^{}]|\{[^{}]*\})*))?\}")

_CONDITIONS: Final = {
    "If-Match": "Only if nothing is newer than this `ETag`; `*`: only if there is a record.",
    "If-None-Match": "Only if something is newer than this `ETag`; `*`: only without a record.",
}
_HEADERS: Final[dict[str, tuple[str, Described]]] = {
    "Last-Event-ID": (
        "The id of the last event of a stream that was lost, which wins over `_sync`.",
        {"type": "string"},
    ),
    "Prefer": (
        "`count=none` leaves the total out; `handling=strict` refuses a list of changes that "
        "would lack forgotten deletions; `wait=N` waits N seconds for changes, if `_sync` has a "
        "token (RFC 7240).",
        {"type": "string", "examples": ["count=none", "handling=strict"]},
    ),
    "Sync-Bookmark": (
        "The latest `Sync-Bookmark` of an own write, which the answer then contains.",
        TIMESTAMP,
    ),
    "Response-Behavior": (
        "The part of the record in the response: all of it, the members that were changed "
        "(`light`), or those with another value than the one sent (`diff`).",
        {"type": "string", "enum": ["full", "light", "diff"]},
    ),
}
_QUERY: Final[dict[str, tuple[str, Described]]] = {
    "_limit": (
        "The number of records of a page; the service may have a smaller one.",
        {"type": "integer", "minimum": 1},
    ),
    "_token": ("The start of a page, as `Next-Page` has it.", {"type": "string"}),
    "_since": ("Only what was modified after this timestamp, deletions included.", TIMESTAMP),
    "_before": ("Only what was modified before this timestamp.", TIMESTAMP),
    "_to": ("The former name of `_before`.", TIMESTAMP),
    "_sync": (
        "Empty for the start of a synchronisation; then the `Sync-Token` of the last one.",
        {"type": "string"},
    ),
    "last_modified": ("The timestamp of the deletion, in milliseconds.", TIMESTAMP),
}

_OF_FIELDS: Final = {
    "_sort": "The fields to sort by; `-` before one turns its order round.",
    "_fields": "The fields that the records of the response have.",
}


def query(components: Components, name: str) -> Described:
    """Return a parameter of the query string by its name."""
    description, schema = _QUERY[name]
    described: Described = {
        "name": name,
        "in": "query",
        "description": description,
        "schema": schema,
    }
    if name == "_sync":
        described["allowEmptyValue"] = True
    if name == "_to":
        described["deprecated"] = True
    return components.refer("parameters", f"query.{name}", lambda: described)


def of_resource(name: str) -> Described:
    """Return a parameter that the code of a resource reads, which knows what it means."""
    return {"name": name, "in": "query", "schema": {"type": "string"}}


def condition(components: Components, name: str) -> Described:
    """Return ``If-Match`` or ``If-None-Match``."""
    described = {
        "name": name,
        "in": "header",
        "description": _CONDITIONS[name],
        "schema": _TAG,
    }
    return components.refer("parameters", name, lambda: described)


def header(components: Components, name: str) -> Described:
    """Return another header of requests."""
    description, schema = _HEADERS[name]
    described = {"name": name, "in": "header", "description": description, "schema": schema}
    return components.refer("parameters", name, lambda: described)


def of_fields(name: str, fields: Iterable[str], *, is_closed: bool) -> Described:
    """Return ``_sort`` or ``_fields`` for the lists of a resource.

    Parameters
    ----------
    fields : the fields of its records.
    is_closed : whether the records have no other fields.
    """
    signs = ("", "-") if name == "_sort" else ("",)
    items: Described = {"type": "string"}
    if is_closed:
        items["enum"] = [sign + field for field in fields for sign in signs]
    return {
        "name": name,
        "in": "query",
        "description": _OF_FIELDS[name],
        "style": "form",
        "explode": False,
        "schema": {"type": "array", "items": items},
    }


def of_path(pattern: str, id_generator: Any = None) -> tuple[str, list[Described]]:
    """Return the address of a route in the form of OpenAPI, and the variables in it.

    Parameters
    ----------
    pattern : pattern of a route of Pyramid.
    id_generator : what makes the ids of the records, and recognises them.
    """
    parameters: list[Described] = []

    def replace(match: re.Match[str]) -> str:
        name, expression = match.groups()
        schema: Described = {"type": "string", "minLength": 1}
        if name == "id" and isinstance(id_generator, Generator):
            schema = {"type": "string", "pattern": id_generator.regexp}
        elif expression:
            schema["pattern"] = f"^(?:{expression})$"
        parameters.append({"name": name, "in": "path", "required": True, "schema": schema})
        return f"{{{name}}}"

    # The rest of a path is a variable too (`*subpath`).
    pattern = re.sub(r"\*(\w+)\Z", r"{\1}", pattern)
    return _VARIABLE.sub(replace, pattern), parameters
