"""The writes of the storage in Redis, within the present operation if there is one.

A single call is one script, in which the server makes the timestamp. Therefore any number of
clients may write to a collection without disturbing each other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import TypeVar

from cliquet.storage import departures, exceptions
from cliquet.storage.departures import StoredDeparture
from cliquet.storage.listing import evaluation
from cliquet.storage.listing.evaluation import Entry
from cliquet.storage.purging import sliced
from cliquet.storage.redis import bulk
from cliquet.storage.redis.commits import Change, Part
from cliquet.storage.redis.database import Database
from cliquet.storage.redis.operation import Operation
from cliquet.storage.redis.reading import Bump, Reader
from cliquet.storage.redis.transactions import Transactions
from cliquet.storage.selection import CollectionKey, Draft, Names, Scope, Selection
from cliquet.types import Record

__all__ = ["Writer"]

T = TypeVar("T")


class Writer:
    """Writes entries: single ones, and many at once.

    Parameters
    ----------
    bump : is called before each change; an exception prevents the change.
    """

    def __init__(
        self, database: Database, transactions: Transactions, reader: Reader, bump: Bump
    ) -> None:
        self._database = database
        self._transactions = transactions
        self._reader = reader
        self._bump = bump

    def put(self, draft: Draft) -> Record:
        key, names = draft.key, draft.names
        if not isinstance(draft.id, str):
            raise TypeError(f"The id of a record is a text, not {draft.id!r}.")
        clock, wanted = self._bump(draft.supplied)
        fields = [name for name in draft.unique_fields if name not in names[:2]]
        operation = self._transactions.current
        if operation is None:
            must = "absent" if draft.is_new else ""
            change = Change("put", draft.id, wanted, draft.data, fields, must)
            done = self._database.commit({key: Part(changes={draft.id: change})}, clock)
            if done.outcome == "taken" and done.existing.entry is not None:
                field = done.field or names.id_field
                raise exceptions.UnicityError(field, done.existing.entry.to_record(names))
            return Entry(draft.id, done.timestamps[0], draft.data).to_record(names)
        existing = self._reader.live(key, draft.id) if draft.is_new else None
        if existing is not None:
            raise exceptions.UnicityError(names.id_field, existing.to_record(names))
        clash = operation.clash(key, draft.id, draft.data, fields)
        if clash is not None:
            raise exceptions.UnicityError(clash[0], clash[1].to_record(names))
        entry = Entry(draft.id, operation.advance(key, draft.supplied), draft.data)
        operation.put(key, entry, fields)
        return entry.to_record(names)

    def delete(
        self,
        key: CollectionKey,
        object_id: str,
        names: Names,
        *,
        supplied: int | None,
        with_deleted: bool,
    ) -> Record:
        operation = self._transactions.current
        if operation is not None:
            if self._reader.live(key, object_id) is None:
                raise exceptions.RecordNotFoundError(object_id)
            return self._delete_in(
                operation, key, object_id, supplied, with_deleted=with_deleted
            ).to_record(names)
        if not isinstance(object_id, str):
            raise exceptions.RecordNotFoundError(object_id)
        clock, wanted = self._bump(supplied)
        kind = "bury" if with_deleted else "forget"
        change = Change(kind, object_id, wanted, must="live")
        done = self._database.commit({key: Part(changes={object_id: change})}, clock)
        if done.outcome == "missing":
            raise exceptions.RecordNotFoundError(object_id)
        return Entry(object_id, done.timestamps[0], None).to_record(names)

    def delete_selected(self, selection: Selection, *, with_deleted: bool) -> list[Record]:
        delete = functools.partial(self._delete_in, with_deleted=with_deleted)
        parts = self._parts(selection.scope)
        names = None
        if len(parts) > 1:
            # A page with records of several parts is chosen before any of them is deleted.
            found = self._database.directory.matching(selection.scope, include_deleted=False)
            entries = {key: snapshot.entries() for key, snapshot in found.items()}
            names = bulk.page(entries, selection)

        def delete_each(
            operation: Operation, part: bytes | None
        ) -> dict[tuple[CollectionKey, str], Entry]:
            delete_one = functools.partial(delete, operation)
            if names is None:
                return bulk.delete_page(operation, selection, delete_one, part=part)
            some = [name for name in names if self._database.part_of(name[0]) == part]
            return bulk.delete_chosen(operation, selection, delete_one, some)

        tombstones: dict[tuple[CollectionKey, str], Entry] = {}
        for some in self._atomically(delete_each, selection.scope, parts):
            tombstones |= some
        order = tombstones if names is None else [name for name in names if name in tombstones]
        return [tombstones[name].to_record(selection.names) for name in order]

    def trim(self, selection: Selection, max_objects: int, *, with_deleted: bool) -> int:
        def trim(operation: Operation, part: bytes | None) -> int:
            delete = functools.partial(self._delete_in, operation, with_deleted=with_deleted)
            return bulk.trim(operation, selection, max_objects, delete, part=part)

        return sum(self._atomically(trim, selection.scope, self._parts(selection.scope)))

    def purge(self, scope: Scope, *, before: int | None, max_retained: int | None) -> int:
        def purge(operation: Operation, part: bytes | None) -> int:
            return bulk.purge(
                operation, scope=scope, before=before, max_retained=max_retained, part=part
            )

        return sum(self._atomically(purge, scope, self._parts(scope)))

    def purge_slices(
        self, key: CollectionKey, size: int, *, before: int | None, max_retained: int | None
    ) -> Iterator[int]:
        # Redis keeps no order: all that goes is read once, and each part of it again when it goes.
        snapshots = self._database.directory.snapshots([key], include_deleted=True)
        found = [one.entry for one in snapshots[key].stored.values() if one.entry is not None]
        departed = self._database.departures(key)
        gone: list[tuple[int, Entry | StoredDeparture]] = [
            *((one.timestamp, one) for one in evaluation.purgeable(found, before, max_retained)),
            *((one.position, one) for one in departures.purgeable(departed, before, max_retained)),
        ]
        for part in sliced(gone, size, itemgetter(0)):
            tombstones = [one for _, one in part if isinstance(one, Entry)]
            leaving = [one for _, one in part if not isinstance(one, Entry)]
            purge = functools.partial(
                bulk.purge_exactly, key=key, tombstones=tombstones, departures=leaving
            )
            yield self._transactions.run_with(purge, key)

    def _parts(self, scope: Scope) -> Sequence[bytes | None]:
        """Return the parts of the keys that are changed one after the other."""
        if scope.key is not None or self._transactions.current is not None:
            return [None]
        parts = self._database.directory.parts()
        return parts if len(parts) > 1 else [None]

    def _atomically(
        self,
        function: Callable[..., T],
        scope: Scope,
        parts: Sequence[bytes | None],
    ) -> list[T]:
        # A disturbed operation waits for others that change the same collections.
        key = CollectionKey(collection_id=scope.collection_id or "", parent_id=scope.parent_id)
        done = []
        for part in parts:
            changed = functools.partial(function, part=part)
            done.append(self._transactions.run_with(changed, key))
        return done

    def _delete_in(
        self,
        operation: Operation,
        key: CollectionKey,
        object_id: str,
        last_modified: int | None = None,
        *,
        with_deleted: bool,
    ) -> Entry:
        """Delete an existing record within an operation; return its tombstone."""
        self._bump(last_modified)
        tombstone = Entry(object_id, operation.advance(key, last_modified), None)
        operation.delete(key, tombstone, with_deleted=with_deleted)
        return tombstone
