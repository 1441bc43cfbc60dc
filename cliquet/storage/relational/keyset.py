"""Pagination rules as a condition in SQL.

Rules that mean "the records after this one in the order of the list" get a form with which a
database finds a page in an index, however deep the page is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from cliquet.storage.following import Criterion, followed
from cliquet.storage.ordering import sort_key
from cliquet.storage.query import MISSING, Missing, PaginationRule
from cliquet.storage.relational.conditions import condition, sort_expression
from cliquet.storage.relational.dialect import ListingDialect
from cliquet.storage.relational.operators import ID, MODIFIED, TIMESTAMPS
from cliquet.storage.relational.order_key import order_key
from cliquet.storage.relational.text import SQL, all_of, any_of, joined
from cliquet.storage.selection import Names
from cliquet.types import JSONValue

__all__ = ["rules_condition"]

Sides = tuple[SQL, SQL]
"""The two sides of a comparison: the criterion of a record, and that of the record before it."""


def rules_condition(
    dialect: ListingDialect,
    names: Names,
    rules: Sequence[PaginationRule],
    indexed: frozenset[str],
) -> SQL:
    """Return the condition of rules, which are combined by OR.

    Raises
    ------
    ValueError : a value does not fit its operator.
    TypeError : a value is not JSON.
    """
    criteria = followed(rules)
    sides = [_row_sides(dialect, names, criterion) for criterion in criteria]
    if criteria and None not in sides:
        return _following(criteria, [pair for pair in sides if pair is not None])
    return any_of(
        all_of(condition(dialect, names, item, indexed, in_rule=True) for item in rule)
        for rule in rules
    )


def _following(criteria: Sequence[Criterion], sides: Sequence[Sides]) -> SQL:
    """Return the condition for the records after one, in a form that can use an index.

    An OR cannot use an index. Criteria with the same direction become one comparison of rows. If
    the direction changes, the criteria before the first change limit the range that is read, and
    are not compared for equality again: a record within this limit that follows by the rest
    follows.
    """
    groups = _same_way(criteria, sides)
    first, sign = groups[0]
    # SQLite can use an index for rows of columns, but not for rows that begin with an expression.
    is_found = len(first) == 1 or first[0][0] in (ID, MODIFIED)
    bounds = [] if is_found else [_compared_rows(first[:1], f"{sign}=")]
    after = _compared_rows(first, sign)
    if len(groups) == 1:
        return all_of([*bounds, after])
    rest = _following_in_turn(groups[1:])
    return all_of([*bounds, _compared_rows(first, f"{sign}="), any_of([rest, after])])


def _same_way(
    criteria: Sequence[Criterion], sides: Sequence[Sides]
) -> list[tuple[list[Sides], str]]:
    """Return the sides of criteria grouped by direction, each group with its operator."""
    return [
        ([pair for _, pair in group], ">" if ascends else "<")
        for ascends, group in groupby(
            zip(criteria, sides, strict=True), key=lambda pair: pair[0].ascends
        )
    ]


def _following_in_turn(groups: Sequence[tuple[list[Sides], str]]) -> SQL:
    """Return the condition for the records after one; the first group that differs decides.

    It is flat: an order of 64 criteria with alternating directions is not a deeper expression than
    one of two.
    """
    pieces = []
    for sides, sign in groups:
        after, differs = _compared_rows(sides, sign), _compared_rows(sides, "<>")
        pieces += [
            SQL(f" WHEN {after.text} THEN TRUE", after.parameters),
            SQL(f" WHEN {differs.text} THEN FALSE", differs.parameters),
        ]
    tests = joined("", pieces)
    return SQL(f"CASE{tests.text} ELSE FALSE END", tests.parameters)


def _compared_rows(sides: Sequence[Sides], sign: str) -> SQL:
    left = joined(", ", (expression for expression, _ in sides))
    right = joined(", ", (operand for _, operand in sides))
    parameters = (*left.parameters, *right.parameters)
    if len(sides) == 1:
        return SQL(f"{left.text} {sign} {right.text}", parameters)
    return SQL(f"({left.text}) {sign} ({right.text})", parameters)


def _row_sides(dialect: ListingDialect, names: Names, criterion: Criterion) -> Sides | None:
    """Return the two sides of a comparison, if it can be one of plain columns or keys."""
    field, value = criterion.field, criterion.value
    expression = sort_expression(dialect, names, field)
    if expression is None:
        # The field is true in tombstones, and absent in live records.
        is_mark = field == names.deleted_field
        text = f"(CASE WHEN deleted THEN {_TRUE} ELSE {_ABSENT} END)" if is_mark else f"{_ABSENT}"
        return SQL(text), SQL("%s", (_place(value),))
    if field == names.id_field:
        if not isinstance(value, str) or not dialect.can_hold(value):
            return None
        return expression, dialect.text(value)
    if field == names.modified_field:
        if type(value) is not int or value not in TIMESTAMPS:
            return None
        return expression, SQL("%s", (value,))
    key = order_key(dialect.as_stored(value))
    return (expression, dialect.key(key)) if dialect.can_hold(key) else None


# The places of true and of an absent value in the order of all values.
_TRUE: Final = 1
_ABSENT: Final = 3


def _place(value: JSONValue | Missing) -> int:
    """Return the place of a value relative to true and to an absent value."""
    if value is MISSING:
        return _ABSENT
    key, mark = sort_key(value), sort_key(True)
    return _TRUE + (key > mark) - (key < mark)
