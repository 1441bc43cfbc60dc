"""The indexes that a schema declares for one collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cliquet.storage.query import COMPARISON, MISSING, Filter, Sort

__all__ = ["NOTHING_DECLARED", "DeclaredIndexes"]


class Entered(NamedTuple):
    """The use of an index on several fields.

    Attributes
    ----------
    values : the values of all the fields but the last.
    fields : all its fields.
    """

    values: Mapping[str, Any]
    fields: frozenset[str]


NOT_ENTERED = Entered({}, frozenset())


class DeclaredIndexes(NamedTuple):
    """The indexes of a collection.

    Attributes
    ----------
    fields : fields with an index of their own.
    together : fields of each other index. It is in the order of the last one among the records that
        are equal in all the others.
    gin : fields with an index on the values within their arrays, if the database has such indexes.
    """

    fields: frozenset[str] = frozenset()
    together: tuple[tuple[str, ...], ...] = ()
    gin: frozenset[str] = frozenset()

    @classmethod
    def of(cls, given: Iterable[str | Sequence[str]], gin: Iterable[str] = ()) -> DeclaredIndexes:
        """Return the indexes that a schema has as names and sequences of names."""
        tuples = {(one,) if isinstance(one, str) else tuple(one) for one in given}
        return cls(
            frozenset(one[0] for one in tuples if len(one) == 1),
            tuple(sorted(one for one in tuples if len(one) > 1)),
            frozenset(gin),
        )

    def entered(self, filters: Sequence[Filter], sorting: Sequence[Sort]) -> Entered:
        """Return what an index on several fields can do for a list.

        It is one for which the list gives a value of each field but the last, and by whose last
        field it is sorted or filtered.
        """
        if not self.together:
            return NOT_ENTERED
        equal = {
            item.field: item.value
            for item in filters
            if item.operator is COMPARISON.EQ and item.value is not MISSING
        }
        used = {item.field for item in filters} | {field for field, _ in sorting}
        for *first, last in self.together:
            if last in used and equal.keys() >= set(first):
                return Entered({field: equal[field] for field in first}, frozenset((*first, last)))
        return NOT_ENTERED


NOTHING_DECLARED = DeclaredIndexes()
