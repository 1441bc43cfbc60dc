"""The part of the storage contract for operations of several calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from cliquet.core.shortcuts import Shortcut
from cliquet.storage.timestamps import MAX_TIMESTAMP
from cliquet.types import ACEInsertion, ACEQuery, IdGenerator, Record

__all__ = [
    "HeldACEs",
    "Replaced",
    "Seen",
    "StaleReadError",
    "StorageAtomicity",
    "changes_at_once",
    "creates_at_once",
]

T = TypeVar("T")
U = TypeVar("U")


class StaleReadError(Exception):
    """A record has to be written under the lock: it cannot be written and committed at once."""


class HeldACEs(NamedTuple):
    """The permissions that an object must have, so that nobody has to write any.

    Attributes
    ----------
    query : finds them; it is one that :meth:`~cliquet.storage.base.StorageBase.can_join_aces`
        accepts.
    writer : principal that must have ``write``; ``None`` for none.
    unless : if it is given, the writer needs not have it where none of these principals has it.
    """

    query: ACEQuery
    writer: str | None
    unless: Sequence[str] | None = None


class Seen(NamedTuple):
    """What must be true of the live record that is replaced.

    Attributes
    ----------
    record : the record as it was read; ``None`` for any.
    until : it has at most this timestamp, in ms.
    aces : what must be true of its permissions; ``None`` if they do not matter.
    tells_former : whether somebody may ask for the record that was replaced.
    """

    record: Record | None = None
    until: int = MAX_TIMESTAMP
    aces: HeldACEs | None = None
    tells_former: bool = False


class Replaced(NamedTuple):
    """The result of such a replacement.

    Attributes
    ----------
    record : the record as it is stored.
    aces : its permissions, if some must be held.
    find_former : returns the record that was replaced, if somebody may ask for it.
    """

    record: Record
    aces: dict[str, set[str]]
    find_former: Callable[[], Record] | None


class StorageAtomicity:
    """Operations of several calls, and their effects in other backends."""

    create: Callable[..., Record]
    update: Callable[..., Record]
    delete: Callable[..., Record]

    joins_transactions: bool = True
    """Whether the writes of a request are committed, or undone, together with the request.

    If this is false, the storage overrides `atomic()` and `with_effects()`, so that the
    effects of a write in other backends, mostly on permissions, are kept if and only if the write
    is kept.

    .. versionadded:: 3.2
    """

    def atomic(self, operation: Callable[[], T], *, collection_id: str, parent_id: str) -> T:
        """Run `operation` as one storage transaction on a collection, and return its result.

        Everything that `operation` reads in the collection stays true until its writes are visible,
        because nobody else writes to the collection in between. Preconditions, merges and the
        choice between creation and replacement must be decided inside it (X-24). If it raises an
        error, all its writes are undone. Calls may be nested.

        It may run several times. Its changes in other backends of this library are undone with it,
        and kept after the storage has committed. It must not have other effects.

        A backend that does not override this method runs `operation` without any protection.

        Parameters
        ----------
        operation : function that calls the other methods of this storage for the same collection.

        Raises
        ------
        BackendError : the collection could not be locked in time; the error is retryable.
        """
        return operation()

    @property
    def locks_late(self) -> bool:
        """Whether :meth:`update_seen` and :meth:`create_alone` may be called (X-24).

        .. versionadded:: 3.2
        """
        return False

    def create_alone(
        self,
        collection_id: str,
        parent_id: str,
        record: Record,
        aces: ACEInsertion | None = None,
        *,
        id_field: str = "id",
        modified_field: str = "last_modified",
        auth: str | None = None,
    ) -> Record:
        """Create a record with its permissions, and commit at once; return it as it is stored.

        .. versionadded:: 3.2

        Parameters
        ----------
        record : a record with an id that nobody else can have, and without a timestamp.

        Raises
        ------
        StaleReadError : it has to be created in another way: nothing was done.
        """
        raise StaleReadError

    def update_seen(
        self,
        collection_id: str,
        parent_id: str,
        object_id: str,
        record: Record,
        seen: Seen,
        *,
        id_field: str = "id",
        modified_field: str = "last_modified",
        auth: str | None = None,
    ) -> Replaced:
        """Replace a record if it is what the caller has seen, and commit at once.

        The collection is only locked meanwhile. A timestamp of the new record counts if it is newer
        than that of the old one.

        .. versionadded:: 3.2

        Raises
        ------
        StaleReadError : it is something else, or has to be replaced in another way: nothing was
            done.
        """
        raise StaleReadError

    def with_effects(
        self,
        write: Callable[[], T],
        effects: Callable[[T | None], U],
        *,
        collection_id: str,
        parent_id: str,
    ) -> tuple[T, U]:
        """Run a write that needs no lock, and its effects in other backends.

        The effects are kept if the write is kept, and not before it (X-30). It may be called within
        :meth:`atomic`.

        .. versionadded:: 3.2

        Parameters
        ----------
        write : function that calls one method of this storage.
        effects : is called with the result of `write`; a storage that does not join transactions
            calls it with ``None`` before `write`.

        Returns
        -------
        The results of both.
        """
        written = write()
        return written, effects(written)

    def create_many(
        self,
        collection_id: str,
        parent_id: str,
        records: Sequence[Record],
        *,
        id_generator: IdGenerator | None = None,
        id_field: str = "id",
        modified_field: str = "last_modified",
        auth: str | None = None,
    ) -> list[Record]:
        """Create records in one collection, one after the other, and return them in this order.

        If one of them cannot be stored, those before it may be stored or not. A backend that has
        its own method may take fewer round trips. Callers use it if :func:`creates_at_once` says
        that it does the same as ``create``.

        .. versionadded:: 3.2
        """
        return [
            self.create(
                collection_id,
                parent_id,
                record,
                id_generator=id_generator,
                id_field=id_field,
                modified_field=modified_field,
                auth=auth,
            )
            for record in records
        ]

    def update_many(
        self,
        collection_id: str,
        parent_id: str,
        records: Sequence[Record],
        *,
        id_field: str = "id",
        modified_field: str = "last_modified",
        auth: str | None = None,
    ) -> list[Record]:
        """Store records under their ids, one after the other, and return them in this order.

        Each is replaced, or created, as ``update`` does without unique fields. A backend that has
        its own method may take fewer round trips. Callers use it if :func:`changes_at_once` says
        that it does the same as ``update``.

        .. versionadded:: 3.2

        Parameters
        ----------
        records : records with their ids.
        """
        return [
            self.update(
                collection_id,
                parent_id,
                record[id_field],
                record,
                id_field=id_field,
                modified_field=modified_field,
                auth=auth,
            )
            for record in records
        ]

    def delete_many(
        self,
        collection_id: str,
        parent_id: str,
        object_ids: Sequence[str],
        *,
        id_field: str = "id",
        modified_field: str = "last_modified",
        deleted_field: str = "deleted",
        auth: str | None = None,
    ) -> list[Record]:
        """Delete records of one collection, one after the other, and return their tombstones.

        A backend that has its own method may take fewer round trips. Callers use it if
        :func:`changes_at_once` says that it does the same as ``delete``.

        .. versionadded:: 3.2

        Raises
        ------
        RecordNotFoundError : there is no live record with one of the ids. Those before it may be
            deleted or not.
        """
        return [
            self.delete(
                collection_id,
                parent_id,
                object_id,
                id_field=id_field,
                modified_field=modified_field,
                deleted_field=deleted_field,
                auth=auth,
            )
            for object_id in object_ids
        ]


_CREATES = Shortcut("create_many", "create")
_UPDATES = Shortcut("update_many", "update")
_DELETES = Shortcut("delete_many", "delete")


def creates_at_once(storage: object) -> bool:
    """Return whether ``create_many`` of a storage does the same as its ``create``.

    It may not, if an application has changed only the latter in a subclass, or has replaced it.
    """
    return _CREATES.is_open(storage)


def changes_at_once(storage: object) -> bool:
    """Return whether ``update_many`` and ``delete_many`` do the same as ``update`` and ``delete``.

    They may not, if an application has changed only the latter in a subclass, or has replaced them.
    """
    return _UPDATES.is_open(storage) and _DELETES.is_open(storage)
