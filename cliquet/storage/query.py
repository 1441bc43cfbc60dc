"""The types for queries of lists: filters, sort criteria, pagination rules.

The module knows neither HTTP (``resource/querystring.py`` reads query strings) nor the evaluation
of a query in a backend.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from cliquet.storage.operators import COMPARISON
from cliquet.storage.ordering import MISSING, Missing

__all__ = [
    "COMPARISON",
    "MISSING",
    "Continuation",
    "Filter",
    "KnownTotal",
    "Missing",
    "PaginationRule",
    "Sort",
]


class Filter(NamedTuple):
    """Keeps the records whose `field` has the relation `operator` to `value`.

    Parameters
    ----------
    field : the id, the timestamp or the deletion mark, or a path into the record.
    value : a JSON value; a list, tuple or set for the operators that take several.
    operator : a member of :class:`COMPARISON`.
    """

    field: str
    value: Any
    operator: COMPARISON


class Sort(NamedTuple):
    """Sorts by `field`; `direction` is 1 (ascending) or -1 (descending)."""

    field: str
    direction: int


PaginationRule = list[Filter]
"""Filters that are combined by AND; the rules of a list are combined by OR."""


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
