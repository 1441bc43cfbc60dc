"""How the storages in PostgreSQL and SQLite read: one record, pages, counts, timestamps.

A page, its total and the timestamp of the collection come from one statement, hence of one instant.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from functools import partial
from typing import Any

from cliquet.connections.sql import Session, SQLClient
from cliquet.core.globs import is_pattern
from cliquet.storage.base import (
    DEFAULT_DELETED_FIELD,
    DEFAULT_ID_FIELD,
    DEFAULT_MODIFIED_FIELD,
    Page,
    StorageBase,
)
from cliquet.storage.collection_key import CollectionKey
from cliquet.storage.exceptions import RecordNotFoundError
from cliquet.storage.listing.evaluation import Names
from cliquet.storage.query import Filter, PaginationRule, Sort
from cliquet.storage.relational import listing as sql
from cliquet.storage.relational.listing import SQL
from cliquet.storage.relational.text import TRUE, joined
from cliquet.types import Record

__all__ = ["HOME", "NEVER_TOUCHED", "RelationalReader"]

NEVER_TOUCHED = -(2**63)
"""Timestamp of a counter row that was made to be locked, before anything was written (X-22)."""

HOME = "parent_id = %s AND collection_id = %s"

_SELECT_ONE = f"SELECT last_modified, deleted, data FROM records WHERE {HOME} AND id = %s"
_SELECT_TIMESTAMP = f"SELECT last_modified FROM timestamps WHERE {HOME}"
_SELECT_LIVE = f"SELECT live FROM timestamps WHERE {HOME}"
_COLUMNS = "id, last_modified, deleted, data"


class RelationalReader(StorageBase):
    """The part of a storage in SQL that only reads.

    Parameters
    ----------
    client : lends connections; kept as attribute ``client`` (B-24).
    dialect : what differs between databases in the conditions of a listing.
    is_readonly : whether the service never writes (B-21.7).
    """

    def __init__(
        self, client: SQLClient, dialect: sql.Dialect, *, is_readonly: bool = False
    ) -> None:
        self.client: Any = client
        client.holds_records = True
        self.is_readonly = is_readonly
        self._dialect = dialect
        self._indexed: dict[str, frozenset[str]] = {}

    # What each database does its own way

    @abc.abstractmethod
    def _dumps(self, data: dict[str, Any]) -> str:
        """Return the JSON text of the data of a record.

        Raises
        ------
        TypeError : the database cannot hold it.
        """

    @abc.abstractmethod
    def _loads(self, data: Any) -> dict[str, Any]:
        """Return the data of a record as the driver gives it, in a dictionary of the caller's."""

    @abc.abstractmethod
    def _first_access(self, key: CollectionKey) -> int | None: ...

    def _locked_row(self, session: Session, key: CollectionKey, object_id: str) -> Any:
        """Return the row of a record in a collection that the session has locked."""
        return session.execute(_SELECT_ONE, (*key, object_id)).fetchone()

    def _check_lock(self, session: Session, key: CollectionKey) -> None:
        """Make sure, before something else is read, that a lock which was asked for is held."""

    # The contract

    def declare_indexes(self, collection_id: str, fields: Sequence[str]) -> None:
        if fields:
            self._indexed[collection_id] = frozenset(fields)

    def get(
        self,
        collection_id: str,
        parent_id: str,
        object_id: str,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        auth: str | None = None,
    ) -> Record:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        row = self._row(key, object_id)
        if row is None or row[1]:
            raise RecordNotFoundError(object_id)
        names = Names(id_field, modified_field, DEFAULT_DELETED_FIELD)
        return self._record(names, object_id, *row)

    def find_tombstone(
        self,
        collection_id: str,
        parent_id: str,
        object_id: str,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        deleted_field: str = DEFAULT_DELETED_FIELD,
        auth: str | None = None,
    ) -> Record | None:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        row = self._row(key, object_id)
        if row is None or not row[1]:
            return None
        return self._record(Names(id_field, modified_field, deleted_field), object_id, *row)

    def get_all(
        self,
        collection_id: str,
        parent_id: str,
        filters: Sequence[Filter] | None = None,
        sorting: Sequence[Sort] | None = None,
        pagination_rules: Sequence[PaginationRule] | None = None,
        limit: int | None = None,
        include_deleted: bool = False,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        deleted_field: str = DEFAULT_DELETED_FIELD,
        auth: str | None = None,
    ) -> tuple[list[Record], int]:
        names = Names(id_field, modified_field, deleted_field)
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        scope = self._scope(collection_id, parent_id)
        matched = self._matching(collection_id, names, filters)
        listing = self._selection(
            _COLUMNS,
            scope,
            names,
            matched,
            collection_id=collection_id,
            sorting=sorting,
            pagination_rules=pagination_rules,
            limit=limit,
            include_deleted=include_deleted,
        )
        is_one = not is_pattern(parent_id)
        if not filters and is_one:
            count = SQL(_SELECT_LIVE, key)
        elif limit or pagination_rules:
            count = self._count(scope, self._restricted(collection_id, names, matched, None))
        else:
            # Nothing is left out of such a page, whose filters are not asked a second time.
            count = SQL("SELECT -1")
        timestamp = (
            SQL(_SELECT_TIMESTAMP, key) if is_one else SQL("SELECT CAST(NULL AS BIGINT)", ())
        )
        rows = self._rows(
            # The first row bears what is true of the whole, even of an empty page.
            f"SELECT 0 AS n, NULL AS id, ({timestamp.text}) AS last_modified, NULL AS deleted,"
            f" NULL AS data, ({count.text}) AS total"
            f" UNION ALL SELECT row_number() OVER () AS n, {_COLUMNS}, 0 AS total"
            f" FROM ({listing.text}) AS page",
            (*timestamp.parameters, *count.parameters, *listing.parameters),
            key,
        )
        # A union has no promised order.
        rows.sort(key=_rank)
        whole, *entries = rows
        page = Page(self._record(names, *row[1:5]) for row in entries)
        if is_one:
            page.timestamp = _touched(whole[2])
            page.claim = partial(self._first_access, key)
        total = whole[5] or 0
        return page, total if total >= 0 else sum(not deleted for _, _, _, deleted, *_ in entries)

    def list_all(
        self,
        collection_id: str,
        parent_id: str,
        filters: Sequence[Filter] | None = None,
        sorting: Sequence[Sort] | None = None,
        pagination_rules: Sequence[PaginationRule] | None = None,
        limit: int | None = None,
        include_deleted: bool = False,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        deleted_field: str = DEFAULT_DELETED_FIELD,
        auth: str | None = None,
    ) -> list[Record]:
        names = Names(id_field, modified_field, deleted_field)
        listing = self._selection(
            _COLUMNS,
            self._scope(collection_id, parent_id),
            names,
            self._matching(collection_id, names, filters),
            collection_id=collection_id,
            sorting=sorting,
            pagination_rules=pagination_rules,
            limit=limit,
            include_deleted=include_deleted,
        )
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        rows = self._rows(listing.text, listing.parameters, key)
        return [self._record(names, *row) for row in rows]

    def count_all(
        self,
        collection_id: str,
        parent_id: str,
        filters: Sequence[Filter] | None = None,
        include_deleted: bool = False,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        deleted_field: str = DEFAULT_DELETED_FIELD,
        auth: str | None = None,
    ) -> int:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        if filters or include_deleted or is_pattern(parent_id):
            names = Names(id_field, modified_field, deleted_field)
            count = self._count(
                self._scope(collection_id, parent_id),
                self._where(collection_id, names, filters, None, include_deleted),
            )
        else:
            count = SQL(_SELECT_LIVE, key)
        rows = self._rows(count.text, count.parameters, key)
        return rows[0][0] if rows else 0

    def all_resources_timestamps(self, collection_id: str) -> dict[str, int]:
        rows = self._rows(
            "SELECT parent_id, last_modified FROM timestamps"
            " WHERE collection_id = %s AND last_modified > %s",
            (collection_id, NEVER_TOUCHED),
            None,
        )
        return dict(rows)

    # Steps

    def _scope(self, collection_id: str | None, parent_id: str) -> SQL:
        """Return the condition on the names, or pattern of names (B-21.19)."""
        parent = sql.parent_condition(self._dialect, parent_id)
        if collection_id is None:
            return parent
        return SQL(f"{parent.text} AND collection_id = %s", (*parent.parameters, collection_id))

    def _where(
        self,
        collection_id: str | None,
        names: Names,
        filters: Sequence[Filter] | None,
        pagination_rules: Sequence[PaginationRule] | None,
        include_deleted: bool = False,
    ) -> SQL:
        matched = self._matching(collection_id, names, filters)
        return self._restricted(collection_id, names, matched, pagination_rules, include_deleted)

    def _matching(
        self, collection_id: str | None, names: Names, filters: Sequence[Filter] | None
    ) -> list[SQL]:
        """Return the conditions of filters, for :meth:`_restricted`."""
        return sql.matching(self._dialect, names, filters or (), self._indexes_of(collection_id))

    def _restricted(
        self,
        collection_id: str | None,
        names: Names,
        matched: Sequence[SQL],
        pagination_rules: Sequence[PaginationRule] | None,
        include_deleted: bool = False,
    ) -> SQL:
        """Return the condition of a listing with these conditions of its filters."""
        return sql.where(
            self._dialect,
            names,
            matched,
            pagination_rules=pagination_rules or (),
            include_deleted=include_deleted,
            indexed=self._indexes_of(collection_id),
        )

    def _indexes_of(self, collection_id: str | None) -> frozenset[str]:
        return self._indexed.get(collection_id or "", frozenset())

    def _selection(
        self,
        columns: str,
        scope: SQL,
        names: Names,
        matched: Sequence[SQL],
        *,
        collection_id: str | None,
        sorting: Sequence[Sort] | None,
        pagination_rules: Sequence[PaginationRule] | None,
        limit: int | None,
        include_deleted: bool = False,
    ) -> SQL:
        """Return the query for a page of the records for which these conditions hold."""
        sorting, indexed = sorting or (), self._indexes_of(collection_id)
        dialect, source, condition = self._dialect, SQL("records"), scope
        if sql.reads_many_fields(names, sorting, indexed):
            selection = self._restricted(collection_id, names, matched, None, include_deleted)
            dialect, source = dialect.unpacking(
                _joined("SELECT * FROM records WHERE ", scope, " AND ", selection)
            )
            where = sql.where(
                dialect,
                names,
                (),
                pagination_rules=pagination_rules or (),
                include_deleted=True,
                indexed=indexed,
            )
            condition = TRUE
        else:
            where = self._restricted(
                collection_id, names, matched, pagination_rules, include_deleted
            )
        pieces: list[str | SQL] = [
            *(f"SELECT {columns} FROM ", source),
            *(" WHERE ", condition, " AND ", where),
        ]
        if sorting:
            pieces += [" ORDER BY ", sql.order_by(dialect, names, sorting)]
        if limit:
            pieces.append(SQL(" LIMIT %s", (limit,)))
        return _joined(*pieces)

    def _count(self, scope: SQL, where: SQL) -> SQL:
        return SQL(
            f"SELECT count(*) FROM records WHERE {scope.text} AND {where.text}",
            (*scope.parameters, *where.parameters),
        )

    def _rows(self, text: str, parameters: Sequence[Any], key: CollectionKey | None) -> list[Any]:
        """Run a query, in the transaction under way if there is one."""
        session = self.client.current()
        if session is None:
            with self.client.connect(readonly=True) as session:
                return list(session.execute(text, parameters).fetchall())
        if key is not None and key in session.locked:
            self._check_lock(session, key)
        return list(session.execute(text, parameters).fetchall())

    def _row(self, key: CollectionKey, object_id: str) -> Any:
        """Return the row of a record or tombstone, or ``None``.

        Under the lock of the collection, the absence of a live record is found out once: whether
        there is a tombstone instead costs no further question.
        """
        if not self._dialect.can_hold(object_id):
            return None
        session = self.client.current()
        if session is None:
            with self.client.connect(readonly=True) as session:
                return session.execute(_SELECT_ONE, (*key, object_id)).fetchone()
        if key not in session.locked:
            return session.execute(_SELECT_ONE, (*key, object_id)).fetchone()
        known = session.memo.get((key, object_id))
        if known is not None:
            return known[0]
        row = self._locked_row(session, key, object_id)
        if row is None or row[1]:
            session.memo[key, object_id] = (row,)
        return row

    def _timestamp(self, key: CollectionKey) -> int | None:
        rows = self._rows(_SELECT_TIMESTAMP, key, key)
        return _touched(rows[0][0]) if rows else None

    def _record(
        self, names: Names, object_id: str, last_modified: int, deleted: Any, data: Any
    ) -> Record:
        record: Record = {names.deleted_field: True} if deleted else self._loads(data)
        record[names.id_field] = object_id
        record[names.modified_field] = last_modified
        return record


def _joined(*pieces: str | SQL) -> SQL:
    return joined("", [SQL(piece) if isinstance(piece, str) else piece for piece in pieces])


def _rank(row: Sequence[Any]) -> Any:
    return row[0]


def _touched(timestamp: int | None) -> int | None:
    return None if timestamp == NEVER_TOUCHED else timestamp
