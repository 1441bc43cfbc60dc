"""Filters, sorting and pages of a listing, as SQL for PostgreSQL and SQLite.

Pure functions of plain values; they say in SQL what :mod:`cliquet.storage.listing.evaluation` says
in Python, and a property test proves them equal. What differs between the databases is a
:class:`Dialect`.

What a caller gives is never part of the text: values are parameters, and so are the names of
fields, which SQLite has as hexadecimal digits (see its dialect). All placeholders are ``%s``. The
conditions read the columns of the table ``records`` by their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from cliquet.connections.selected_ids import SelectedIds
from cliquet.core.globs import Pattern, after_prefix, is_pattern, literals_of
from cliquet.storage.query import COMPARISON, Filter, PaginationRule, Sort
from cliquet.storage.relational.conditions import ID, LIVE, condition, sort_expression
from cliquet.storage.relational.dialect import Dialect, compared
from cliquet.storage.relational.keyset import rules_condition
from cliquet.storage.relational.text import FALSE, SQL, all_of, joined
from cliquet.storage.selection import Names

__all__ = [
    "SQL",
    "Dialect",
    "index",
    "matching",
    "order_by",
    "parent_condition",
    "reads_many_fields",
    "where",
]


_MAX_APART: Final = 2
"""Filters on the data of a record up to which each reads it for itself, which costs less then."""


def matching(
    dialect: Dialect,
    names: Names,
    filters: Sequence[Filter],
    indexed: frozenset[str] = frozenset(),
) -> list[SQL]:
    """Return the conditions of filters, all of which must hold.

    They are made once for a page and its total.

    Parameters
    ----------
    indexed : fields with an index on their keys (:func:`index`).

    Raises
    ------
    ValueError : a value does not suit its operator.
    TypeError : a value is not JSON.
    """
    apart, together = _split(names, filters, indexed)
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
    dialect: Dialect,
    names: Names,
    matched: Sequence[SQL],
    *,
    pagination_rules: Sequence[PaginationRule] = (),
    include_deleted: bool,
    indexed: frozenset[str] = frozenset(),
) -> SQL:
    """Return the condition that a listing puts to records, apart from their collection.

    Parameters
    ----------
    matched : the conditions of its filters, from :func:`matching`.
    pagination_rules : an empty sequence means none (B-6.25).
    include_deleted : whether tombstones are listed too.
    indexed : fields with an index on their keys (:func:`index`).

    Raises
    ------
    ValueError : a value of a rule does not suit its operator.
    TypeError : a value of a rule is not JSON.
    """
    conditions = [*matched] if include_deleted else [LIVE, *matched]
    if pagination_rules:
        conditions.append(rules_condition(dialect, names, pagination_rules, indexed))
    return all_of(conditions)


def _split(
    names: Names, filters: Sequence[Filter], indexed: frozenset[str]
) -> tuple[Sequence[Filter], Sequence[Filter]]:
    """Tell filters that an index or a column may answer from those that read the data together."""
    if len(filters) <= _MAX_APART:
        return filters, ()
    apart: list[Filter] = []
    together: list[Filter] = []
    uses: Counter[str] = Counter()
    for item in filters:
        uses[item.field] += 1
        is_column = item.field in names or isinstance(item.value, SelectedIds)
        # Two find a range in an index; what is more only narrows it.
        is_found = item.field in indexed and uses[item.field] <= _MAX_APART
        (apart if is_column or is_found else together).append(item)
    return (apart, together) if len(together) > _MAX_APART else (filters, ())


def reads_many_fields(names: Names, sorting: Sequence[Sort], indexed: frozenset[str]) -> bool:
    """Whether an order reads so many fields that the record should be unpacked beforehand.

    Not if an index on one of them may give the order.
    """
    fields = {field for field, _ in sorting if field not in names}
    return len(fields) > _MAX_APART and fields.isdisjoint(indexed)


def order_by(dialect: Dialect, names: Names, sorting: Sequence[Sort]) -> SQL:
    """Return the list that follows ``ORDER BY``; it is never empty (B-6.17 to B-6.19)."""
    items = []
    for field, direction in sorting:
        descends = direction < 0
        if field == names.deleted_field:
            # Tombstones hold a boolean, which comes before what records do not hold (B-6.18).
            items.append(SQL("deleted ASC" if descends else "deleted DESC"))
        elif (expression := sort_expression(dialect, names, field)) is not None:
            way = "DESC" if descends else "ASC"
            items.append(SQL(f"{expression.text} {way}", expression.parameters))
    return joined(", ", items or [ID])


def parent_condition(dialect: Dialect, parent_id: str) -> SQL:
    """Return the condition on the parent: an id, or a pattern of them (B-21.19, B-22.43)."""
    column = SQL("parent_id")
    if not is_pattern(parent_id):
        return compared(dialect, column, COMPARISON.EQ, parent_id)
    if not dialect.can_hold(parent_id):
        return FALSE
    prefix, *rest = literals_of(parent_id)
    conditions = []
    if prefix:
        conditions.append(compared(dialect, column, COMPARISON.MIN, prefix))
        if (end := after_prefix(prefix)) is not None:
            conditions.append(compared(dialect, column, COMPARISON.LT, end))
    if any(rest):
        conditions.append(dialect.text_matches(column, Pattern(parent_id)))
    return all_of(conditions)


def index(dialect: Dialect, collection_id: str, field: str) -> SQL:
    """Return what follows ``CREATE INDEX <name> ON records`` for the index on a field (E-10).

    It serves equality, ranges, and sorting on the field of the live records.

    Parameters
    ----------
    field : a name, dotted or not; not one of the reserved ones.
    """
    key = dialect.order_key(field)
    collection = dialect.literal(collection_id)
    # Without a column for the collection: PostgreSQL drops a condition that the index implies, and
    # would look for the key through all the entries of a parent.
    return SQL(
        f"(parent_id, ({key.text}), last_modified DESC, id DESC)"
        f" WHERE NOT deleted AND collection_id = {collection.text}",
        (*key.parameters, *collection.parameters),
    )
