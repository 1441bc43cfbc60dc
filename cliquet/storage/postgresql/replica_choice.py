"""The choice between the primary and a replica, for each read of the storage.

This is the only place that decides. A read may come from the replica if the request says so (see
:mod:`cliquet.transactions.reading`) and has not written. The counter of the collection is read in
the same statement: commits have its order, so that a replica with a counter that is not older than
what the client knows has everything that the client knows. Otherwise the primary is asked, and this
request then stays with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from cliquet.connections.postgresql.replica import (
    AVOIDED,
    FAILED,
    LATE,
    MISSING,
    SERVED,
    Replica,
)
from cliquet.connections.selected_aces import SelectedACEs, grouped
from cliquet.connections.selected_ids import SelectedIds
from cliquet.connections.sql import SQLClient
from cliquet.storage.exceptions import BackendError
from cliquet.storage.postgresql.steps import PostgreSQLSteps
from cliquet.storage.relational.queries import Queries
from cliquet.storage.relational.reading import Reader, record_of, touched
from cliquet.storage.relational.steps import HOME, Steps
from cliquet.storage.selection import CollectionKey, Names, Selection
from cliquet.storage.watching import Position
from cliquet.transactions import reading
from cliquet.types import ACEQuery, IdQuery, Record

__all__ = ["ChoosingReader"]

T = TypeVar("T")

# Both give the counter of the collection with the record, also if there is no record.
_COUNTED = (
    f"SELECT (SELECT last_modified FROM timestamps WHERE {HOME}) AS latest,"
    " last_modified, deleted, CAST(data AS TEXT)"
)
_FROM = f" FROM (SELECT 1) AS always LEFT JOIN records ON {HOME} AND id = %s"
_COUNTED_RECORD = f"{_COUNTED}{_FROM}"
_COUNTED_RECORD_AND_ACES = (
    f"{_COUNTED}, NULL AS permission, NULL AS principal{_FROM}"
    " UNION ALL SELECT NULL, NULL, NULL, NULL, permission, principal FROM ({aces}) AS aces"
)


class ChoosingReader(Reader):
    """Reads from a replica what may come from there, and everything else from the primary.

    Parameters
    ----------
    client, steps, queries, is_readonly : those of the primary.
    replica : the replica.

    Attributes
    ----------
    tell : is told of each read that the replica could serve what became of it; ``None`` if nobody
        wants to know.
    """

    tell: Callable[[str], None] | None = None

    def __init__(
        self,
        client: SQLClient,
        steps: Steps,
        queries: Queries,
        *,
        is_readonly: bool,
        replica: Replica,
    ) -> None:
        super().__init__(client, steps, queries, is_readonly=is_readonly)
        self._replica = replica
        steps_of_replica = PostgreSQLSteps(replica.client)
        self._copy = Reader(replica.client, steps_of_replica, queries, is_readonly=True)

    def timestamp(self, key: CollectionKey) -> int:
        def copied() -> tuple[int | None, int | None]:
            timestamp = self._copy.stored_timestamp(key)
            return timestamp, timestamp

        return self._chosen(copied, lambda: super(ChoosingReader, self).timestamp(key), int)

    def get(self, key: CollectionKey, object_id: str, names: Names) -> Record:
        return self._chosen(
            lambda: self._counted(key, object_id, names),
            lambda: super(ChoosingReader, self).get(key, object_id, names),
            lambda record: record[names.modified_field],
        )

    def find_with_aces(
        self, key: CollectionKey, object_id: str, names: Names, aces: ACEQuery
    ) -> tuple[Record | None, dict[str, set[str]]]:
        def copied() -> tuple[int | None, tuple[Record | None, dict[str, set[str]]] | None]:
            if isinstance(aces, SelectedACEs) and aces.replica is self._replica:
                return self._counted_with_aces(key, object_id, names, aces)
            counter, record = self._counted(key, object_id, names)
            return counter, None if record is None else (record, aces.read())

        if (
            isinstance(aces, SelectedACEs)
            and aces.client is self._client
            and aces.replica is not self._replica
        ):
            # Permissions are read from the primary, and so is what they permit.
            reading.end()
        return self._chosen(
            copied,
            lambda: super(ChoosingReader, self).find_with_aces(key, object_id, names, aces),
            lambda found: found[0][names.modified_field] if found[0] else None,
        )

    def first_ids(
        self, key: CollectionKey, ids: IdQuery, number: int, *, are_counted: bool
    ) -> tuple[list[str], int | None]:
        found, timestamp = super().first_ids(key, ids, number, are_counted=are_counted)
        reading.need(timestamp)
        return found, timestamp

    def positions(self, keys: Sequence[CollectionKey]) -> dict[CollectionKey, Position]:
        found = super().positions(keys)
        reading.need(max((one.timestamp for one in found.values()), default=None))
        return found

    def page(self, selection: Selection) -> tuple[list[Record], int]:
        def copied() -> tuple[int | None, tuple[list[Record], int]]:
            records, total = self._copy.page(selection)
            return getattr(records, "timestamp", None), (records, total)

        if any(
            isinstance(item.value, SelectedIds) and item.value.replica is not self._replica
            for item in selection.filters
        ):
            reading.end()
        return self._chosen(
            copied,
            lambda: super(ChoosingReader, self).page(selection),
            lambda found: getattr(found[0], "timestamp", None),
        )

    def rows(
        self, text: str, parameters: Sequence[Any], key: CollectionKey | None, *, raw: bool = False
    ) -> list[Any]:
        # What is read later must not be older than this.
        reading.end()
        return super().rows(text, parameters, key, raw=raw)

    def _row(self, key: CollectionKey, object_id: str) -> Any:
        reading.end()
        return super()._row(key, object_id)

    def _chosen(
        self,
        read_copy: Callable[[], tuple[int | None, T | None]],
        read: Callable[[], T],
        timestamp_of: Callable[[T], int | None],
    ) -> T:
        """Return what is read from the replica, or else from the primary.

        Parameters
        ----------
        read_copy : returns the counter of the collection on the replica, and what it found there.
            What is not there, or not any more, is asked of the primary too: a client may have just
            created it.
        read : reads the same from the primary.
        timestamp_of : returns the latest timestamp that such a result shows, in ms.
        """
        present = reading.present()
        if present is None:
            return read()
        needed, outcome = present.needed, None
        if self._client.current() is None:
            outcome, copy = self._tried(read_copy, present)
            if self.tell is not None:
                self.tell(outcome)
            if copy is not None:
                return copy
        reading.end()
        result = read()
        if outcome is LATE and needed:
            shown = timestamp_of(result)
            # A client may know the timestamp of another collection, or of another shard, which this
            # one has never reached. Then its replica is not late.
            if shown is not None and shown >= needed:
                self._replica.lacks(needed)
        return result

    def _tried(
        self, read_copy: Callable[[], tuple[int | None, T | None]], present: reading.Reading
    ) -> tuple[str, T | None]:
        """Return what became of a read from the replica, and what it found, if that may be used."""
        replica, needed = self._replica, present.needed
        if not replica.may_serve(needed):
            return AVOIDED, None
        try:
            counter, found = read_copy()
        except BackendError as error:
            replica.fail(error)
            return FAILED, None
        if counter is None or counter < needed:
            # Without a counter, it may also be that nobody has touched the collection.
            return LATE if needed else MISSING, None
        if found is None:
            return MISSING, None
        present.needed = counter
        return SERVED, found

    def _counted(
        self, key: CollectionKey, object_id: str, names: Names
    ) -> tuple[int | None, Record | None]:
        if not self._queries.dialect.can_hold(object_id):
            return None, None
        rows = self._replica.client.rows(_COUNTED_RECORD, (*key, *key, object_id))
        return self._record_of(rows[0], names, object_id)

    def _counted_with_aces(
        self, key: CollectionKey, object_id: str, names: Names, aces: SelectedACEs
    ) -> tuple[int | None, tuple[Record, dict[str, set[str]]] | None]:
        if not self._queries.dialect.can_hold(object_id):
            return None, None
        text = _COUNTED_RECORD_AND_ACES.format(aces=aces.query)
        rows = self._replica.client.rows(text, (*key, *key, object_id, *aces.parameters))
        # An ACE has a permission, and the row of the record has none.
        (row,) = (row for row in rows if row[4] is None)
        counter, record = self._record_of(row, names, object_id)
        pairs: Iterable[tuple[str, str]] = (row[4:] for row in rows if row[4] is not None)
        return counter, None if record is None else (record, grouped(pairs))

    def _record_of(
        self, row: Sequence[Any], names: Names, object_id: str
    ) -> tuple[int | None, Record | None]:
        counter, last_modified, deleted, data = row[:4]
        if last_modified is None or deleted:
            return touched(counter), None
        return touched(counter), record_of(
            self._steps, names, object_id, last_modified, deleted, data
        )
