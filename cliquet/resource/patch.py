"""PATCH: how changes are applied to a record, and which part of it the response shows.

These are functions of plain values; the resource validates the result and writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from cliquet.storage.ordering import json_equal
from cliquet.types import Record

__all__ = [
    "Plan",
    "changed_members",
    "find_readonly_change",
    "merge",
    "response_behavior",
    "shown_members",
]

_ABSENT = object()


class Plan(NamedTuple):
    """The effect of a patch on a record, for all formats.

    Attributes
    ----------
    base : the record without the members that the patch removes.
    changes : the members that it sets.
    removed : names of the members that it removes.
    """

    base: Record
    changes: Record
    removed: Sequence[str] = ()


def merge(record: Mapping[str, Any], changes: Mapping[str, Any]) -> Record:
    """Return a record whose members are replaced by `changes`, only at the root (H-20.1)."""
    return {**record, **changes}


def find_readonly_change(
    record: Mapping[str, Any], changes: Mapping[str, Any], is_readonly: Callable[[str], bool]
) -> str | None:
    """Return the first read-only field that `changes` would modify, if any (H-20.7).

    A missing field may be set, and the present value may be sent again.
    """
    for field, value in changes.items():
        if field in record and not json_equal(record[field], value) and is_readonly(field):
            return field
    return None


def changed_members(
    before: Mapping[str, Any], after: Mapping[str, Any], changes: Mapping[str, Any]
) -> list[str]:
    """Return the members of `changes` whose stored values differ after the merge (H-20.4)."""
    return [name for name in changes if _differ(before, after, name)]


def response_behavior(value: str | None) -> str:
    """Return the value of ``Response-Behavior`` in lower case (H-20.8).

    Parameters
    ----------
    value : what the client has sent; ``None`` if it has sent none.
    """
    return "" if value is None else value.lower()


def shown_members(
    behavior: str, stored: Record, changes: Mapping[str, Any], changed: list[str]
) -> Record:
    """Return the part of the stored record that the response shows (H-20.9).

    Parameters
    ----------
    behavior : value of the ``Response-Behavior`` header, in lower case: ``light`` shows the changed
        members, ``diff`` those whose stored values differ from the sent ones (D-8), and any other
        value the record.
    """
    if behavior == "light":
        return {name: stored[name] for name in changed if name in stored}
    if behavior == "diff":
        return {
            name: stored[name]
            for name in changed
            if name in stored and _differ(changes, stored, name)
        }
    return stored


def _differ(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool:
    left, right = one.get(name, _ABSENT), other.get(name, _ABSENT)
    if left is _ABSENT or right is _ABSENT:
        return left is not right
    return not json_equal(left, right)
