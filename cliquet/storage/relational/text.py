"""Parts of SQL statements, and functions that combine them.

All placeholders are ``%s``, and the text contains no other ``%``. A condition that is null counts
as false, so that the negation is ``IS NOT TRUE``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from cliquet.connections.sql import SQL

__all__ = ["FALSE", "SQL", "TRUE", "all_of", "any_of", "joined", "negated", "union_of"]


# The depth of an expression stays far below the limit of SQLite (1000), whatever the number of
# conditions is.
_MAX_WIDTH: Final = 50

TRUE: Final = SQL("TRUE")
FALSE: Final = SQL("FALSE")


def joined(separator: str, parts: Iterable[SQL]) -> SQL:
    """Join parts with a separator."""
    # Two loops over generators would cost a list of one filter several microseconds.
    texts: list[str] = []
    values: list[Any] = []
    for text, parameters in parts:
        texts.append(text)
        values += parameters
    return SQL(separator.join(texts), tuple(values))


def union_of(queries: Iterable[SQL]) -> SQL:
    """Return the query for the rows of several queries, each of which may have its own order."""
    return joined(" UNION ALL ", [_in_parentheses(query) for query in queries])


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
    if len(kept) == 1:
        return _in_parentheses(kept[0])
    return _in_parentheses(_combined(" OR ", [_in_parentheses(item) for item in kept]))


def _combined(operator: str, conditions: list[SQL]) -> SQL:
    """Combine conditions in a tree, because SQLite makes a chain as deep as it is long."""
    while len(conditions) > _MAX_WIDTH:
        conditions = [
            _in_parentheses(joined(operator, conditions[start : start + _MAX_WIDTH]))
            for start in range(0, len(conditions), _MAX_WIDTH)
        ]
    return joined(operator, conditions)


def _in_parentheses(condition: SQL) -> SQL:
    return SQL(f"({condition.text})", condition.parameters)


def negated(condition: SQL) -> SQL:
    """Return the negation of a condition, which may be null for a missing field."""
    if condition == FALSE:
        return TRUE
    return SQL(f"({condition.text}) IS NOT TRUE", condition.parameters)
