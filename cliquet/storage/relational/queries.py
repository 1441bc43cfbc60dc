"""Selections of records as SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

from cliquet.connections.selected_ids import SelectedIds
from cliquet.core import jsonio
from cliquet.storage.page_text import BETWEEN_RECORDS
from cliquet.storage.query import Continuation, Filter, KnownTotal, Sort
from cliquet.storage.relational import listing
from cliquet.storage.relational.declared import NOTHING_DECLARED, DeclaredIndexes
from cliquet.storage.relational.dialect import ListingDialect
from cliquet.storage.relational.kept_filters import KEPT_PAGES, KeptFilter, kept_filters
from cliquet.storage.relational.operators import CONDITIONS
from cliquet.storage.relational.steps import HOME, SUM_LIVE
from cliquet.storage.relational.text import SQL, TRUE, joined, union_of
from cliquet.storage.selection import CollectionKey, Names, Scope, Selection
from cliquet.storage.spreading import Parents

__all__ = ["SELECT_HISTORY", "SELECT_TIMESTAMP", "Queries"]

SELECT_TIMESTAMP = f"SELECT last_modified FROM timestamps WHERE {HOME}"
SELECT_HISTORY = f"SELECT last_modified, purged, epoch FROM timestamps WHERE {HOME}"
_HOME_OF_COUNTER = "counter.parent_id = %s AND counter.collection_id = %s"
_SELECT_LIVE = f"SELECT live FROM timestamps WHERE {HOME}"
_COLUMNS = "id, last_modified, deleted, data"


class _Matching(NamedTuple):
    """The conditions of filters.

    Attributes
    ----------
    filters : conditions of all the others.
    ids : conditions of the filters whose values are queries for ids.
    queries : these values.
    """

    filters: Sequence[SQL]
    ids: Sequence[SQL]
    queries: Sequence[SelectedIds] = ()


_NO_FILTERS = _Matching((), ())
_NO_ORDER = SQL("")


class _Head(NamedTuple):
    """What a page reads of its collection, in one row if the collection has one.

    Attributes
    ----------
    history : columns with the horizon and the epoch, which are null if they are not wanted.
    source : the table of the columns; nothing for several collections.
    """

    timestamp: str
    history: str = "NULL, NULL"
    source: SQL = SQL("")


class Queries:
    """Makes the queries of a storage.

    Parameters
    ----------
    dialect : differences between databases in the conditions of lists.
    declared : declared indexes by collection id.
    """

    def __init__(self, dialect: ListingDialect, declared: Mapping[str, DeclaredIndexes]) -> None:
        self.dialect = dialect
        self._declared = declared
        # The same lists are asked for again and again, and differ in their values. The text of one
        # order is as long as a query string at most.
        self._order_by = lru_cache(maxsize=128)(partial(_order_by, dialect))
        self._entry = lru_cache(maxsize=16)(partial(_entry, dialect))
        self._kept_page = lru_cache(maxsize=KEPT_PAGES)(self._page_of)

    def scope(self, scope: Scope) -> SQL:
        """Return the condition on collections."""
        parent = listing.parent_condition(self.dialect, scope.parent_id)
        if scope.collection_id is None:
            return parent
        return SQL(
            f"{parent.text} AND collection_id = %s", (*parent.parameters, scope.collection_id)
        )

    def where(self, selection: Selection) -> SQL:
        """Return the condition of the filters on records, without that on their collection."""
        matched = self._matching(selection)
        return listing.where(
            self.dialect,
            selection.names,
            [*matched.filters, *matched.ids],
            include_deleted=selection.include_deleted,
        )

    def rows(self, selection: Selection, columns: str = _COLUMNS) -> SQL:
        """Return the query for the selected rows."""
        scope = self.scope(selection.scope)
        matched = self._matching(selection)
        return self._rows(columns, scope, [*matched.filters, *matched.ids], selection)

    def count(self, selection: Selection) -> SQL:
        """Return the query for the number of rows that match the filters."""
        key = selection.scope.key
        if key is not None and not selection.filters and not selection.include_deleted:
            return SQL(_SELECT_LIVE, key)
        scope, matched = self.scope(selection.scope), self._matching(selection)
        return self._total(selection, scope, matched, include_deleted=selection.include_deleted)

    def page(self, selection: Selection, key: CollectionKey | None) -> SQL:
        """Return the query for the selected rows, their total and the timestamp at one moment.

        The first row has the values of the whole list, even for an empty page: the timestamp in the
        place of that of a record, and the total. The last two columns have the history, if the list
        has tombstones. The total is -1 if the rows are all that match, or if nobody needs it. A
        union has no defined order, so that the first column has ranks. A collection that has no row
        of its own, and therefore no records, has no such row either. Where filters have queries for
        ids that can become out of date, one more column says whether they are not.

        Parameters
        ----------
        key : collection of the scope.
        """
        rows, head, total = self._parts_of_page(selection, key)
        current = _current(selection)
        return SQL(
            f"SELECT 0 AS n, NULL AS id, {head.timestamp} AS last_modified, NULL AS deleted,"
            f" NULL AS data, ({total.text}) AS total, {head.history}{current.text}"
            f"{head.source.text}"
            f" UNION ALL SELECT row_number() OVER () AS n, {_COLUMNS}, 0 AS total, 0, ''"
            f"{', 1' if current.text else ''} FROM ({rows.text}) AS page",
            (
                *total.parameters,
                *current.parameters,
                *head.source.parameters,
                *rows.parameters,
            ),
        )

    def page_as_text(self, selection: Selection, key: CollectionKey | None) -> SQL:
        """Return the same query with one row: the timestamp, the history, the total, and a text.

        There is none if a collection has no row of its own.

        The text has the number of the records, a space, and the JSON of the records with
        :data:`BETWEEN_RECORDS` between them. The limit of the selection makes the order of the page
        that of the text.
        """
        filters = None if key is None else kept_filters(selection)
        if filters is None:
            return self._made_page(selection, key)
        scope, names, _, sorting, _, limit, include_deleted, _ = selection
        rest = Selection(scope, names, (), tuple(sorting), (), limit, include_deleted)
        return self._kept_page(rest, filters, self._declared_for(selection))

    def _page_of(
        self, selection: Selection, filters: tuple[KeptFilter, ...], declared: DeclaredIndexes
    ) -> SQL:
        """Make the query of a page of which the filters are apart."""
        sorting = [Sort(*item) for item in selection.sorting]
        selection = selection._replace(filters=[item for _, item in filters], sorting=sorting)
        return self._made_page(selection, selection.scope.key)

    def _made_page(self, selection: Selection, key: CollectionKey | None) -> SQL:
        rows, head, total = self._parts_of_page(selection, key)
        entry = self._entry(selection.names)
        together = f"{self.dialect.concatenation}(entry, '{BETWEEN_RECORDS}')"
        text = f"count(*) || ' ' || coalesce({together}, '')"
        current = _current(selection)
        # It is made after the limit. To count the entries, the database would make each twice.
        return SQL(
            f"SELECT {head.timestamp}, {head.history}, ({total.text}),"
            f" (SELECT {self.dialect.raw(text)}"
            f" FROM (SELECT {entry.text} AS entry FROM ({rows.text}) AS page) AS entries)"
            f"{current.text}{head.source.text}",
            (
                *total.parameters,
                *entry.parameters,
                *rows.parameters,
                *current.parameters,
                *head.source.parameters,
            ),
        )

    def _parts_of_page(
        self, selection: Selection, key: CollectionKey | None
    ) -> tuple[SQL, _Head, SQL]:
        """Return the query for the rows of a page, what else it reads, and that for the total."""
        scope = self.scope(selection.scope)
        matched = self._matching(selection)
        rows = self._rows(_COLUMNS, scope, [*matched.filters, *matched.ids], selection)
        if not selection.filters and key is not None:
            total = SQL("counter.live")
        elif not selection.filters and isinstance(selection.scope.parent_id, Parents):
            total = SQL(SUM_LIVE + scope.text, scope.parameters)
        elif selection.limit or selection.pagination_rules:
            total = self._total(selection, scope, matched, include_deleted=False)
            rules = selection.pagination_rules
            if isinstance(rules, Continuation):
                if not rules.is_counted:
                    total = SQL("SELECT -1")
                elif rules.known_total is not None and key is not None:
                    total = _unless_known(total, rules.known_total)
        else:
            # Such a page contains all records, so that the filters need not be evaluated again.
            total = SQL("SELECT -1")
        return rows, _head(key, with_history=selection.include_deleted), total

    def _matching(self, selection: Selection) -> _Matching:
        """Return the conditions of the filters, which are made once for a page and its total."""
        if not selection.filters:
            return _NO_FILTERS
        declared = self._declared_for(selection)
        entered = declared.entered(selection.filters, selection.sorting)
        hints = [
            self.dialect.has_equality_key(field, self.dialect.as_stored(value))
            for field, value in entered.values.items()
        ]
        if declared.gin:
            hints += self._within_arrays(selection.filters, declared.gin)
        match = partial(
            listing.matching,
            self.dialect,
            selection.names,
            # One index is enough. The database would expect that each further condition makes the
            # result smaller, although it says the same.
            indexed=declared.fields.difference(entered.values),
            entered=entered.fields,
        )
        ids = [item for item in selection.filters if isinstance(item.value, SelectedIds)]
        if not ids:
            return _Matching([*hints, *match(selection.filters)], ())
        others = [item for item in selection.filters if not isinstance(item.value, SelectedIds)]
        return _Matching([*hints, *match(others)], match(ids), [item.value for item in ids])

    def _within_arrays(self, filters: Sequence[Filter], fields: frozenset[str]) -> list[SQL]:
        """Return the conditions that find the indexes on the values within arrays."""
        found = [
            CONDITIONS[item.operator].of_index_on_values(self.dialect, item.field, item.value)
            for item in filters
            if item.field in fields
        ]
        return [condition for condition in found if condition is not None]

    def _total(
        self, selection: Selection, scope: SQL, matched: _Matching, *, include_deleted: bool
    ) -> SQL:
        """Return the query for the number of rows that match."""
        where = partial(
            listing.where, self.dialect, selection.names, include_deleted=include_deleted
        )
        are_all_asked = selection.scope.key is not None and not matched.filters
        if matched.ids and are_all_asked and not all(ids.are_few for ids in matched.queries):
            # To ask each record takes far longer.
            if not self.dialect.compares_sets:
                return listing.count(scope, where([ids.is_found for ids in matched.queries]))
            rows = _joined("SELECT id FROM records WHERE ", scope, " AND ", where(matched.filters))
            common = joined(" INTERSECT ", [rows, *(ids.query for ids in matched.queries)])
            return _joined("SELECT count(*) FROM (", common, ") AS common")
        return listing.count(scope, where([*matched.filters, *matched.ids]))

    def _rows(self, columns: str, scope: SQL, matched: Sequence[SQL], selection: Selection) -> SQL:
        """Return the query for a page of the records for which these conditions are true."""
        parents = selection.scope.parent_id
        if selection.limit and isinstance(parents, Parents) and parents.are_names:
            return self._merged(columns, matched, selection, parents)
        dialect, source, condition = self.dialect, SQL("records"), scope
        names, sorting = selection.names, selection.sorting
        indexed = self._declared_for(selection).fields
        if listing.reads_many_fields(names, sorting, indexed):
            everything = listing.where(
                dialect, names, matched, include_deleted=selection.include_deleted, indexed=indexed
            )
            dialect, source = dialect.unpacking(
                _joined("SELECT * FROM records WHERE ", scope, " AND ", everything)
            )
            condition = TRUE
            selection = selection._replace(include_deleted=True)
            matched = ()
        where = listing.where(
            dialect,
            names,
            matched,
            pagination_rules=selection.pagination_rules,
            include_deleted=selection.include_deleted,
            indexed=indexed,
        )
        is_common = dialect is self.dialect
        order = (
            self._order_by(names, tuple(Sort(*item) for item in sorting))
            if is_common
            else _order_by(dialect, names, sorting)
        )
        limit, limits = (" LIMIT %s", (selection.limit,)) if selection.limit else ("", ())
        return SQL(
            f"SELECT {columns} FROM {source.text} WHERE {condition.text} AND {where.text}"
            f"{order.text}{limit}",
            (
                *source.parameters,
                *condition.parameters,
                *where.parameters,
                *order.parameters,
                *limits,
            ),
        )

    def _merged(
        self, columns: str, matched: Sequence[SQL], selection: Selection, parents: Parents
    ) -> SQL:
        """Return the query for a page of several parents, each of which finds its own page."""
        scopes = [selection.scope._replace(parent_id=one) for one in parents.alternatives]
        rest = selection._replace
        pages = [self._rows("*", self.scope(one), matched, rest(scope=one)) for one in scopes]
        order = _order_by(self.dialect, selection.names, selection.sorting)
        end = SQL(f") AS records{order.text} LIMIT %s", (*order.parameters, selection.limit))
        return joined("", [SQL(f"SELECT {columns} FROM ("), union_of(pages), end])

    def _declared_for(self, selection: Selection) -> DeclaredIndexes:
        return self._declared.get(selection.scope.collection_id or "", NOTHING_DECLARED)


def _order_by(dialect: ListingDialect, names: Names, sorting: Sequence[Sort]) -> SQL:
    """Return the end of a query that gives its rows an order."""
    if not sorting:
        return _NO_ORDER
    order = listing.order_by(dialect, names, sorting)
    return SQL(f" ORDER BY {order.text}", order.parameters)


def _entry(dialect: ListingDialect, names: Names) -> SQL:
    """Return the JSON text of a row."""
    id_name, modified_name, deleted_name = (jsonio.dumps(name).decode() for name in names)
    return dialect.entry(f"{id_name}:", f"{modified_name}:", tombstone=f"{{{deleted_name}:true")


def _joined(*pieces: str | SQL) -> SQL:
    return joined("", [SQL(piece) if isinstance(piece, str) else piece for piece in pieces])


def _head(key: CollectionKey | None, *, with_history: bool) -> _Head:
    if key is None:
        return _Head("CAST(NULL AS BIGINT)")
    # Queries of their own in the place of the columns would be planned one by one, which takes
    # PostgreSQL longer than to run them.
    source = SQL(f" FROM timestamps AS counter WHERE {_HOME_OF_COUNTER}", key)
    history = "counter.purged, counter.epoch" if with_history else "NULL, NULL"
    return _Head("counter.last_modified", history, source)


def _current(selection: Selection) -> SQL:
    """Return the column that says whether the queries for ids are current; nothing if none can."""
    values = [item.value for item in selection.filters if isinstance(item.value, SelectedIds)]
    conditions = [ids.is_current for ids in values if ids.is_current is not None]
    if not conditions:
        return SQL("")
    return _joined(", CASE WHEN ", joined(" AND ", conditions), " THEN 1 ELSE 0 END")


def _unless_known(count: SQL, known: KnownTotal) -> SQL:
    """Return the query for a total that is known, if the collection is as it was then."""
    # Neither database runs the branch that it does not take.
    return SQL(
        f"CASE WHEN counter.last_modified = %s THEN %s ELSE ({count.text}) END",
        (known.timestamp, known.total, *count.parameters),
    )
