"""Which pages have a query that is worth keeping, because it is asked again and again."""

from __future__ import annotations

from typing import Final

from cliquet.storage.query import Continuation, Filter
from cliquet.storage.selection import Selection

__all__ = ["KEPT_PAGES", "KeptFilter", "kept_filters"]

# Equal values of different types are different filters.
KeptFilter = tuple[type, Filter]

# The same lists are asked for again and again, by clients that look for changes. These bounds keep
# the queries of one storage below a megabyte.
KEPT_PAGES: Final = 256
_KEPT_TYPES: Final = (str, int, bool, type(None))
_MAX_KEPT_ITEMS: Final = 4
_MAX_KEPT_CHARACTERS: Final = 100


def kept_filters(selection: Selection) -> tuple[KeptFilter, ...] | None:
    """Return the filters of a page whose query is worth keeping, with the types of their values.

    Further pages and long values come once only.
    """
    filters, sorting = selection.filters, selection.sorting
    if (
        selection.pagination_rules
        # These rules may be none, and say that nobody needs the total.
        or isinstance(selection.pagination_rules, Continuation)
        or len(filters) > _MAX_KEPT_ITEMS
        or len(sorting) > _MAX_KEPT_ITEMS
    ):
        return None
    for criterion in sorting:
        if not isinstance(criterion, tuple) or len(criterion[0]) > _MAX_KEPT_CHARACTERS:
            return None
    kept = []
    for item in filters:
        field, value, _ = item
        kind = type(value)
        if (
            kind not in _KEPT_TYPES
            or len(field) > _MAX_KEPT_CHARACTERS
            or (kind is str and len(value) > _MAX_KEPT_CHARACTERS)
        ):
            return None
        kept.append((kind, Filter(*item)))
    return tuple(kept)
