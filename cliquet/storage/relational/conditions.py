"""A filter as a condition in SQL."""

from __future__ import annotations

from typing import Final

from cliquet.connections.selected_ids import SelectedIds
from cliquet.storage.listing.evaluation import Entry, Test, compile_filter
from cliquet.storage.query import COMPARISON, Filter
from cliquet.storage.relational.dialect import ListingDialect
from cliquet.storage.relational.operators import CONDITIONS, ID, MODIFIED
from cliquet.storage.relational.text import FALSE, SQL, TRUE
from cliquet.storage.selection import Names

__all__ = ["DELETED", "LIVE", "condition", "sort_expression"]

LIVE: Final = SQL("NOT deleted")
DELETED: Final = SQL("deleted")

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
        total order, and `MISSING` is a normal value.

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
    made = CONDITIONS[item.operator]
    if field == names.id_field:
        found = made.of_id(dialect, item.value)
        return _constant(keeps) if found is None else found
    if field == names.modified_field:
        found = made.of_timestamp(dialect, item.value)
        return _constant(keeps) if found is None else found
    if field == names.deleted_field:
        for_records = _constant(keeps)
        if _constant(keeps, _ANY_TOMBSTONE) == for_records:
            return for_records
        return LIVE if for_records == TRUE else DELETED
    if not dialect.can_hold(field):
        # No record can have such a field, so that all are like the empty record.
        return _constant(keeps)
    return made.of_field(dialect, field, item.value, is_indexed=field in indexed, in_rule=in_rule)


def _constant(keeps: Test, entry: Entry = _ANY_RECORD) -> SQL:
    """Return the result of a filter that is the same for all entries."""
    return TRUE if keeps(entry) else FALSE


def _selected_condition(names: Names, ids: SelectedIds, item: Filter) -> SQL:
    """Keep the records that another backend of the database finds."""
    if item.field != names.id_field or item.operator is not COMPARISON.IN:
        raise ValueError("Ids that are a query can only be asked whether the id is one of them.")
    return SQL(ids.condition, ids.condition_parameters)
