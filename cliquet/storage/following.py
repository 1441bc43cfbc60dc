"""Pagination rules that mean "the records after this one in the order of the list".

There are as many rules as criteria, and the rules also grow with their number. An evaluation as
they are written costs the square of that number for each record. When they are recognised, they
become one comparison, which ends at the first difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cliquet.storage.ordering import json_equal
from cliquet.storage.query import COMPARISON, Filter, Missing, PaginationRule
from cliquet.types import JSONValue

__all__ = ["Criterion", "followed"]


class Criterion(NamedTuple):
    """One criterion of the order, and its value in the record before the page."""

    field: str
    value: JSONValue | Missing
    ascends: bool


def followed(rules: Sequence[PaginationRule]) -> list[Criterion]:
    """Return the criteria of the order that `rules` follow; an empty list if they follow none.

    For criteria s1 to sn, the rules are n lists: for k from n down to 1, equality on s1 to s(k-1),
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
        criteria.append(Criterion(field, value, operator is COMPARISON.GT))
    return criteria


def _is_equality(item: Filter, other: Filter) -> bool:
    """Return whether two filters are the same equality; for Python, 1 and True are equal."""
    return (
        item.operator is other.operator is COMPARISON.EQ
        and item.field == other.field
        # Mostly it is the same value of one record.
        and (item.value is other.value or json_equal(item.value, other.value))
    )
