"""The vocabulary of a listing: comparison operators, filters, sort criteria.

Knows nothing of HTTP (query strings are read in ``resource/querystring.py``) nor of how a backend
evaluates a query.
"""

from __future__ import annotations

import enum
from typing import Any, Final, NamedTuple

__all__ = [
    "COMPARISON",
    "EQUALITY_WITH_SEVERAL",
    "MISSING",
    "Filter",
    "Missing",
    "PaginationRule",
    "Sort",
    "Takes",
]


class Takes(enum.Enum):
    """What an operator compares a field with, hence how a query string is read."""

    VALUE = "one value"
    VALUES = "several values, of which the field is one or none"
    MEMBERS = "several values, which the field is an array of"
    PATTERN = "a text with wildcards"
    PRESENCE = "whether the field is to be there"


# Of the operators that do not take one value.
_TAKEN: Final = {
    "in": Takes.VALUES,
    "exclude": Takes.VALUES,
    "like": Takes.PATTERN,
    "has": Takes.PRESENCE,
    "contains": Takes.MEMBERS,
    "contains_any": Takes.MEMBERS,
}


class COMPARISON(enum.Enum):
    """Operators of a :class:`Filter` (B-1.10, B-21.15).

    The name of each, in lower case, is the prefix by which a query string asks for it; ``EQ`` has
    none.

    Attributes
    ----------
    takes : what it compares a field with.
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
"""The operators of equality, and what says the same of several values."""


class Missing(enum.Enum):
    """Type of :data:`MISSING`: an enumeration, so that identity survives copies and pickling."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING
"""Stands for "the field is absent" (B-21.12).

Accepted as the value of ``EQ``, ``LT``, ``MAX``, ``MIN`` and ``GT`` in pagination rules, where it
compares above every JSON value, and as a member of the list of ``IN`` and ``EXCLUDE``, with which
the HTTP layer widens ``field=None`` to records that lack the field (X-17).
"""


class Filter(NamedTuple):
    """Keep the records whose `field` stands in the relation `operator` to `value` (B-1.9).

    Parameters
    ----------
    field : the id, modified or deleted field, or a path into the record (B-21.13).
    value : a JSON value; a list, tuple or set for the operators that take several.
    operator : a member of :class:`COMPARISON`.
    """

    field: str
    value: Any
    operator: COMPARISON


class Sort(NamedTuple):
    """Order by `field`: `direction` is 1 (ascending) or -1 (descending) (B-1.9, B-6.17)."""

    field: str
    direction: int


PaginationRule = list[Filter]
"""Filters combined by AND; the rules of a listing combine by OR (B-6.8)."""
