"""The writes of single records, and the locks, of the storages in PostgreSQL and SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from cliquet.connections.sql import Session, SQLClient
from cliquet.storage.exceptions import RecordNotFoundError, UnicityError
from cliquet.storage.ordering import resolve
from cliquet.storage.query import COMPARISON, MISSING, Filter
from cliquet.storage.relational.bulk import tombstone
from cliquet.storage.relational.queries import Queries
from cliquet.storage.relational.reading import record_of
from cliquet.storage.relational.steps import HOME, Conflict, Steps, Write, is_known_live
from cliquet.storage.relational.text import SQL
from cliquet.storage.selection import CollectionKey, Draft, Names, Scope, Selection
from cliquet.storage.timestamps import require_timestamp
from cliquet.types import Record

__all__ = ["Writer"]

T = TypeVar("T")


class Writer:
    """The part of a storage in SQL that writes."""

    def __init__(self, client: SQLClient, steps: Steps, queries: Queries) -> None:
        self._client = client
        self._steps = steps
        self._queries = queries

    def run_locked(
        self,
        operation: Callable[[], T],
        key: CollectionKey,
        prepare: Callable[[Session, CollectionKey], None] | None = None,
    ) -> T:
        """Lock a collection in the present transaction, or in a new one; run an operation.

        Parameters
        ----------
        prepare : what is done instead of taking the lock.
        """
        if prepare is None:
            prepare = self._steps.lock
        with self._client.begin() as session:
            if not session.is_fresh:
                with session.undoing():
                    prepare(session, key)
                    return operation()
            try:
                prepare(session, key)
                return operation()
            except BaseException:
                session.rollback()
                raise

    def put(self, draft: Draft) -> Record:
        if draft.has_random_id and not draft.unique_fields and draft.supplied is None:
            text = self._steps.dumps(draft.data)
            with self._client.begin() as session:
                timestamp = self._steps.insert(session, draft.key, draft.id, text)
            return draft.completed(timestamp)
        supplied = require_timestamp(draft.supplied)
        unique = list(_unique_values(draft)) if draft.unique_fields else []
        text = self._steps.dumps(draft.data)
        with self._client.begin() as session:
            may_exist = draft.is_new and is_known_live(session, draft.key, draft.id) is not False
            conflicts = self._conflicts(draft, unique) if may_exist or unique else None
            outcome = self._steps.put(
                session, Write(draft.key, draft.id, text, supplied, conflicts)
            )
            if isinstance(outcome, Conflict):
                field = unique[outcome.rank - 1][0] if outcome.rank else draft.names.id_field
                _, object_id, last_modified, data = outcome
                record = record_of(self._steps, draft.names, object_id, last_modified, False, data)
                raise UnicityError(field, record)
        return draft.completed(outcome)

    def create_all(self, drafts: Sequence[Draft]) -> list[Record]:
        """Store new records of one collection; return the stored records."""
        are_random = {draft.has_random_id for draft in drafts} == {True}
        if not are_random or len(drafts) < 2 or _are_supplied(drafts):
            return [self.put(draft) for draft in drafts]
        rows = [(draft.id, self._steps.dumps(draft.data)) for draft in drafts]
        with self._client.begin() as session:
            timestamps = self._steps.insert_many(session, drafts[0].key, rows)
        pairs = zip(drafts, timestamps, strict=True)
        return [draft.completed(timestamp) for draft, timestamp in pairs]

    def put_all(self, drafts: Sequence[Draft]) -> list[Record]:
        ids = [draft.id for draft in drafts]
        # A statement can write each row only once.
        if len(drafts) < 2 or _are_supplied(drafts) or len({*ids}) < len(ids):
            return [self.put(draft) for draft in drafts]
        key, rows = drafts[0].key, [(draft.id, self._steps.dumps(draft.data)) for draft in drafts]
        with self._client.begin() as session:
            added = len(ids) - len(self._live(session, key, ids))
            timestamps = self._steps.put_many(session, key, rows, added=added)
        pairs = zip(drafts, timestamps, strict=True)
        return [draft.completed(timestamp) for draft, timestamp in pairs]

    def delete_each(
        self, key: CollectionKey, object_ids: Sequence[str], names: Names
    ) -> list[Record]:
        if not object_ids:
            return []
        with self._client.begin() as session:
            live = self._live(session, key, object_ids)
            for object_id in object_ids:
                if object_id not in live:
                    raise RecordNotFoundError(object_id)
                live.remove(object_id)
            stamps = self._steps.remove_many(session, key, object_ids, with_deleted=True)
        return [tombstone(object_id, stamps[object_id], names) for object_id in object_ids]

    def _live(self, session: Session, key: CollectionKey, object_ids: Sequence[str]) -> set[str]:
        """Lock a collection; return those of the ids that belong to a live record."""
        self._steps.lock(session, key)
        known = {object_id: is_known_live(session, key, object_id) for object_id in object_ids}
        if None not in known.values():
            return {object_id for object_id in known if known[object_id]}
        self._steps.check_lock(session, key)
        among = self._queries.dialect.is_among(object_ids)
        text = f"SELECT id FROM records WHERE {HOME} AND id {among.text} AND NOT deleted"
        rows = session.execute(text, (*key, *among.parameters)).fetchall()
        return {object_id for (object_id,) in rows}

    def delete(
        self,
        key: CollectionKey,
        object_id: str,
        names: Names,
        *,
        supplied: int | None,
        with_deleted: bool,
    ) -> Record:
        wanted = require_timestamp(supplied)
        with self._client.begin() as session:
            timestamp = self._steps.remove(
                session, key, object_id, wanted, with_deleted=with_deleted
            )
            if timestamp is None:
                raise RecordNotFoundError(object_id)
        return tombstone(object_id, timestamp, names)

    def _conflicts(self, draft: Draft, unique: Iterable[tuple[str, Any]]) -> SQL:
        """Return a query for live records with the same id or unique values (B-7)."""
        texts = []
        parameters: list[Any] = []
        home = f"FROM records WHERE {HOME} AND"
        if draft.is_new:
            texts.append(
                f"SELECT 0 AS rank, id, last_modified, data {home} id = %s AND NOT deleted"
            )
            parameters += [*draft.key, draft.id]
        scope = Scope(collection_id=draft.key.collection_id, parent_id=draft.key.parent_id)
        for rank, (field, value) in enumerate(unique, 1):
            same = Selection(scope, draft.names, [Filter(field, value, COMPARISON.EQ)])
            equal = self._queries.where(same)
            texts.append(
                f"SELECT {rank} AS rank, id, last_modified, data {home} id <> %s AND {equal.text}"
            )
            parameters += [*draft.key, draft.id, *equal.parameters]
        union = " UNION ALL ".join(texts)
        return SQL(
            f"SELECT rank, id, last_modified, data FROM ({union}) AS found ORDER BY rank LIMIT 1",
            tuple(parameters),
        )


def _are_supplied(drafts: Sequence[Draft]) -> bool:
    """Return whether a caller wants a timestamp for one of the records."""
    return [draft.supplied for draft in drafts].count(None) < len(drafts)


def _unique_values(draft: Draft) -> Iterable[tuple[str, Any]]:
    """Yield the unique fields that are compared, and their values."""
    for field in draft.unique_fields:
        if field not in draft.names[:2]:
            value = resolve(draft.data, field)
            if value is not None and value is not MISSING:
                yield field, value
