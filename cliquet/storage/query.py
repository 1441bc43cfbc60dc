"""The types for queries of lists: comparison operators, filters, sort criteria.

The module knows neither HTTP (``resource/querystring.py`` reads query strings) nor the evaluation
of a query in a backend.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

__all__ = [
    "COMPARISON",
    "EQUALITY_WITH_SEVERAL",
    "MISSING",
    "Continuation",
    "Filter",
    "KnownTotal",
    "Missing",
    "PaginationRule",
    "Sort",
    "Takes",
]


class Takes(enum.Enum):
    """The kinds of operands of an operator, which decide how a query string is read."""

    VALUE = "one value"
    VALUES = "several values, of which the field is one or none"
    MEMBERS = "several values, which the field is an array of"
    PATTERN = "a text with wildcards"
    PRESENCE = "whether the field is to be there"


# The operators that do not take exactly one value.
_TAKEN: Final = {
    "in": Takes.VALUES,
    "exclude": Takes.VALUES,
    "like": Takes.PATTERN,
    "has": Takes.PRESENCE,
    "contains": Takes.MEMBERS,
    "contains_any": Takes.MEMBERS,
}


class COMPARISON(enum.Enum):
    """Operators of a :class:`Filter` (B-1.10).

    The name of each, in lower case, is its prefix in a query string; ``EQ`` has none.

    Attributes
    ----------
    takes : kind of its operand.
    """

    takes: Takes

    def __init__(self, sign: str) -> None:
        self.takes = _TAKEN.get(sign, Takes.VALUE)

    LT = "<"
    MIN = ">="
    MAX = "<="
    NOT = "!="
    EQ = "=="
    GT = ">"
    IN = "in"
    EXCLUDE = "exclude"
    LIKE = "like"
    HAS = "has"
    CONTAINS = "contains"
    CONTAINS_ANY = "contains_any"


EQUALITY_WITH_SEVERAL: Final = {
    COMPARISON.EQ: COMPARISON.IN,
    COMPARISON.NOT: COMPARISON.EXCLUDE,
    COMPARISON.IN: COMPARISON.IN,
    COMPARISON.EXCLUDE: COMPARISON.EXCLUDE,
}
"""The operators of equality, with those that mean the same for several values."""


class Missing(enum.Enum):
    """The type of :data:`MISSING`; an enumeration keeps its identity in copies and pickles."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING
"""The value of an absent field (B-21.12).

It may be the value of ``EQ``, ``LT``, ``MAX``, ``MIN`` and ``GT`` in pagination rules, where it is
greater than every JSON value. It may also be in the list of ``IN`` and ``EXCLUDE``, with which the
HTTP layer makes ``field=None`` match records that lack the field (X-17).
"""


class Filter(NamedTuple):
    """Keeps the records whose `field` has the relation `operator` to `value` (B-1.9).

    Parameters
    ----------
    field : the id, the timestamp or the deletion mark, or a path into the record (B-21.13).
    value : a JSON value; a list, tuple or set for the operators that take several.
    operator : a member of :class:`COMPARISON`.
    """

    field: str
    value: Any
    operator: COMPARISON


class Sort(NamedTuple):
    """Sorts by `field`; `direction` is 1 (ascending) or -1 (descending) (B-1.9)."""

    field: str
    direction: int


PaginationRule = list[Filter]
"""Filters that are combined by AND; the rules of a list are combined by OR (B-6.8)."""


class KnownTotal(NamedTuple):
    """How many records matched the filters of a list when an earlier page of it was read.

    Attributes
    ----------
    timestamp : of the collection at that time, in milliseconds.
    """

    timestamp: int
    total: int


class Continuation(list[PaginationRule]):
    """The pagination rules of a page, with what is known of its total.

    A storage may make use of that instead of counting. For all others, this is the list of the
    rules.

    Parameters
    ----------
    known_total : total that an earlier page had. It holds while the collection has the same
        timestamp.
    is_counted : whether the caller needs the total at all; if not, any number may be returned.

    .. versionadded:: 3.2
    """

    def __init__(
        self,
        rules: Iterable[PaginationRule],
        known_total: KnownTotal | None = None,
        *,
        is_counted: bool = True,
    ) -> None:
        super().__init__(rules)
        self.known_total = known_total
        self.is_counted = is_counted
