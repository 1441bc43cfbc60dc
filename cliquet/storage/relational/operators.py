"""The operators of filters in SQL: one condition for each member of ``COMPARISON``.

What they mean in Python, which must be the same, is in ``cliquet/storage/operators.py``. Where a
condition needs a new word of SQL, the dialects have it.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cliquet.storage.operators import COMPARISON, like_pattern
from cliquet.storage.ordering import BOOLEAN, MISSING, NUMBER, TEXT
from cliquet.storage.relational.dialect import DESCENDING, ListingDialect, Sign, compared
from cliquet.storage.relational.order_key import order_key
from cliquet.storage.relational.text import FALSE, SQL, all_of, negated

__all__ = ["CONDITIONS", "ID", "MODIFIED", "TIMESTAMPS"]

ID: Final = SQL("id")
MODIFIED: Final = SQL("last_modified")

TIMESTAMPS: Final = range(-(2**63), 2**63)
"""The values that the column can contain."""


class Condition(abc.ABC):
    """What an operator is in SQL, for values that suit it.

    Ids are all text and timestamps are all integers of 64 bits. The condition on one of them is
    ``None`` if it has the same result for all; the meaning in Python then gives this result.
    """

    def of_id(self, dialect: ListingDialect, value: Any) -> SQL | None:
        """Return the condition on the id."""
        return None

    def of_timestamp(self, dialect: ListingDialect, value: Any) -> SQL | None:
        """Return the condition on the timestamp."""
        return None

    @abc.abstractmethod
    def of_field(
        self, dialect: ListingDialect, field: str, value: Any, *, is_indexed: bool, in_rule: bool
    ) -> SQL:
        """Return the condition on a field that the database can hold.

        Parameters
        ----------
        is_indexed : whether there is an index on the keys of the field.
        in_rule : whether the filter belongs to a pagination rule.
        """

    def of_index_on_values(self, dialect: ListingDialect, field: str, value: Any) -> SQL | None:
        """Return a weaker condition that an index on the values within arrays can answer."""
        return None


@dataclass(frozen=True)
class _Compared(Condition):
    """A comparison of two values by a sign that SQL has too."""

    sign: Sign

    def of_id(self, dialect: ListingDialect, value: Any) -> SQL | None:
        text = _as_id(value)
        return None if text is None else compared(dialect, ID, self.sign, text)

    def of_timestamp(self, dialect: ListingDialect, value: Any) -> SQL | None:
        if not _is_near_timestamps(value):
            return None
        floor = math.floor(value)
        sign = self.sign if floor == value else self._between_integers()
        return SQL(f"last_modified {sign} %s", (floor,)) if sign else None

    def _between_integers(self) -> Sign | None:
        """Return the sign for the integer before a number that is none, if it is not constant."""
        return None


class _Equality(_Compared):
    def of_field(
        self, dialect: ListingDialect, field: str, value: Any, *, is_indexed: bool, in_rule: bool
    ) -> SQL:
        return _is_one(dialect, field, [value], is_wanted=self.sign == "=", is_indexed=is_indexed)


class _Order(_Compared):
    def _between_integers(self) -> Sign | None:
        return "<=" if self.sign in DESCENDING else ">"

    def of_field(
        self, dialect: ListingDialect, field: str, value: Any, *, is_indexed: bool, in_rule: bool
    ) -> SQL:
        key = order_key(dialect.as_stored(value))
        expression = dialect.order_key(field)
        is_in_order = compared(dialect, expression, self.sign, key, is_key=True)
        if in_rule:
            return is_in_order
        rank = int(key[0])
        if rank not in (TEXT, NUMBER, BOOLEAN) or value != value:
            return FALSE
        # Only values of the same type are compared: a key begins with the rank of its type.
        if self.sign in DESCENDING:
            bound = compared(dialect, expression, ">=", str(rank), is_key=True)
        else:
            bound = compared(dialect, expression, "<", str(rank + 1), is_key=True)
        return all_of([bound, is_in_order])


@dataclass(frozen=True)
class _Membership(Condition):
    is_wanted: bool

    def of_id(self, dialect: ListingDialect, value: Any) -> SQL | None:
        texts = [
            text
            for member in value
            if (text := _as_id(member)) is not None and dialect.can_hold(text)
        ]
        return _or_not(dialect.text_is_in(ID, texts) if texts else FALSE, is_wanted=self.is_wanted)

    def of_timestamp(self, dialect: ListingDialect, value: Any) -> SQL | None:
        numbers = [
            int(member) for member in value if _is_near_timestamps(member) and member == int(member)
        ]
        found = dialect.integer_is_in(MODIFIED, numbers) if numbers else FALSE
        return _or_not(found, is_wanted=self.is_wanted)

    def of_field(
        self, dialect: ListingDialect, field: str, value: Any, *, is_indexed: bool, in_rule: bool
    ) -> SQL:
        members = list(value)
        return _is_one(dialect, field, members, is_wanted=self.is_wanted, is_indexed=is_indexed)


class _Likeness(Condition):
    def of_id(self, dialect: ListingDialect, value: Any) -> SQL | None:
        return dialect.text_is_like(ID, like_pattern(value)) if dialect.can_hold(value) else FALSE

    def of_field(
        self, dialect: ListingDialect, field: str, value: Any, *, is_indexed: bool, in_rule: bool
    ) -> SQL:
        return dialect.is_like(field, like_pattern(value)) if dialect.can_hold(value) else FALSE


class _Presence(Condition):
    def of_field(
        self, dialect: ListingDialect, field: str, value: Any, *, is_indexed: bool, in_rule: bool
    ) -> SQL:
        return _or_not(dialect.is_there(field), is_wanted=value)


@dataclass(frozen=True)
class _Content(Condition):
    is_any: bool

    def of_field(
        self, dialect: ListingDialect, field: str, value: Any, *, is_indexed: bool, in_rule: bool
    ) -> SQL:
        if self.is_any and not value:
            return FALSE
        return dialect.contains(field, _stored(dialect, value), is_any=self.is_any)

    def of_index_on_values(self, dialect: ListingDialect, field: str, value: Any) -> SQL | None:
        if not value:
            return None
        return dialect.may_contain(field, _stored(dialect, value), is_any=self.is_any)


CONDITIONS: Final[Mapping[COMPARISON, Condition]] = {
    COMPARISON.LT: _Order("<"),
    COMPARISON.MIN: _Order(">="),
    COMPARISON.MAX: _Order("<="),
    COMPARISON.NOT: _Equality("<>"),
    COMPARISON.EQ: _Equality("="),
    COMPARISON.GT: _Order(">"),
    COMPARISON.IN: _Membership(is_wanted=True),
    COMPARISON.EXCLUDE: _Membership(is_wanted=False),
    COMPARISON.LIKE: _Likeness(),
    COMPARISON.HAS: _Presence(),
    COMPARISON.CONTAINS: _Content(is_any=False),
    COMPARISON.CONTAINS_ANY: _Content(is_any=True),
}
"""The condition of each operator."""


def _stored(dialect: ListingDialect, members: Sequence[Any]) -> list[Any]:
    return [dialect.as_stored(member) for member in members]


def _is_one(
    dialect: ListingDialect, field: str, members: list[Any], *, is_wanted: bool, is_indexed: bool
) -> SQL:
    """Return the condition that a field has one of several values, or none of them."""
    if not members:
        return _or_not(FALSE, is_wanted=is_wanted)
    values = [dialect.as_stored(member) for member in members if member is not MISSING]
    found = dialect.is_in(
        field,
        values,
        or_missing=len(values) < len(members),
        is_indexed=is_indexed and is_wanted,
    )
    return _or_not(found, is_wanted=is_wanted)


def _or_not(condition: SQL, *, is_wanted: bool) -> SQL:
    return condition if is_wanted else negated(condition)


def _as_id(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return str(value) if is_number else None


def _is_near_timestamps(value: Any) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and TIMESTAMPS[0] <= value <= TIMESTAMPS[-1]
    )
