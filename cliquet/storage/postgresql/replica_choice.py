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

from cliquet.connections.postgresql.replica import Replica
from cliquet.connections.selected_aces import SelectedACEs, grouped
from cliquet.connections.selected_ids import SelectedIds
from cliquet.connections.sql import SQLClient
from cliquet.storage.exceptions import BackendError
from cliquet.storage.postgresql.steps import PostgreSQLSteps
from cliquet.storage.relational.queries import Queries
from cliquet.storage.relational.reading import Reader, record_of, touched
from cliquet.storage.relational.steps import HOME, Steps
from cliquet.storage.selection import CollectionKey, Names, Selection
from cliquet.transactions import reading
from cliquet.types import ACEQuery, Record

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
    """

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

        found = self._copied(copied)
        return super().timestamp(key) if found is None else found

    def get(self, key: CollectionKey, object_id: str, names: Names) -> Record:
        found = self._copied(lambda: self._counted(key, object_id, names))
        return super().get(key, object_id, names) if found is None else found

    def find_with_aces(
        self, key: CollectionKey, object_id: str, names: Names, aces: ACEQuery
    ) -> tuple[Record | None, dict[str, set[str]]]:
        def copied() -> tuple[int | None, tuple[Record, dict[str, set[str]]] | None]:
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
        found = self._copied(copied)
        return super().find_with_aces(key, object_id, names, aces) if found is None else found

    def page(self, selection: Selection) -> tuple[list[Record], int]:
        def copied() -> tuple[int | None, tuple[list[Record], int]]:
            records, total = self._copy.page(selection)
            return getattr(records, "timestamp", None), (records, total)

        if any(
            isinstance(item.value, SelectedIds) and item.value.replica is not self._replica
            for item in selection.filters
        ):
            reading.end()
        found = self._copied(copied)
        return super().page(selection) if found is None else found

    def rows(self, text: str, parameters: Sequence[Any], key: CollectionKey | None) -> list[Any]:
        # What is read later must not be older than this.
        reading.end()
        return super().rows(text, parameters, key)

    def _row(self, key: CollectionKey, object_id: str) -> Any:
        reading.end()
        return super()._row(key, object_id)

    def _copied(self, read: Callable[[], tuple[int | None, T | None]]) -> T | None:
        """Return what a function reads from the replica; ``None`` if the primary has to be asked.

        Parameters
        ----------
        read : returns the counter of the collection and what it found. What is not there, or not
            any more, is asked of the primary too: a client may have just created it.
        """
        present = reading.present()
        if present is None:
            return None
        replica = self._replica
        if self._client.current() is None and replica.may_serve(present.needed):
            try:
                counter, found = read()
            except BackendError as error:
                replica.fail(error)
            else:
                if counter is not None and counter >= present.needed:
                    if found is not None:
                        present.needed = counter
                        return found
                elif present.needed:
                    replica.lacks(present.needed)
        reading.end()
        return None

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
