"""A collection of records with permissions. The module knows nothing of HTTP."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from cliquet.core.globs import Exact
from cliquet.core.shortcuts import Shortcut
from cliquet.permission import PermissionBase
from cliquet.permission.base import ACEChange
from cliquet.permission.known_permissions import (
    KnownPermissions,
    adds_at_once,
    leaves_what_is_there,
    selects_what_it_lists,
    takes_at_once,
    writes_at_once,
)
from cliquet.resource.user_model import Model
from cliquet.security import object_uris
from cliquet.security.principals import keeps_write
from cliquet.storage import Filter, StorageBase
from cliquet.storage.departures import Departure, DepartureKind
from cliquet.storage.exceptions import RecordNotFoundError
from cliquet.storage.generators import UUID4
from cliquet.transactions.tweens import after_commit
from cliquet.types import Record
from cliquet.utils import is_storable_key

__all__ = ["ShareableModel"]

T = TypeVar("T")

_FINDS = Shortcut("find_with_aces", "get")
_READS_AHEAD = Shortcut("read_ahead", "get_record")


class ShareableModel(Model):
    """The records of a collection, with their permissions (P-14).

    Attributes
    ----------
    permissions_field : member of a record that contains its permissions, in arguments and results;
        it is never stored.
    permission : backend of the permissions.
    get_permission_object_id : function that returns the URI of a record for its id; without it,
        permissions are not changed.
    current_principal : principal that gets ``write`` on the records that it writes; ``None`` for
        anonymous users (D-50).
    explicit_permissions : whether every write gives it ``write``, as published. Otherwise only a
        creation does, so that nobody who edits through a group has ``write`` for ever (E-18.3).
    known_permissions : permissions that were already read. They are not read again, and are
        forgotten when the model changes them.
    judge : is called with the URI of each single record that is replaced or deleted, and with its
        permissions under the lock; an exception undoes the write (D-62). ``None`` for no check.
    """

    permissions_field = "__permissions__"
    _creates_alone = _replaces_alone = True
    permission: PermissionBase | None = None
    get_permission_object_id: Callable[..., str] | None = None
    current_principal: str | None = None
    explicit_permissions = True
    judge: Callable[[str, dict[str, set[str]]], None] | None = None
    # While the collection is locked: the permissions that were read together with a record.
    _held: dict[str, dict[str, set[str]]] | None = None
    # The last record that was read, and its URI.
    _last_uri: tuple[str, str] | tuple[None, str] = (None, "")

    @functools.cached_property
    def known_permissions(self) -> KnownPermissions:
        return KnownPermissions()

    @property
    def hands_filters_on(self) -> bool:
        """Whether the storage gets the filters of lists and deletions unchanged."""
        own_deletion = getattr(self.delete_records, "__func__", None)
        return self._has_own_get_records and own_deletion is ShareableModel.delete_records

    def _backend(self) -> tuple[PermissionBase, Callable[..., str]] | None:
        if self.permission is None or self.get_permission_object_id is None:
            return None
        return self.permission, self.get_permission_object_id

    @property
    def _makes_random_ids(self) -> bool:
        """Whether nobody can have had a generated id before, so that it has no permissions yet."""
        generator = self.id_generator or getattr(self.storage, "id_generator", None)
        return type(generator) is UUID4

    def _annotated(self, record: Record) -> Record:
        """Return a copy of a record with its permissions."""
        backend = self._backend()
        if backend is None:
            return record
        permission, get_object_id = backend
        # The argument is positional, because plugins replace it by functions with other names of
        # parameters (P-14.5).
        object_id = get_object_id(record[self.id_field])
        permissions = self.known_permissions.aces(object_id, record[self.modified_field])
        if permissions is None:
            permissions = permission.object_permissions(object_id)
        return {**record, self.permissions_field: permissions}

    def _write_permissions(
        self,
        record_id: str,
        permissions: dict[str, Any],
        parent_id: str | None,
        *,
        is_new: bool,
        had_none: bool = False,
    ) -> dict[str, set[str]]:
        """Write the permissions of a record; return all of its permissions afterwards.

        Parameters
        ----------
        had_none : whether it is known that there are no permissions so far.
        """
        permission, get_object_id = self.permission, self.get_permission_object_id
        assert permission and get_object_id  # noqa: PT018, S101 - the callers have looked
        known_id, object_id = self._last_uri
        if known_id != record_id:
            object_id = get_object_id(record_id)
        self.known_permissions.forget(object_id)
        held = {} if had_none else self._release(object_id)
        writer = self.current_principal
        if writer is not None and not is_new and not self.explicit_permissions:
            before = permission.object_permissions(object_id) if held is None else held
            writer = writer if keeps_write(writer, before, permissions) else None
        adds_nothing = writer is None or (held is not None and writer in held.get("write", ()))
        if held and adds_nothing and not permissions and leaves_what_is_there(permission):
            change = ACEChange(held, held)
        else:
            known = {} if held is None else {"held": held}
            write: Callable[..., ACEChange] = permission.write_object_permissions
            if not writes_at_once(permission):
                write = functools.partial(PermissionBase.write_object_permissions, permission)
            change = write(object_id, permissions, writer, is_new=is_new, **known)
        if self.tracker is not None and change.before != change.after:
            left = self.tracker.left(record_id, object_id, change) if change.before else []
            self._depart(left, parent_id)
            if self.tracker.tells_twice(self.storage, permission):
                # Somebody may ask between both commits, and get the answer of the old permissions.
                again = [Departure(record_id, DepartureKind.LATE), *left]
                after_commit(functools.partial(self._depart, again, parent_id))
        if self.judge is not None and not is_new:
            self.judge(object_id, change.before)
        return change.after

    def _release(self, object_id: str) -> dict[str, set[str]] | None:
        """Return the permissions that were read under the lock, before they change."""
        return None if self._held is None else self._held.pop(object_id, None)

    def atomic(self, operation: Callable[[], T], parent_id: str | None = None) -> T:
        """Run an operation on the collection as one transaction of the storage."""

        def run() -> T:
            outer = self._held
            # The records of another parent are not those of this lock.
            self._held = {} if parent_id in (None, self.parent_id) else None
            try:
                return operation()
            finally:
                self._held = outer

        return super().atomic(run, parent_id)

    def _as_one(self, operation: Callable[[], T], parent_id: str | None) -> T:
        """Run an operation that writes a record and its permissions; both are kept, or none."""
        if self.storage.joins_transactions:
            return operation()
        return self.atomic(operation, parent_id)

    def get_record(self, record_id: str, parent_id: str | None = None) -> Record:
        """Return a live record and its permissions."""
        joint = self._joint(record_id, parent_id)
        if joint is None:
            return self._annotated(super().get_record(record_id, parent_id=parent_id))
        object_id, record, aces = joint
        if self._held is not None and parent_id is None:
            self._held[object_id] = {name: set(given) for name, given in aces.items()}
        if record is None:
            raise RecordNotFoundError(record_id)
        return {**record, self.permissions_field: aces}

    # Their permissions are for the caller to read.
    find_records = Model.find_records

    def read_ahead(self, record_id: str, object_id: str) -> Record | None:
        """Read the permissions of a record for their check, and the record too if that is free.

        The permissions are remembered, also those of a record that does not exist. Nothing is read
        if storage and permissions are not in one database, or if the application has replaced a
        method that would read them.

        .. versionadded:: 3.2

        Parameters
        ----------
        object_id : URI of the record.

        Returns
        -------
        The record, like :meth:`get_record`; ``None`` if it does not exist, or was not read.
        """
        joint = self._joint(record_id, None, object_id) if _READS_AHEAD.is_open(self) else None
        if joint is None:
            return None
        _, record, aces = joint
        self.known_permissions.remember(
            object_id, aces, None if record is None else record[self.modified_field]
        )
        return None if record is None else {**record, self.permissions_field: aces}

    def _joint(
        self, record_id: str, parent_id: str | None, uri: str | None = None
    ) -> tuple[str, Record | None, dict[str, set[str]]] | None:
        """Read a record with its ACEs, perhaps for a URI; ``None`` if it is not free."""
        permission, get_object_id = self.permission, self.get_permission_object_id
        if (
            get_object_id is None
            or not isinstance(self.storage, StorageBase)
            or not isinstance(permission, PermissionBase)
            or not selects_what_it_lists(permission)
            or not _FINDS.is_open(self.storage)
        ):
            return None
        object_id = get_object_id(record_id)
        # Under the lock they are read again with the record: they may have changed until then.
        is_known = self._held is None and self.known_permissions.has_aces(object_id)
        self._last_uri = record_id, object_id
        if is_known or uri not in (None, object_id) or not is_storable_key(object_id):
            return None
        aces = permission.select_aces(object_id)
        place = self._collection(parent_id)
        if not self.storage.can_join_aces(
            aces, collection_id=place["collection_id"], parent_id=place["parent_id"]
        ):
            return None
        names = {"id_field": self.id_field, "modified_field": self.modified_field}
        found = self.storage.find_with_aces(object_id=record_id, aces=aces, **place, **names)
        return object_id, *found

    def create_record(
        self,
        record: Record,
        parent_id: str | None = None,
        unique_fields: Sequence[str] | None = None,
    ) -> Record:
        """Store a new record with exactly the permissions that it contains (X-30)."""
        record = dict(record)
        permissions = record.pop(self.permissions_field, {})
        create = functools.partial(super().create_record, record, parent_id, unique_fields)
        if self._backend() is None:
            return create()
        is_random = record.get(self.id_field) is None and self._makes_random_ids
        if not self.storage.joins_transactions and record.get(self.id_field) is None:
            # The id is needed before the storage would make it.
            record[self.id_field] = (self.id_generator or self.storage.id_generator)()

        def write(created: Record | None) -> dict[str, set[str]]:
            record_id = (created or record)[self.id_field]
            return self._write_permissions(
                record_id, permissions, parent_id, is_new=True, had_none=is_random
            )

        if not isinstance(self.storage.joins_transactions, bool):
            # The storage is a mock, which does not call the function (P-31.1).
            created = create()
            return {**created, self.permissions_field: write(created)}
        collection = self._collection(parent_id)
        both = functools.partial(
            self.storage.with_effects,
            create,
            write,
            collection_id=collection["collection_id"],
            parent_id=collection["parent_id"],
        )
        is_late = self._may_be_late(record.get(self.modified_field))
        created, written = self.atomic(both, parent_id) if is_late else both()
        return {**created, self.permissions_field: written}

    def create_records(self, records: Sequence[Record]) -> list[Record]:
        """Store new records, which contain no permissions, as :meth:`create_record` does."""
        if self._backend() is None or self.storage.joins_transactions is not True:
            return [self.create_record(record) for record in records]
        created = super().create_records(records)
        written = self._write_new_permissions([record[self.id_field] for record in created])
        return [
            {**record, self.permissions_field: aces}
            for record, aces in zip(created, written, strict=True)
        ]

    def _write_new_permissions(self, record_ids: Sequence[str]) -> list[dict[str, set[str]]]:
        """Give new records, which were created without permissions, those of their creator."""
        backend, writer = self._backend(), self.current_principal
        assert backend is not None  # noqa: S101 - the caller has looked
        permission, get_object_id = backend
        # Nobody knows, or has to be told of, permissions that a random id had before.
        is_random, tracker = self._makes_random_ids, self.tracker
        is_plain = tracker is None or not tracker.tells_twice(self.storage, permission)
        if writer is None or not is_random or not is_plain or not adds_at_once(permission):
            write = functools.partial(self._write_permissions, is_new=True, had_none=is_random)
            return [write(record_id, {}, None) for record_id in record_ids]
        object_ids = object_uris.of_siblings(get_object_id, record_ids)
        permission.add_principal_to_aces(object_ids, "write", writer)
        return [{"write": {writer}} for _ in record_ids]

    def update_record(
        self,
        record: Record,
        parent_id: str | None = None,
        unique_fields: Sequence[str] | None = None,
    ) -> Record:
        """Replace a record, and the permissions that the new one contains."""
        record = dict(record)
        permissions = record.pop(self.permissions_field, {})
        update = functools.partial(super().update_record, record, parent_id, unique_fields)
        if self._backend() is None:
            return update()

        def write() -> Record:
            updated = update()
            record_id = updated[self.id_field]
            written = self._write_permissions(record_id, permissions, parent_id, is_new=False)
            return {**updated, self.permissions_field: written}

        return self._as_one(write, parent_id)

    def delete_record(
        self,
        record: Record,
        parent_id: str | None = None,
        last_modified: int | None = None,
    ) -> Record:
        """Delete a record and its permissions (H-5.18)."""
        delete = functools.partial(super().delete_record, record, parent_id, last_modified)
        backend = self._backend()
        if backend is None:
            return delete()
        permission, object_id = backend

        def forget() -> Record:
            deleted = delete()
            (uri,) = uris = [object_id(deleted[self.id_field])]
            (before,) = self._forget(permission, uris)
            if self.tracker is not None and before:
                gone = self.tracker.gone([deleted[self.id_field]], uris, [before])
                self._depart(gone, parent_id)
            if self.judge is not None:
                self.judge(uri, before)
            return deleted

        return self._as_one(forget, parent_id)

    def delete_records(
        self, filters: Sequence[Filter] | None = None, parent_id: str | None = None
    ) -> list[Record]:
        """Delete the records that match all the filters, and their permissions."""
        delete = functools.partial(super().delete_records, filters, parent_id)
        backend = self._backend()
        if backend is None:
            return delete()
        permission, object_id = backend

        def forget() -> list[Record]:
            deleted = delete()
            if deleted:
                ids = [record[self.id_field] for record in deleted]
                uris = [object_id(record_id=record_id) for record_id in ids]
                before = self._forget(permission, uris)
                if self.tracker is not None and any(before):
                    self._depart(self.tracker.gone(ids, uris, before), parent_id)
            return deleted

        return self._as_one(forget, parent_id)

    def _forget(
        self, permission: PermissionBase, object_ids: list[str]
    ) -> list[dict[str, set[str]]]:
        """Remove the permissions of objects, and return the former ones."""
        for object_id in object_ids:
            self.known_permissions.forget(object_id)
        if takes_at_once(permission):
            held = [self._release(object_id) for object_id in object_ids]
            known = [aces for aces in held if aces is not None]
            if len(known) == len(object_ids):
                return permission.take_object_permissions(object_ids, held=known)
            return permission.take_object_permissions(object_ids)
        before = permission.get_objects_permissions(object_ids)
        # The published method takes plain texts for patterns, so that these must be marked as names
        #
        permission.delete_object_permissions(*map(Exact, object_ids))
        return before
