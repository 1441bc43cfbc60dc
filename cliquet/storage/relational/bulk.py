"""Deletions of many records at once, in PostgreSQL and SQLite."""

from __future__ import annotations

from collections.abc import Sequence

from cliquet.connections.sql import Session
from cliquet.core.globs import as_published, is_pattern
from cliquet.storage.base import (
    DEFAULT_DELETED_FIELD,
    DEFAULT_ID_FIELD,
    DEFAULT_MODIFIED_FIELD,
)
from cliquet.storage.collection_key import CollectionKey
from cliquet.storage.listing.evaluation import Names
from cliquet.storage.query import Filter, PaginationRule, Sort
from cliquet.storage.relational.listing import SQL
from cliquet.storage.relational.writing import RelationalWriter, tombstone
from cliquet.types import Record

__all__ = ["RelationalBulk"]


class RelationalBulk(RelationalWriter):
    """The part of a storage in SQL that deletes by filters, and purges."""

    def delete_all(
        self,
        collection_id: str | None,
        parent_id: str,
        filters: Sequence[Filter] | None = None,
        with_deleted: bool = True,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        deleted_field: str = DEFAULT_DELETED_FIELD,
        auth: str | None = None,
        *,
        sorting: Sequence[Sort] | None = None,
        pagination_rules: Sequence[PaginationRule] | None = None,
        limit: int | None = None,
    ) -> list[Record]:
        names = Names(id_field, modified_field, deleted_field)
        parent_id = as_published(parent_id)
        scope = self._scope(collection_id, parent_id)
        selected = self._selection(
            "parent_id, collection_id, id",
            scope,
            names,
            self._matching(collection_id, names, filters),
            collection_id=collection_id,
            sorting=sorting or [Sort(modified_field, 1)],
            pagination_rules=pagination_rules,
            limit=limit,
        )
        with self.client.begin() as session:
            self._lock_scope(session, collection_id, parent_id, scope)
            rows = session.execute(*selected).fetchall()
            by_key: dict[CollectionKey, list[str]] = {}
            for *pair, object_id in rows:
                by_key.setdefault(CollectionKey._make(pair), []).append(object_id)
            stamps = {
                key: self._remove_many(session, key, by_key[key], with_deleted=with_deleted)
                for key in sorted(by_key)
            }
            if rows:
                self._wrote(session)
        return [
            tombstone(object_id, stamps[CollectionKey._make(pair)][object_id], names)
            for *pair, object_id in rows
        ]

    def purge_deleted(
        self,
        collection_id: str | None,
        parent_id: str,
        before: int | None = None,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        auth: str | None = None,
        *,
        max_retained: int | None = None,
        force_commit: bool = False,
    ) -> int:
        if before is not None and max_retained is not None:
            raise ValueError("`before` and `max_retained` exclude each other.")
        parent_id = as_published(parent_id)
        scope = self._scope(collection_id, parent_id)
        text = f"DELETE FROM records WHERE {scope.text} AND deleted"
        parameters = list(scope.parameters)
        if before is not None:
            text += " AND last_modified < %s"
            parameters.append(before)
        if max_retained is not None:
            text += (
                " AND (parent_id, collection_id, id) IN (SELECT parent_id, collection_id, id"
                " FROM (SELECT parent_id, collection_id, id, row_number() OVER ("
                "PARTITION BY parent_id, collection_id ORDER BY last_modified DESC, id DESC"
                f") AS rank FROM records WHERE {scope.text} AND deleted) AS ranked"
                " WHERE rank > %s)"
            )
            parameters += [*scope.parameters, max_retained]
        with self.client.begin() as session:
            purged: int = session.execute(text, tuple(parameters)).rowcount
            self._wrote(session)
        return purged

    def trim_objects(
        self,
        collection_id: str,
        parent_id: str,
        filters: Sequence[Filter] | None,
        max_objects: int,
        with_deleted: bool = True,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        auth: str | None = None,
    ) -> int:
        names = Names(id_field, modified_field, DEFAULT_DELETED_FIELD)
        scope = self._scope(collection_id, parent_id)
        where = self._where(collection_id, names, filters, None)
        trimmed = 0
        with self.client.begin() as session:
            for key in self._lock_scope(session, collection_id, parent_id, scope):
                rows = session.execute(
                    "SELECT id FROM records WHERE parent_id = %s AND collection_id = %s AND "
                    f"{where.text} ORDER BY last_modified DESC, id DESC"
                    # All of them, in the words of both databases.
                    f" LIMIT {2**63 - 1} OFFSET %s",
                    (*key, *where.parameters, max_objects),
                ).fetchall()
                if rows:
                    # The oldest first.
                    ids = [row[0] for row in reversed(rows)]
                    self._remove_many(session, key, ids, with_deleted=with_deleted)
                    self._wrote(session)
                trimmed += len(rows)
        return trimmed

    def _lock_scope(
        self, session: Session, collection_id: str | None, parent_id: str, scope: SQL
    ) -> list[CollectionKey]:
        """Lock the collections that the names, or pattern of names, stand for (B-21.19)."""
        if collection_id is None or is_pattern(parent_id):
            return self._lock_matching(session, scope)
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        self._lock(session, key)
        return [key]
