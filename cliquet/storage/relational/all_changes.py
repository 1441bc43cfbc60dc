"""The changes of a collection as the storages in PostgreSQL and SQLite read them.

One statement reads the records, the departures, what there is now of the records that departed, and
the state of the collection. Therefore all of it belongs to one moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cliquet.storage.changes import Change, Changes, Wanted, in_order, order_of
from cliquet.storage.departures import DepartureKind
from cliquet.storage.history import History
from cliquet.storage.listing.evaluation import Entry, apply_filters
from cliquet.storage.query import Filter
from cliquet.storage.relational.departures import departed
from cliquet.storage.relational.queries import Queries
from cliquet.storage.relational.reading import Reader, record_of, touched
from cliquet.storage.relational.steps import HOME, Steps
from cliquet.storage.relational.text import SQL, joined
from cliquet.storage.selection import CollectionKey, Names, Scope, Selection
from cliquet.types import Record

__all__ = ["ChangeReader"]

_LATE = DepartureKind.LATE.value

# The rows of each part have their columns in the same places. A collection without a row of its own
# has none of this part.
_STATE = (
    "SELECT 0 AS part, last_modified AS position, NULL AS id, epoch AS kind,"
    f" purged AS last_modified, NULL AS deleted, NULL AS data FROM timestamps WHERE {HOME}"
)
_CHANGED = "SELECT 1, last_modified, id, NULL, last_modified, deleted, data FROM ({}) AS changed"
_DEPARTED = (
    "SELECT 2, departed.last_modified, departed.id, kind, present.last_modified, present.deleted,"
    f" CASE WHEN kind = '{_LATE}' THEN present.data END FROM ({{}}) AS departed"
)
# PostgreSQL could otherwise find out of each record of the collection whether the user may read it.
_PRESENT = {
    False: " LEFT JOIN ({}) AS present ON present.id = departed.id",
    # The limit keeps the condition on the id in its place.
    True: " LEFT JOIN LATERAL ({} AND records.id = departed.id LIMIT 1) AS present ON TRUE",
}


class ChangeReader:
    """Reads the changes of a collection."""

    def __init__(self, steps: Steps, queries: Queries, reader: Reader) -> None:
        self._steps = steps
        self._queries = queries
        self._reader = reader

    def read(self, key: CollectionKey, wanted: Wanted, names: Names) -> Changes:
        """Return the changes. A collection that was never touched gets the present time."""
        text, parameters = self._query(key, wanted, names)
        state: Any = None
        timestamp = None
        while timestamp is None:
            rows = self._reader.rows(text, parameters, key)
            state = next((row for row in rows if row[0] == 0), None)
            timestamp = None if state is None else touched(state[1])
            if timestamp is None:
                self._reader.timestamp(key)
        found = [self._change(names, *row) for row in rows if row[0] != 0]
        found = in_order(found, wanted.limit)
        if wanted.filters:
            found = [_judged(one, wanted.filters, names) for one in found]
        return Changes(timestamp, History(state[4], state[3]), found)

    def _query(self, key: CollectionKey, wanted: Wanted, names: Names) -> SQL:
        scope = Scope(collection_id=key.collection_id, parent_id=key.parent_id)
        changed = Selection(
            scope,
            names,
            wanted.filters_of_changed(names),
            order_of(names),
            wanted.rules(names),
            limit=wanted.limit,
            include_deleted=True,
        )
        present = Selection(scope, names, wanted.of_ids(names), include_deleted=True)
        parts = [
            SQL(_STATE, key),
            _filled(_CHANGED, self._queries.rows(changed)),
            _filled(
                _DEPARTED + _PRESENT[self._queries.dialect.has_lateral_joins],
                departed(self._queries.dialect, key, wanted),
                self._queries.rows(present),
            ),
        ]
        return joined(" UNION ALL ", parts)

    def _change(
        self,
        names: Names,
        part: int,
        position: int,
        object_id: str,
        kind: str | None,
        last_modified: int | None,
        deleted: Any,
        data: Any,
    ) -> Change:
        record: Record | None = None
        if deleted or data is not None:
            assert last_modified is not None  # noqa: S101 - a row has all of them
            record = record_of(self._steps, names, object_id, last_modified, deleted, data)
        elif last_modified is not None:
            # There is a record, whose data nobody needs.
            record = {names.id_field: object_id, names.modified_field: last_modified}
        return Change(position, object_id, DepartureKind(kind) if part == 2 else None, record)


def _judged(change: Change, filters: Sequence[Filter], names: Names) -> Change:
    """Say of a change whether its record matches filters.

    There is a page of them: this costs less than a condition in the statement, which would have to
    unpack the data of each.
    """
    if change.record is None:
        return change
    entry = Entry.from_record(change.record, names)
    return change._replace(matches=bool(apply_filters([entry], filters, names)))


def _filled(text: str, *queries: SQL) -> SQL:
    """Put queries into their places in a text."""
    values: Iterable[Any] = (value for query in queries for value in query.parameters)
    return SQL(text.format(*(query.text for query in queries)), tuple(values))
