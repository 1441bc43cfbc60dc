"""The reads of the storages in PostgreSQL and SQLite: records, pages, counts, timestamps.

A page, its total and the timestamp of the collection come from one statement, and therefore belong
to one moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import orjson

from cliquet.connections.attempts import attempts
from cliquet.connections.selected_aces import SelectedACEs, grouped
from cliquet.connections.selected_ids import SelectedIds
from cliquet.connections.sql import Session, SQLClient
from cliquet.storage.base import Page
from cliquet.storage.exceptions import ReadonlyError, RecordNotFoundError
from cliquet.storage.history import History
from cliquet.storage.page_text import GivenText, is_told_as_it_is
from cliquet.storage.relational.queries import SELECT_HISTORY, SELECT_TIMESTAMP, Queries
from cliquet.storage.relational.steps import (
    LIVE_WITH_ACES,
    NEVER_TOUCHED,
    SELECT_LIVE,
    SELECT_ONE,
    SELECT_SOME,
    Steps,
    is_known_live,
)
from cliquet.storage.relational.text import SQL
from cliquet.storage.selection import CollectionKey, Names, Selection
from cliquet.storage.watching import Position
from cliquet.types import ACEQuery, IdQuery, Record

__all__ = ["Reader", "record_of", "touched"]

_TIMESTAMPS = (
    "SELECT parent_id, last_modified FROM timestamps"
    " WHERE collection_id = %s AND last_modified > %s"
)


class _ReadPage(NamedTuple):
    """A page as the database gives it.

    Attributes
    ----------
    history : the horizon and the epoch of the collection, if they were wanted.
    """

    timestamp: int | None
    history: tuple[Any, Any]
    total: int
    page: Page


class Reader:
    """The part of a storage in SQL that reads.

    Parameters
    ----------
    is_readonly : whether the service never writes.
    """

    _replica: Any = None

    def __init__(
        self, client: SQLClient, steps: Steps, queries: Queries, *, is_readonly: bool
    ) -> None:
        self._client = client
        self._steps = steps
        self._queries = queries
        self._is_readonly = is_readonly

    def timestamp(self, key: CollectionKey) -> int:
        timestamp = self.stored_timestamp(key)
        if timestamp is not None:
            return timestamp
        if self._is_readonly:
            raise ReadonlyError(message="The collection was never touched, and cannot be.")
        for _ in attempts("To give a collection its first timestamp"):
            # If somebody else was faster, the timestamp is read again.
            timestamp = self._steps.first_access(key) or self.stored_timestamp(key)
            if timestamp is not None:
                break
        assert timestamp is not None  # noqa: S101 - else the attempts were used up
        return timestamp

    def timestamps(self, collection_id: str) -> dict[str, int]:
        return dict(self.rows(_TIMESTAMPS, (collection_id, NEVER_TOUCHED), None))

    def history(self, key: CollectionKey) -> History:
        rows = self.rows(SELECT_HISTORY, key, key)
        return _history(*rows[0]) if rows else History()

    def positions(self, keys: Sequence[CollectionKey]) -> dict[CollectionKey, Position]:
        with self._client.connect(readonly=True) as session:
            rows = self._steps.positions(session, keys)
        return {
            CollectionKey(parent_id=parent_id, collection_id=collection_id): Position(stamp, epoch)
            for parent_id, collection_id, stamp, epoch in rows
            if stamp != NEVER_TOUCHED
        }

    def get(self, key: CollectionKey, object_id: str, names: Names) -> Record:
        row = self._row(key, object_id)
        if row is None or row[1]:
            raise RecordNotFoundError(object_id)
        return record_of(self._steps, names, object_id, *row)

    def find_many(
        self, key: CollectionKey, object_ids: Sequence[str], names: Names
    ) -> list[Record]:
        """Return the live records with these ids."""
        held, can_hold = object_ids, self._queries.dialect.can_hold
        # What is in one of them is in all of them together.
        if not can_hold("".join(object_ids)):
            held = [object_id for object_id in object_ids if can_hold(object_id)]
        if not held:
            return []
        places = ", ".join(["%s"] * len(held))
        session = self._client.current()
        if session is None or key not in session.locked:
            rows = self.rows(SELECT_LIVE.format(ids=places), (*key, *held), key)
            return [record_of(self._steps, names, *row) for row in rows]
        rows = self.rows(SELECT_SOME.format(ids=places), (*key, *held), key)
        # Under the lock, a write need not ask again which of them there are.
        session.memo |= {(key, object_id): (None,) for object_id in held}
        session.memo |= {(key, object_id): (row,) for object_id, *row in rows}
        return [record_of(self._steps, names, *row) for row in rows if not row[2]]

    def find_with_aces(
        self,
        key: CollectionKey,
        object_id: str,
        names: Names,
        aces: ACEQuery,
    ) -> tuple[Record | None, dict[str, set[str]]]:
        """Return a live record, or ``None``, and ACEs."""
        if (
            isinstance(aces, SelectedACEs)
            and aces.client is self._client
            and self._queries.dialect.can_hold(object_id)
        ):
            session = self._client.current()
            if session is None or key not in session.locked:
                return self._live_with_aces(session, key, object_id, names, aces)
            query = SQL(aces.query, aces.parameters)
            row, pairs = self._steps.locked_row(session, key, object_id, query)
            found = grouped(pairs)
        else:
            row = self._row(key, object_id)
            found = aces.read()
        if row is None or row[1]:
            return None, found
        return record_of(self._steps, names, object_id, *row), found

    def _live_with_aces(
        self,
        session: Session | None,
        key: CollectionKey,
        object_id: str,
        names: Names,
        aces: SelectedACEs,
    ) -> tuple[Record | None, dict[str, set[str]]]:
        text, parameters = _with_aces(aces.query), (*key, object_id, *aces.parameters)
        if session is None:
            rows = self._client.rows(text, parameters)
        else:
            rows = session.execute(text, parameters).fetchall()
        record: Record | None = None
        found: dict[str, set[str]] = {}
        for timestamp, data, principal in rows:
            if timestamp is None:
                found.setdefault(data, set()).add(principal)
            else:
                record = self._steps.loads(data)
                record[names.id_field] = object_id
                record[names.modified_field] = timestamp
        return record, found

    def first_ids(
        self, key: CollectionKey, ids: IdQuery, number: int, *, are_counted: bool
    ) -> tuple[list[str], int | None]:
        """Return ids, and a timestamp of the collection up to which these lack none, if known."""
        if (
            not isinstance(ids, SelectedIds)
            or ids.client is not self._client
            # A replica for the other tables may have no counters.
            or ids.replica is not self._replica
        ):
            return ids.first(number), None
        found, timestamp = ids.first_at(number, SQL(SELECT_TIMESTAMP, key), are_counted=are_counted)
        return found, touched(timestamp)

    def find_tombstone(self, key: CollectionKey, object_id: str, names: Names) -> Record | None:
        row = self._row(key, object_id)
        if row is None or not row[1]:
            return None
        return record_of(self._steps, names, object_id, *row)

    def page(self, selection: Selection) -> tuple[list[Record], int]:
        key = selection.scope.key
        read = self._limited_page if selection.limit else self._whole_list
        timestamp, history, total, page = read(selection, key)
        if key is not None:
            page.timestamp = touched(timestamp)
            page.claim = partial(self._steps.first_access, key)
            if selection.include_deleted:
                page.history = _history(timestamp, *history)
        return page, total

    def _limited_page(self, selection: Selection, key: CollectionKey | None) -> _ReadPage:
        """Read a page from one text."""
        query = self._queries.page_as_text(selection, key)
        found = self.rows(*query, key, raw=True)
        if not found:
            return _ReadPage(None, (None, None), 0, Page())
        ((timestamp, purged, epoch, total, text, *current),) = found
        digits, _, text = _raw(text).partition(b" ")
        number = int(digits)
        # Without a total, nobody needs it.
        total = number if total == -1 else total or 0
        as_it_is = selection.as_text and (
            self._queries.dialect.keeps_texts or is_told_as_it_is(text)
        )
        page = GivenText(text, number) if as_it_is else Page(orjson.loads(b"[%b]" % text))
        if current:
            page.is_current = 0 not in current
        if isinstance(epoch, bytes):
            epoch = epoch.decode()
        return _ReadPage(timestamp, (purged, epoch), total, page)

    def _whole_list(self, selection: Selection, key: CollectionKey | None) -> _ReadPage:
        """Read all records, which may be too many for one text."""
        found = sorted(self.rows(*self._queries.page(selection, key), key), key=_rank)
        if not found:
            return _ReadPage(None, (None, None), 0, Page())
        whole, *entries = found
        records = [record_of(self._steps, selection.names, *row[1:5]) for row in entries]
        total = whole[5] or 0
        if total == -1:
            total = sum(not row[3] for row in entries)
        page = Page(records)
        page.is_current = 0 not in whole[8:]
        return _ReadPage(whole[2], whole[6:8], total, page)

    def records(self, selection: Selection) -> list[Record]:
        rows = self.rows(*self._queries.rows(selection), selection.scope.key)
        return [record_of(self._steps, selection.names, *row) for row in rows]

    def count(self, selection: Selection) -> int:
        rows = self.rows(*self._queries.count(selection), selection.scope.key)
        return rows[0][0] if rows else 0

    def rows(
        self, text: str, parameters: Sequence[Any], key: CollectionKey | None, *, raw: bool = False
    ) -> list[Any]:
        """Run a query, in the present transaction if there is one.

        Parameters
        ----------
        key : collection of the query; ``None`` if there may be several.
        raw : whether a text may come as bytes.
        """
        session = self._client.current()
        if session is None:
            return self._client.rows(text, parameters, raw=raw)
        if key is not None and key in session.locked:
            self._steps.check_lock(session, key)
        return session.execute(text, parameters).fetchall()

    def _row(self, key: CollectionKey, object_id: str) -> Any:
        """Return the row of a record or tombstone, or ``None``.

        Under the lock of the collection, the row is read only once: if there is no live record, a
        search for its tombstone costs no further query.
        """
        if not self._queries.dialect.can_hold(object_id):
            return None
        session = self._client.current()
        if session is None:
            rows = self._client.rows(SELECT_ONE, (*key, object_id))
            return rows[0] if rows else None
        if key not in session.locked:
            return session.execute(SELECT_ONE, (*key, object_id)).fetchone()
        # The data of a live record belong to the caller who has read them.
        if is_known_live(session, key, object_id) is False:
            return session.memo[key, object_id][0]
        row, _ = self._steps.locked_row(session, key, object_id)
        return row

    def stored_timestamp(self, key: CollectionKey) -> int | None:
        """Return the timestamp of a collection; ``None`` if it was never touched."""
        session = self._client.current()
        if session is None:
            rows = self._client.rows(SELECT_TIMESTAMP, key)
        else:
            known = self._steps.known_timestamp(session, key)
            if known is not None:
                return touched(known)
            rows = self.rows(SELECT_TIMESTAMP, key, key)
        return touched(rows[0][0]) if rows else None


def _raw(text: str | bytes) -> bytes:
    """Return the bytes of a text, which are spared a decoding outside of transactions."""
    return text if isinstance(text, bytes) else text.encode()


@lru_cache(maxsize=16)
def _with_aces(query: str) -> str:
    return LIVE_WITH_ACES.format(aces=query)


def record_of(
    steps: Steps, names: Names, object_id: str, last_modified: int, deleted: Any, data: Any
) -> Record:
    """Return the record or tombstone of a row."""
    record: Record = {names.deleted_field: True} if deleted else steps.loads(data)
    record[names.id_field] = object_id
    record[names.modified_field] = last_modified
    return record


def _rank(row: Sequence[Any]) -> Any:
    return row[0]


def _history(timestamp: int | None, purged: int, epoch: str) -> History:
    return History() if touched(timestamp) is None else History(purged, epoch)


def touched(timestamp: int | None) -> int | None:
    """Return the timestamp of a collection, or ``None`` if it only has a row for its lock."""
    return None if timestamp == NEVER_TOUCHED else timestamp
