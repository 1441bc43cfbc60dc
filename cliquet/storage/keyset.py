"""Pagination rules, as a condition in SQL.

Those that mean "what follows this record in the order of the listing" (B-6.22) are recognised, and
written so that a page is found in an index, however deep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cliquet.storage.inmemory import Names
from cliquet.storage.order_key import order_key
from cliquet.storage.ordering import json_equal
from cliquet.storage.query import COMPARISON, Filter, Missing, PaginationRule
from cliquet.storage.sql_conditions import ID, MODIFIED, TIMESTAMPS, condition, sort_expression
from cliquet.storage.sql_dialect import Dialect
from cliquet.storage.sql_text import SQL, all_of, any_of, joined
from cliquet.types import JSONValue

__all__ = ["rules_condition"]


def rules_condition(
    dialect: Dialect,
    names: Names,
    rules: Sequence[PaginationRule],
    indexed: frozenset[str],
) -> SQL:
    """Return the condition of rules, which combine by OR (B-6.8).

    Raises
    ------
    ValueError : a value does not suit its operator.
    TypeError : a value is not JSON.
    """
    criteria = _keyset(rules)
    sides = [_row_sides(dialect, names, criterion) for criterion in criteria]
    if criteria and None not in sides:
        return _following(criteria, [pair for pair in sides if pair is not None])
    return any_of(
        all_of(condition(dialect, names, item, indexed, in_rule=True) for item in rule)
        for rule in rules
    )


class _Criterion(NamedTuple):
    """One criterion of the order, and its value in the record that is followed."""

    field: str
    value: JSONValue | Missing
    ascends: bool


def _keyset(rules: Sequence[PaginationRule]) -> list[_Criterion]:
    """Return the criteria of the order that `rules` follow, none if they follow no order.

    For criteria s1 to sn the rules are n lists: for k from n down to 1, equality on s1 to s(k-1),
    and ``GT`` or ``LT`` on sk.
    """
    longest = rules[0]
    criteria = []
    for size, rule in enumerate(reversed(rules), 1):
        if len(rule) != size:
            return []
        *equal, (field, value, operator) = rule
        if operator not in (COMPARISON.GT, COMPARISON.LT):
            return []
        if size < len(longest):
            equal.append(Filter(field, value, COMPARISON.EQ))
        if not all(map(_is_equality, equal, longest)):
            return []
        criteria.append(_Criterion(field, value, operator is COMPARISON.GT))
    return criteria


def _is_equality(item: Filter, other: Filter) -> bool:
    """Whether two filters are the same equality: that of Python takes 1 for true."""
    return (
        item.operator is other.operator is COMPARISON.EQ
        and item.field == other.field
        # Most often it is the same value of one record.
        and (item.value is other.value or json_equal(item.value, other.value))
    )


def _following(criteria: Sequence[_Criterion], sides: Sequence[tuple[SQL, SQL]]) -> SQL:
    """Return the condition of what follows a record, in a form that finds its way in an index.

    That of an OR is not found. Criteria that go the same way make one comparison of rows. Where the
    way changes, what comes before it bounds what has to be looked at, and is not compared for
    equality again: whatever is within the bound, and follows by the rest, follows.
    """
    size = next(
        (n for n, item in enumerate(criteria) if item.ascends is not criteria[0].ascends),
        len(criteria),
    )
    sign = ">" if criteria[0].ascends else "<"
    after = _compared_rows(sides[:size], sign)
    # SQLite finds rows of columns in an index, and not those that begin with an expression.
    is_found = size == 1 or sides[0][0] in (ID, MODIFIED)
    bounds = [] if is_found else [_compared_rows(sides[:1], f"{sign}=")]
    if size == len(criteria):
        return all_of([*bounds, after])
    rest = _following(criteria[size:], sides[size:])
    return all_of([*bounds, _compared_rows(sides[:size], f"{sign}="), any_of([rest, after])])


def _compared_rows(sides: Sequence[tuple[SQL, SQL]], sign: str) -> SQL:
    left = joined(", ", (expression for expression, _ in sides))
    right = joined(", ", (operand for _, operand in sides))
    parameters = (*left.parameters, *right.parameters)
    if len(sides) == 1:
        return SQL(f"{left.text} {sign} {right.text}", parameters)
    return SQL(f"({left.text}) {sign} ({right.text})", parameters)


def _row_sides(dialect: Dialect, names: Names, criterion: _Criterion) -> tuple[SQL, SQL] | None:
    """Return the two sides of a comparison, if plain columns or keys can be compared."""
    field, value = criterion.field, criterion.value
    expression = sort_expression(dialect, names, field)
    if expression is None:
        return None
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
