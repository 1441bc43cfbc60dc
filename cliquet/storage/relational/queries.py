"""Selections of records as SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from cliquet.connections.selected_ids import SelectedIds
from cliquet.storage.query import Continuation, KnownTotal
from cliquet.storage.relational import listing
from cliquet.storage.relational.dialect import ListingDialect
from cliquet.storage.relational.steps import HOME
from cliquet.storage.relational.text import SQL, TRUE, joined
from cliquet.storage.selection import CollectionKey, Scope, Selection

__all__ = ["SELECT_HISTORY", "SELECT_TIMESTAMP", "Queries"]

SELECT_TIMESTAMP = f"SELECT last_modified FROM timestamps WHERE {HOME}"
SELECT_HISTORY = f"SELECT last_modified, purged, epoch FROM timestamps WHERE {HOME}"
_SELECT_LIVE = f"SELECT live FROM timestamps WHERE {HOME}"
_COLUMNS = "id, last_modified, deleted, data"
_NOT_INDEXED: frozenset[str] = frozenset()


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


class Queries:
    """Makes the queries of a storage.

    Parameters
    ----------
    dialect : differences between databases in the conditions of lists.
    indexed : declared fields by collection id.
    """

    def __init__(self, dialect: ListingDialect, indexed: Mapping[str, frozenset[str]]) -> None:
        self.dialect = dialect
        self._indexed = indexed

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
        place of that of a record, and the total in the last column. The total is -1 if the rows are
        all that match, or if nobody needs it. A union has no defined order, so that the first
        column has ranks. If the list has tombstones, two more columns have the history.

        Parameters
        ----------
        key : collection of the scope.
        """
        scope = self.scope(selection.scope)
        matched = self._matching(selection)
        rows = self._rows(_COLUMNS, scope, [*matched.filters, *matched.ids], selection)
        if not selection.filters and key is not None:
            total = SQL(_SELECT_LIVE, key)
        elif selection.limit or selection.pagination_rules:
            total = self._total(selection, scope, matched, include_deleted=False)
            rules = selection.pagination_rules
            if isinstance(rules, Continuation):
                if not rules.is_counted:
                    total = SQL("SELECT -1")
                elif rules.known_total is not None and key is not None:
                    total = _unless_known(total, rules.known_total, key)
        else:
            # Such a page contains all records, so that the filters need not be evaluated again.
            total = SQL("SELECT -1")
        if key is None:
            timestamp = SQL("SELECT CAST(NULL AS BIGINT)")
        elif selection.include_deleted:
            return _with_history(key, total, rows)
        else:
            timestamp = SQL(SELECT_TIMESTAMP, key)
        return SQL(
            f"SELECT 0 AS n, NULL AS id, ({timestamp.text}) AS last_modified, NULL AS deleted,"
            f" NULL AS data, ({total.text}) AS total"
            f" UNION ALL SELECT row_number() OVER () AS n, {_COLUMNS}, 0 AS total"
            f" FROM ({rows.text}) AS page",
            (*timestamp.parameters, *total.parameters, *rows.parameters),
        )

    def _matching(self, selection: Selection) -> _Matching:
        """Return the conditions of the filters, which are made once for a page and its total."""
        if not selection.filters:
            return _NO_FILTERS
        indexed = self._indexes_of(selection)
        match = partial(listing.matching, self.dialect, selection.names, indexed=indexed)
        ids = [item for item in selection.filters if isinstance(item.value, SelectedIds)]
        if not ids:
            return _Matching(match(selection.filters), ())
        others = [item for item in selection.filters if not isinstance(item.value, SelectedIds)]
        return _Matching(match(others), match(ids), [item.value for item in ids])

    def _total(
        self, selection: Selection, scope: SQL, matched: _Matching, *, include_deleted: bool
    ) -> SQL:
        """Return the query for the number of rows that match."""
        where = partial(
            listing.where, self.dialect, selection.names, include_deleted=include_deleted
        )
        are_all_asked = selection.scope.key is not None and not matched.filters
        if matched.ids and are_all_asked and not all(ids.are_few for ids in matched.queries):
            # To ask each record takes far longer than to find the ids that two queries share.
            rows = _joined("SELECT id FROM records WHERE ", scope, " AND ", where(matched.filters))
            common = joined(" INTERSECT ", [rows, *(ids.query for ids in matched.queries)])
            return _joined("SELECT count(*) FROM (", common, ") AS common")
        return _count(scope, where([*matched.filters, *matched.ids]))

    def _rows(self, columns: str, scope: SQL, matched: Sequence[SQL], selection: Selection) -> SQL:
        """Return the query for a page of the records for which these conditions are true."""
        dialect, source, condition = self.dialect, SQL("records"), scope
        names, sorting, indexed = selection.names, selection.sorting, self._indexes_of(selection)
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
        pieces: list[str | SQL] = [
            *(f"SELECT {columns} FROM ", source),
            *(" WHERE ", condition, " AND ", where),
        ]
        if sorting:
            pieces += [" ORDER BY ", listing.order_by(dialect, names, sorting)]
        if selection.limit:
            pieces.append(SQL(" LIMIT %s", (selection.limit,)))
        return _joined(*pieces)

    def _indexes_of(self, selection: Selection) -> frozenset[str]:
        return self._indexed.get(selection.scope.collection_id or "", _NOT_INDEXED)


def _joined(*pieces: str | SQL) -> SQL:
    return joined("", [SQL(piece) if isinstance(piece, str) else piece for piece in pieces])


def _with_history(key: CollectionKey, total: SQL, rows: SQL) -> SQL:
    """Return the query for a page, its total, and all that its collection says of itself."""
    return SQL(
        "SELECT 0 AS n, NULL AS id, counter.last_modified, NULL AS deleted, NULL AS data,"
        f" ({total.text}) AS total, counter.purged, counter.epoch"
        f" FROM (SELECT 1) AS always LEFT JOIN ({SELECT_HISTORY}) AS counter ON TRUE"
        f" UNION ALL SELECT row_number() OVER () AS n, {_COLUMNS}, 0 AS total, 0, ''"
        f" FROM ({rows.text}) AS page",
        (*total.parameters, *key, *rows.parameters),
    )


def _unless_known(count: SQL, known: KnownTotal, key: CollectionKey) -> SQL:
    """Return the query for a total that is known, if the collection is as it was then."""
    # Neither database runs the branch that it does not take.
    return SQL(
        f"SELECT CASE WHEN ({SELECT_TIMESTAMP}) = %s THEN %s ELSE ({count.text}) END",
        (*key, known.timestamp, known.total, *count.parameters),
    )


def _count(scope: SQL, where: SQL) -> SQL:
    return SQL(
        f"SELECT count(*) FROM records WHERE {scope.text} AND {where.text}",
        (*scope.parameters, *where.parameters),
    )
