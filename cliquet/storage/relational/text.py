"""Pieces of SQL statements, and how they are put together.

All placeholders are ``%s``, and the text holds no other ``%``. A condition that is null is as good
as false: what is negated is so by ``IS NOT TRUE``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

__all__ = ["FALSE", "SQL", "TRUE", "all_of", "any_of", "joined", "negated"]


class SQL(NamedTuple):
    """A piece of a statement, and the values of its placeholders in their order."""

    text: str
    parameters: tuple[Any, ...] = ()


# Far below the depth of expression that SQLite accepts (1000), however many conditions there are.
_MAX_WIDTH: Final = 50

TRUE: Final = SQL("TRUE")
FALSE: Final = SQL("FALSE")


def joined(separator: str, parts: Iterable[SQL]) -> SQL:
    """Put pieces one after the other."""
    parts = list(parts)
    return SQL(
        separator.join(part.text for part in parts),
        tuple(parameter for part in parts for parameter in part.parameters),
    )


def all_of(conditions: Iterable[SQL]) -> SQL:
    """Combine conditions by AND."""
    kept = [condition for condition in conditions if condition != TRUE]
    if not kept:
        return TRUE
    return FALSE if FALSE in kept else _combined(" AND ", kept)


def any_of(conditions: Iterable[SQL]) -> SQL:
    """Combine conditions by OR, in parentheses."""
    kept = [condition for condition in conditions if condition != FALSE]
    if not kept:
        return FALSE
    if TRUE in kept:
        return TRUE
    return _in_parentheses(_combined(" OR ", [_in_parentheses(item) for item in kept]))


def _combined(operator: str, conditions: list[SQL]) -> SQL:
    """Combine conditions in a tree: of a chain, SQLite makes one as deep as the chain is long."""
    while len(conditions) > _MAX_WIDTH:
        conditions = [
            _in_parentheses(joined(operator, conditions[start : start + _MAX_WIDTH]))
            for start in range(0, len(conditions), _MAX_WIDTH)
        ]
    return joined(operator, conditions)


def _in_parentheses(condition: SQL) -> SQL:
    return SQL(f"({condition.text})", condition.parameters)


def negated(condition: SQL) -> SQL:
    """Return the opposite of a condition, which may be null: what a missing field compares to."""
    if condition == FALSE:
        return TRUE
    return SQL(f"({condition.text}) IS NOT TRUE", condition.parameters)
