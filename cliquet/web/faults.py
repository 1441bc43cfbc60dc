"""The faults in the input of a request, with limits of their number and of their length.

A body may have a hundred thousand faults: each would be an object, and would appear in the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import colander
from pyramid.request import Request

from cliquet import settings
from cliquet.monitoring import field_bounds
from cliquet.web import fault_words

__all__ = ["add", "add_invalid", "first_of", "told"]

MAX_TEXT_BYTES: Final = 1024
"""Length at which the texts of a fault are cut, because they repeat the input of the client."""

# The name of our attribute on the list of errors of Cornice.
_LEFT_OUT = "cliquet_left_out"


def max_details(request: Any) -> int | None:
    """Return how many faults an answer shows; ``None`` for all of them."""
    configured = getattr(getattr(request, "registry", None), "settings", None)
    # Tests of applications make their own requests, which may lack settings (P-31).
    known = configured if isinstance(configured, Mapping) else {}
    limit: int | None = settings.read(known, "max_error_details")
    return limit


def add(request: Request, location: str, name: str | None, description: str) -> None:
    """Add a fault to ``request.errors``; if there are enough, only count it."""
    limit = max_details(request)
    if limit is not None and len(request.errors) >= limit:
        _leave_out(request, 1)
    else:
        request.errors.append({"location": location, "name": name, "description": description})


def add_invalid(request: Request, location: str, invalid: colander.Invalid) -> None:
    """Add the faults that a schema has found."""
    limit = max_details(request)
    if limit is not None:
        _leave_out(request, _prune(invalid, limit))
    fault_words.reword(invalid)
    for name, description in invalid.asdict(translate=None).items():
        add(request, location, name, str(description))


def first_of(invalid: colander.Invalid) -> tuple[str, str]:
    """Return the name and the description of the first fault that a schema has found."""
    _prune(invalid, 1)
    fault_words.reword(invalid)
    name, description = next(iter(invalid.asdict(translate=None).items()))
    return name, str(description)


def told(
    errors: Any, found: Iterable[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the faults that the answer shows, and a sentence about the rest, if there is one.

    Parameters
    ----------
    errors : the request, if there is one.
    found : its list of faults.
    """
    faults = list(found)
    limit = max_details(errors)
    number = len(faults) + getattr(found, _LEFT_OUT, 0)
    if limit is None or number <= limit:
        return [_as_text(fault) for fault in faults], []
    # The last place is needed for the sentence about the rest.
    details = [_as_text(fault) for fault in faults[: limit - 1]]
    rest = number - len(details)
    description = f"{rest} more are left out (setting max_error_details)"
    note = {"location": faults[0]["location"], "name": None, "description": description}
    return details, [note]


def _leave_out(request: Request, number: int) -> None:
    before = getattr(request.errors, _LEFT_OUT, 0)
    setattr(request.errors, _LEFT_OUT, before + number)


def _prune(invalid: colander.Invalid, limit: int) -> int:
    """Keep at most `limit` faults of a tree, the first ones; return the number of the others."""
    kept = gone = 0

    def prune(node: colander.Invalid) -> None:
        nonlocal kept, gone
        children = []
        for child in node.children:
            if child.children:
                # The recursion is only as deep as the schema.
                prune(child)
                if child.children:
                    children.append(child)
            elif kept < limit:
                kept += 1
                children.append(child)
            else:
                gone += 1
        node.children = children

    prune(invalid)
    return gone


def _as_text(fault: Mapping[str, Any]) -> dict[str, Any]:
    # Cornice 6 describes 406 and 415 with bytes; a plugin may give no description.
    members = {
        name: value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        for name, value in fault.items()
    }
    name, description = members.get("name"), members.get("description")
    return {
        **members,
        "name": field_bounds.cut(name, MAX_TEXT_BYTES) if isinstance(name, str) else name,
        "description": ""
        if description is None
        else field_bounds.cut(str(description), MAX_TEXT_BYTES),
    }
