"""Changes of permissions that an application makes in the backend itself (E-12.3).

The models of resources record who loses a record. A subscriber that deletes all permissions below
an object goes to the permission backend, which knows neither records nor their storage. Where
clients synchronise, its published methods are observed: it is found out which records the objects
stand for, and the same is recorded as by the models.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from pyramid.interfaces import IRoutesMapper

from cliquet import settings
from cliquet.core.shortcuts import bound_to
from cliquet.monitoring.calls import Function
from cliquet.permission.base import ACEChange, PermissionBase
from cliquet.permission.known_permissions import takes_at_once, writes_at_once
from cliquet.resource.tracking import are_apart, readers
from cliquet.security.shared_objects import SharedObjects, SharedRecord
from cliquet.storage.departures import Departure, DepartureKind
from cliquet.storage.exceptions import RecordNotFoundError
from cliquet.storage.selection import CollectionKey
from cliquet.transactions.tweens import after_commit

__all__ = ["DirectChanges"]

Call = Callable[[], Any]


class DirectChanges:
    """Observes the methods of a permission backend with which an application changes ACEs.

    Those that the models call are not among them.

    Parameters
    ----------
    registry : registry of the application.
    """

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def observer(self, kind: str, owner: str, method: str, function: Function) -> Function:
        """Return the function to call in the place of a method, as any observer does."""
        change = _CHANGES.get(method) if kind == "permission" else None
        if change is None:
            return function
        permission = bound_to(function)
        signature = inspect.signature(function)

        @functools.wraps(function)
        def changing(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs).arguments
            call = functools.partial(function, *args, **kwargs)
            return change(self, permission, call, given)

        return changing

    def deleting(self, permission: PermissionBase, call: Call, given: Mapping[str, Any]) -> Any:
        """Delete the ACEs of objects, which may be patterns."""
        records = self._records(permission.matching_objects(*given.get("object_ids", ())))
        ids = list(records)
        self._lock(records.values())
        if takes_at_once(permission):
            before = permission.take_object_permissions(ids)
        else:
            before = permission.get_objects_permissions(ids)
        result = call()
        self._record(permission, records, [ACEChange(aces, {}) for aces in before])
        return result

    def replacing(self, permission: PermissionBase, call: Call, given: Mapping[str, Any]) -> Any:
        """Replace ACEs of one object."""
        if not writes_at_once(permission):
            return self.changing(permission, call, given)
        records = self._records([given["object_id"]])
        if not records:
            return call()
        self._lock(records.values())
        change = permission.write_object_permissions(given["object_id"], given["permissions"])
        self._record(permission, records, [change])
        return None

    def changing(self, permission: PermissionBase, call: Call, given: Mapping[str, Any]) -> Any:
        """Change an ACE of one object."""
        records = self._records([given["object_id"]])
        ids = list(records)
        self._lock(records.values())
        before = permission.get_objects_permissions(ids)
        result = call()
        after = permission.get_objects_permissions(ids)
        self._record(permission, records, list(map(ACEChange, before, after)))
        return result

    def written_late(self, changes: Mapping[str, ACEChange]) -> None:
        """Tell clients of changes whose records they may have been told before (H-9.8).

        A record that somebody may read now gets a new timestamp.
        """
        storage, places = self._registry.storage, _Places(SharedObjects(self._registry))
        for object_id, change in changes.items():
            record = places.find(object_id)
            if record is None:
                continue
            before, after = (readers(self._registry, object_id, aces) for aces in change)
            if before - after and settings.keeps_track(
                self._registry.settings, record.resource_name
            ):
                left = Departure(record.record_id, DepartureKind.LEFT, sorted(before - after))
                self._write({record.key: [left]})
            if after - before:
                with contextlib.suppress(RecordNotFoundError):
                    storage.atomic(
                        functools.partial(_touch, storage, record), **record.key._asdict()
                    )

    def _records(self, object_ids: Iterable[str]) -> dict[str, SharedRecord]:
        """Return the records that clients synchronise, by the ids of their objects."""
        registry = self._registry
        storage = getattr(registry, "storage", None)
        has_routes = registry.queryUtility(IRoutesMapper) is not None
        if not has_routes or getattr(storage, "keeps_departures", False) is not True:
            return {}
        places = _Places(SharedObjects(registry))
        found = {object_id: places.find(object_id) for object_id in dict.fromkeys(object_ids)}
        return {
            object_id: record
            for object_id, record in found.items()
            if record is not None and settings.keeps_track(registry.settings, record.resource_name)
        }

    def _lock(self, records: Iterable[SharedRecord]) -> None:
        """Lock the collections, as every write of a record does before it changes permissions."""
        storage = self._registry.storage
        if storage.joins_transactions is True:
            for key in sorted({record.key for record in records}):
                storage.atomic(_nothing, collection_id=key.collection_id, parent_id=key.parent_id)

    def _record(
        self,
        permission: PermissionBase,
        records: Mapping[str, SharedRecord],
        changes: Sequence[ACEChange],
    ) -> None:
        departures: dict[CollectionKey, list[Departure]] = {}
        for (object_id, record), change in zip(records.items(), changes, strict=True):
            told = departures.setdefault(record.key, [])
            before, after = (readers(self._registry, object_id, aces) for aces in change)
            if after - before:
                told.append(Departure(record.record_id, DepartureKind.LATE))
            if before - after:
                lost = sorted(before - after)
                told.append(Departure(record.record_id, DepartureKind.LEFT, lost))
        write = functools.partial(self._write, departures)
        joins = self._registry.storage.joins_transactions is True
        if joins:
            write()
        if not joins or are_apart(self._registry.storage, permission):
            # Somebody may ask before both have committed, and get the answer of the former ones.
            after_commit(write)

    def _write(self, departures: Mapping[CollectionKey, Sequence[Departure]]) -> None:
        for key in sorted(departures):
            self._registry.storage.record_departures(
                collection_id=key.collection_id,
                parent_id=key.parent_id,
                departures=departures[key],
            )


_CHANGES: Final[Mapping[str, Callable[..., Any]]] = {
    "delete_object_permissions": DirectChanges.deleting,
    "replace_object_permissions": DirectChanges.replacing,
    "add_principal_to_ace": DirectChanges.changing,
    "remove_principal_from_ace": DirectChanges.changing,
}


class _Places:
    """Finds the records of many objects; those of one collection are found by the first one."""

    def __init__(self, objects: SharedObjects) -> None:
        self._objects = objects
        self._known: dict[str, SharedRecord | None] = {}

    def find(self, object_id: str) -> SharedRecord | None:
        start, _, record_id = object_id.rpartition("/")
        if start not in self._known:
            found = self._objects.record_of(object_id)
            record = found if isinstance(found, SharedRecord) else None
            if record is None or record.record_id != record_id:
                # Its id is not the end of its URL, so that it says nothing of its neighbours.
                return record
            self._known[start] = record
        known = self._known[start]
        return None if known is None else known._replace(record_id=record_id)


def _touch(storage: Any, record: SharedRecord) -> None:
    """Write a record as it is, with a new timestamp."""
    found = storage.get(object_id=record.record_id, **record.names)
    del found[record.modified_field]
    storage.update(object_id=record.record_id, record=found, **record.names)


def _nothing() -> None:
    """Do nothing: the lock alone is wanted."""
