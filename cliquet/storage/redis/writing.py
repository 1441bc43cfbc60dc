"""What the storage in Redis writes: in the operation under way, if there is one, else at once.

A call that stands alone is one script, in which the server makes the timestamp: however many write
to a collection, none disturbs the others (D-57).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cliquet.storage import exceptions
from cliquet.storage.collection_key import CollectionKey
from cliquet.storage.listing.evaluation import Entry, Names
from cliquet.storage.redis.commits import Change, Part
from cliquet.storage.redis.database import Database
from cliquet.storage.redis.operation import Operation
from cliquet.storage.redis.reading import Reader
from cliquet.storage.redis.transactions import Transactions
from cliquet.types import Record

__all__ = ["Writer"]

Bump = Callable[[int | None], tuple[int, str]]
"""Takes a timestamp that is wanted; returns the clock, and that timestamp as text."""


class Writer:
    """Writes entries.

    Parameters
    ----------
    bump : called before each change; what it raises prevents the change.
    """

    def __init__(
        self, database: Database, transactions: Transactions, reader: Reader, bump: Bump
    ) -> None:
        self._database = database
        self._transactions = transactions
        self._reader = reader
        self._bump = bump

    def put(
        self,
        key: CollectionKey,
        object_id: str,
        data: Record,
        unique_fields: Sequence[str] | None,
        names: Names,
        *,
        must: str = "",
    ) -> Record:
        """Store a live record, whose id was taken out of `data`.

        Parameters
        ----------
        must : ``absent`` if there may be no live record with this id.

        Raises
        ------
        UnicityError : the id, or a unique value, is taken.
        TypeError : the id, or the timestamp, is of another type.
        """
        if not isinstance(object_id, str):
            raise TypeError(f"The id of a record is a text, not {object_id!r}.")
        supplied = data.pop(names.modified_field, None)
        clock, wanted = self._bump(supplied)
        fields = [name for name in unique_fields or () if name not in names[:2]]
        operation = self._transactions.current
        if operation is None:
            change = Change("put", object_id, wanted, data, fields, must)
            done = self._database.commit({key: Part(changes={object_id: change})}, clock)
            if done.outcome == "taken" and done.existing.entry is not None:
                field = done.field or names.id_field
                raise exceptions.UnicityError(field, done.existing.entry.to_record(names))
            return Entry(object_id, done.timestamps[0], data).to_record(names)
        existing = self._reader.live(key, object_id) if must else None
        if existing is not None:
            raise exceptions.UnicityError(names.id_field, existing.to_record(names))
        clash = operation.clash(key, object_id, data, fields)
        if clash is not None:
            raise exceptions.UnicityError(clash[0], clash[1].to_record(names))
        entry = Entry(object_id, operation.advance(key, supplied), data)
        operation.put(key, entry, fields)
        return entry.to_record(names)

    def delete(
        self, key: CollectionKey, object_id: str, last_modified: int | None, *, with_deleted: bool
    ) -> Entry:
        """Delete a record; return its tombstone.

        Raises
        ------
        RecordNotFoundError : there is no live record with this id.
        """
        operation = self._transactions.current
        if operation is not None:
            if self._reader.live(key, object_id) is None:
                raise exceptions.RecordNotFoundError(object_id)
            return self.delete_in(
                operation, key, object_id, last_modified, with_deleted=with_deleted
            )
        if not isinstance(object_id, str):
            raise exceptions.RecordNotFoundError(object_id)
        clock, wanted = self._bump(last_modified)
        kind = "bury" if with_deleted else "forget"
        change = Change(kind, object_id, wanted, must="live")
        done = self._database.commit({key: Part(changes={object_id: change})}, clock)
        if done.outcome == "missing":
            raise exceptions.RecordNotFoundError(object_id)
        return Entry(object_id, done.timestamps[0], None)

    def delete_in(
        self,
        operation: Operation,
        key: CollectionKey,
        object_id: str,
        last_modified: int | None = None,
        *,
        with_deleted: bool,
    ) -> Entry:
        """Delete a record that is known to be there, in an operation; return its tombstone."""
        self._bump(last_modified)
        tombstone = Entry(object_id, operation.advance(key, last_modified), None)
        operation.delete(key, tombstone, with_deleted=with_deleted)
        return tombstone
