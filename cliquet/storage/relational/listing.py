"""Filters, sorting and pages of a list as SQL for PostgreSQL and SQLite.

These are pure functions of plain values. They do in SQL the same as
:mod:`cliquet.storage.listing.evaluation` does in Python, and a test with generated records proves
that both are equal. A :class:`ListingDialect` has the differences between the databases.

Data of a caller is never a part of the text: values are parameters, and the names of fields are
too, except in SQLite, which has them as hexadecimal digits (see its dialect). All placeholders are
``%s``. The conditions use the names of the columns of the table ``records``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from cliquet.connections.selected_ids import SelectedIds
from cliquet.core.globs import Pattern, after_prefix, is_pattern, literals_of
from cliquet.storage.query import Filter, PaginationRule, Sort
from cliquet.storage.relational.conditions import LIVE, condition, sort_expression
from cliquet.storage.relational.dialect import ListingDialect, compared
from cliquet.storage.relational.keyset import rules_condition
from cliquet.storage.relational.operators import ID
from cliquet.storage.relational.text import FALSE, SQL, all_of, any_of, joined
from cliquet.storage.selection import Names
from cliquet.storage.spreading import Parents

__all__ = [
    "SQL",
    "ListingDialect",
    "array_index",
    "count",
    "index",
    "matching",
    "order_by",
    "parent_condition",
    "reads_many_fields",
    "where",
]


_MAX_APART: Final = 2
"""Up to this number of filters, each reads the data of a record by itself, which is cheaper."""


def matching(
    dialect: ListingDialect,
    names: Names,
    filters: Sequence[Filter],
    indexed: frozenset[str] = frozenset(),
    entered: frozenset[str] = frozenset(),
) -> list[SQL]:
    """Return the conditions of filters, all of which must be true.

    They are made once for a page and its total.

    Parameters
    ----------
    indexed : fields with an index on their keys (:func:`index`).
    entered : fields of an index on several fields that fits the list.

    Raises
    ------
    ValueError : a value does not fit its operator.
    TypeError : a value is not JSON.
    """
    apart, together = _split(names, filters, indexed | entered)
    if dialect.compares_keys:
        indexed |= entered
    conditions = [condition(dialect, names, item, indexed, in_rule=False) for item in apart]
    if together:
        conditions.append(
            dialect.reading_once(
                together,
                lambda held: all_of(
                    condition(held, names, item, frozenset(), in_rule=False) for item in together
                ),
            )
        )
    return conditions


def where(
    dialect: ListingDialect,
    names: Names,
    matched: Sequence[SQL],
    *,
    pagination_rules: Sequence[PaginationRule] = (),
    include_deleted: bool,
    indexed: frozenset[str] = frozenset(),
) -> SQL:
    """Return the condition of a list on records, without that on their collection.

    Parameters
    ----------
    matched : conditions of the filters, from :func:`matching`.
    pagination_rules : rules of the page; an empty sequence means none.
    include_deleted : whether tombstones are listed too.
    indexed : fields with an index on their keys (:func:`index`).

    Raises
    ------
    ValueError : a value of a rule does not fit its operator.
    TypeError : a value of a rule is not JSON.
    """
    conditions = [*matched] if include_deleted else [LIVE, *matched]
    if pagination_rules:
        conditions.append(rules_condition(dialect, names, pagination_rules, indexed))
    return all_of(conditions)


def _split(
    names: Names, filters: Sequence[Filter], indexed: frozenset[str]
) -> tuple[Sequence[Filter], Sequence[Filter]]:
    """Separate filters that can use an index or a column from those that read the data together."""
    if len(filters) <= _MAX_APART:
        return filters, ()
    apart: list[Filter] = []
    together: list[Filter] = []
    uses: Counter[str] = Counter()
    for item in filters:
        uses[item.field] += 1
        is_column = item.field in names or isinstance(item.value, SelectedIds)
        # Two filters find a range in an index, and more of them only make it smaller.
        is_found = item.field in indexed and uses[item.field] <= _MAX_APART
        (apart if is_column or is_found else together).append(item)
    return (apart, together) if len(together) > _MAX_APART else (filters, ())


def reads_many_fields(names: Names, sorting: Sequence[Sort], indexed: frozenset[str]) -> bool:
    """Return whether an order reads so many fields that the record should be unpacked before.

    It should not be if an index on one of them may give the order.
    """
    fields = {field for field, _ in sorting if field not in names}
    return len(fields) > _MAX_APART and fields.isdisjoint(indexed)


def order_by(dialect: ListingDialect, names: Names, sorting: Sequence[Sort]) -> SQL:
    """Return the list after ``ORDER BY``, which is never empty."""
    items = []
    for field, direction in sorting:
        descends = direction < 0
        if field == names.deleted_field:
            # Tombstones have a boolean, which comes before the missing value of records.
            items.append(SQL("deleted ASC" if descends else "deleted DESC"))
        elif (expression := sort_expression(dialect, names, field)) is not None:
            way = "DESC" if descends else "ASC"
            items.append(SQL(f"{expression.text} {way}", expression.parameters))
    return joined(", ", items or [ID])


_PARENT: Final = SQL("parent_id")


def parent_condition(dialect: ListingDialect, parent_id: str) -> SQL:
    """Return the condition on the parent, which is an id or a pattern."""
    column = _PARENT
    if isinstance(parent_id, Parents):
        names = [one for one in parent_id.alternatives if not is_pattern(one)]
        patterns = [one for one in parent_id.alternatives if is_pattern(one)]
        return any_of(
            [
                *([dialect.text_is_in(column, names)] if names else []),
                *(parent_condition(dialect, one) for one in patterns),
            ]
        )
    if not is_pattern(parent_id):
        return compared(dialect, column, "=", parent_id)
    if not dialect.can_hold(parent_id):
        return FALSE
    prefix, *rest = literals_of(parent_id)
    conditions = []
    if prefix:
        conditions.append(compared(dialect, column, ">=", prefix))
        if (end := after_prefix(prefix)) is not None:
            conditions.append(compared(dialect, column, "<", end))
    if any(rest):
        conditions.append(dialect.text_matches(column, Pattern(parent_id)))
    return all_of(conditions)


def array_index(dialect: ListingDialect, collection_id: str, field: str) -> SQL | None:
    """Return the SQL after ``ON records`` for the index on the values within arrays, if any.

    It does not begin with the parent: such an index has columns of arrays alone.
    """
    key = dialect.array_index(field)
    if key is None:
        return None
    collection = dialect.literal(collection_id)
    return SQL(
        f"{key.text} WHERE NOT deleted AND collection_id = {collection.text}",
        (*key.parameters, *collection.parameters),
    )


def index(dialect: ListingDialect, collection_id: str, *fields: str) -> SQL:
    """Return the SQL after ``CREATE INDEX <name> ON records`` for the index on some fields.

    The index serves equality, ranges, and sorting by the last field of live records, among those
    that have given values of the other fields.

    Parameters
    ----------
    fields : names, with or without dots, that are not reserved.
    """
    *first, last = fields
    key = joined(
        ", ",
        [
            SQL(f"({part.text})", part.parameters)
            for part in (*map(dialect.equality_key, first), dialect.order_key(last))
        ],
    )
    collection = dialect.literal(collection_id)
    # There is no column for the collection: PostgreSQL drops a condition that the index implies,
    # and would search all the entries of a parent for the key.
    return SQL(
        f"(parent_id, {key.text}, last_modified DESC, id DESC)"
        f" WHERE NOT deleted AND collection_id = {collection.text}",
        (*key.parameters, *collection.parameters),
    )


def count(scope: SQL, where: SQL) -> SQL:
    """Return the query for the number of records for which both conditions are true."""
    return SQL(
        f"SELECT count(*) FROM records WHERE {scope.text} AND {where.text}",
        (*scope.parameters, *where.parameters),
    )
