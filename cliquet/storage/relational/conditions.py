"""A filter as a condition in SQL."""

from __future__ import annotations

import math
from typing import Any, Final

from cliquet.connections.selected_ids import SelectedIds
from cliquet.core.globs import WILDCARD, Pattern
from cliquet.storage.listing.evaluation import Entry, Test, compile_filter
from cliquet.storage.ordering import BOOLEAN, NUMBER, TEXT
from cliquet.storage.query import COMPARISON, MISSING, Filter
from cliquet.storage.relational.dialect import DESCENDING, OPERATORS, ListingDialect, compared
from cliquet.storage.relational.order_key import order_key
from cliquet.storage.relational.text import FALSE, SQL, TRUE, all_of, negated
from cliquet.storage.selection import Names

__all__ = [
    "DELETED",
    "ID",
    "LIVE",
    "MODIFIED",
    "TIMESTAMPS",
    "condition",
    "like_pattern",
    "sort_expression",
]

LIVE: Final = SQL("NOT deleted")
DELETED: Final = SQL("deleted")
ID: Final = SQL("id")
MODIFIED: Final = SQL("last_modified")

TIMESTAMPS: Final = range(-(2**63), 2**63)
"""The values that the column can contain."""

# A sample for conditions that have the same result for all ids, timestamps or records.
_ANY_RECORD: Final = Entry("", 0, {})
_ANY_TOMBSTONE: Final = Entry("", 0, None)


def sort_expression(dialect: ListingDialect, names: Names, field: str) -> SQL | None:
    """Return the expression to sort by, if records can differ in it."""
    if field == names.id_field:
        return ID
    if field == names.modified_field:
        return MODIFIED
    if field == names.deleted_field or not dialect.can_hold(field):
        return None
    return dialect.order_key(field)


def condition(
    dialect: ListingDialect, names: Names, item: Filter, indexed: frozenset[str], *, in_rule: bool
) -> SQL:
    """Return the condition of a filter.

    Parameters
    ----------
    indexed : fields with an index on their keys.
    in_rule : whether the filter belongs to a pagination rule, where order operators follow the
        total order, and `MISSING` is a normal value (X-16).

    Raises
    ------
    ValueError : the value does not fit the operator.
    TypeError : the value is not JSON.
    """
    field = item.field
    if isinstance(item.value, SelectedIds):
        return _selected_condition(names, item.value, item)
    # It refuses wrong values, as in Python, before anything is sent.
    keeps = compile_filter(item, names, in_rule=in_rule)
    if field == names.id_field:
        return _id_condition(dialect, item, keeps)
    if field == names.modified_field:
        return _modified_condition(dialect, item, keeps)
    if field == names.deleted_field:
        for_records = _constant(keeps)
        if _constant(keeps, _ANY_TOMBSTONE) == for_records:
            return for_records
        return LIVE if for_records == TRUE else DELETED
    if not dialect.can_hold(field):
        # No record can have such a field, so that all are like the empty record.
        return _constant(keeps)
    return _field_condition(dialect, item, field in indexed, in_rule=in_rule)


def _constant(keeps: Test, entry: Entry = _ANY_RECORD) -> SQL:
    """Return the result of a filter that is the same for all entries."""
    return TRUE if keeps(entry) else FALSE


def _id_condition(dialect: ListingDialect, item: Filter, keeps: Test) -> SQL:
    """Compare ids, which are all text, with text or numbers (B-6.10).

    Parameters
    ----------
    keeps : the filter in Python, which is used if the result is the same for all ids.
    """
    operator, value = item.operator, item.value
    if operator in (COMPARISON.IN, COMPARISON.EXCLUDE):
        texts = [
            text
            for member in value
            if (text := _as_id(member)) is not None and dialect.can_hold(text)
        ]
        return _in(operator, dialect.text_is_in(ID, texts) if texts else FALSE)
    if operator is COMPARISON.LIKE:
        return dialect.text_is_like(ID, like_pattern(value)) if dialect.can_hold(value) else FALSE
    if operator in OPERATORS and (text := _as_id(value)) is not None:
        return compared(dialect, ID, operator, text)
    return _constant(keeps)


def _selected_condition(names: Names, ids: SelectedIds, item: Filter) -> SQL:
    """Keep the records that another backend of the database finds."""
    if item.field != names.id_field or item.operator is not COMPARISON.IN:
        raise ValueError("Ids that are a query can only be asked whether the id is one of them.")
    return SQL(ids.condition, ids.condition_parameters)


def _as_id(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return str(value) if is_number else None


def _modified_condition(dialect: ListingDialect, item: Filter, keeps: Test) -> SQL:
    """Compare timestamps, which are all integers of 64 bits, with numbers (B-6.10).

    Parameters
    ----------
    keeps : the filter in Python, which is used if the result is the same for all timestamps.
    """
    operator, value = item.operator, item.value
    if operator in (COMPARISON.IN, COMPARISON.EXCLUDE):
        numbers = [
            int(member) for member in value if _is_near_timestamps(member) and member == int(member)
        ]
        return _in(operator, dialect.integer_is_in(MODIFIED, numbers) if numbers else FALSE)
    if operator not in OPERATORS or not _is_near_timestamps(value):
        return _constant(keeps)
    floor = math.floor(value)
    if floor != value:
        # The number is between two integers.
        if operator in (COMPARISON.EQ, COMPARISON.NOT):
            return _constant(keeps)
        operator = COMPARISON.MAX if operator in DESCENDING else COMPARISON.GT
    return SQL(f"last_modified {OPERATORS[operator]} %s", (floor,))


def _is_near_timestamps(value: Any) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and TIMESTAMPS[0] <= value <= TIMESTAMPS[-1]
    )


def _field_condition(
    dialect: ListingDialect, item: Filter, is_indexed: bool, *, in_rule: bool
) -> SQL:
    field, value, operator = item.field, item.value, item.operator
    if operator is COMPARISON.HAS:
        is_there = dialect.is_there(field)
        return is_there if value else negated(is_there)
    if operator is COMPARISON.LIKE:
        return dialect.is_like(field, like_pattern(value)) if dialect.can_hold(value) else FALSE
    if operator in (COMPARISON.CONTAINS, COMPARISON.CONTAINS_ANY):
        is_any = operator is COMPARISON.CONTAINS_ANY
        members = [dialect.as_stored(member) for member in value]
        return dialect.contains(field, members, is_any=is_any) if members or not is_any else FALSE
    if operator in (COMPARISON.EQ, COMPARISON.NOT, COMPARISON.IN, COMPARISON.EXCLUDE):
        members = [value] if operator in (COMPARISON.EQ, COMPARISON.NOT) else list(value)
        values = [dialect.as_stored(member) for member in members if member is not MISSING]
        or_missing = len(values) < len(members)
        if not members:
            return _in(operator, FALSE)
        is_indexed = is_indexed and operator in (COMPARISON.EQ, COMPARISON.IN)
        found = dialect.is_in(field, values, or_missing=or_missing, is_indexed=is_indexed)
        return _in(operator, found)
    return _order_condition(dialect, field, operator, value, in_rule=in_rule)


def _in(operator: COMPARISON, condition: SQL) -> SQL:
    return condition if operator in (COMPARISON.IN, COMPARISON.EQ) else negated(condition)


def _order_condition(
    dialect: ListingDialect, field: str, operator: COMPARISON, value: Any, *, in_rule: bool
) -> SQL:
    key = order_key(dialect.as_stored(value))
    expression = dialect.order_key(field)
    is_in_order = compared(dialect, expression, operator, key, is_key=True)
    if in_rule:
        return is_in_order
    rank = int(key[0])
    if rank not in (TEXT, NUMBER, BOOLEAN) or value != value:
        return FALSE
    # Only values of the same type are compared: a key begins with the rank of its type.
    if operator in DESCENDING:
        bound = compared(dialect, expression, COMPARISON.MIN, str(rank), is_key=True)
    else:
        bound = compared(dialect, expression, COMPARISON.LT, str(rank + 1), is_key=True)
    return all_of([bound, is_in_order])


def like_pattern(value: str) -> Pattern:
    """Return the pattern of a ``like_`` filter; without a star, it may match anywhere (B-21.16)."""
    return Pattern(value) if WILDCARD in value else Pattern.of("", value, "")
