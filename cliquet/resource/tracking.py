"""Which departures the writes of a request record (E-12).

The models ask, when a write takes something away: until then, nothing is read. They record what has
departed with the write, in the storage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pyramid.interfaces import IAuthorizationPolicy
from pyramid.request import Request

from cliquet import settings
from cliquet.permission.base import ACEChange, PermissionBase, granting_permissions
from cliquet.security.authorization import write_implies_read
from cliquet.storage.base import StorageBase
from cliquet.storage.departures import Departure, DepartureKind

__all__ = ["Tracker", "are_apart", "readers"]


class Tracker(NamedTuple):
    """Answers the questions of a model during a request.

    It is made for each request, and asked by few: therefore it has no code of its own to begin.
    """

    request: Request

    @property
    def is_on(self) -> bool:
        """Whether clients synchronise the resource, and the storage keeps departures for them."""
        registry = self.request.registry
        name = getattr(self.request, "current_resource_name", None)
        return registry.storage.keeps_departures is True and settings.keeps_track(
            registry.settings, name
        )

    def tells_twice(self, storage: StorageBase, permission: PermissionBase) -> bool:
        """Return whether a change of permissions is recorded again after the commit.

        There may be a moment in which others see a record, and not its new permissions. Permissions
        that are told to be written later are waited for.
        """
        if getattr(permission, "is_written_after_records", False) is True:
            return False
        return are_apart(storage, permission) and self.is_on

    def left(self, record_id: str, object_id: str, change: ACEChange) -> list[Departure]:
        """Return who can no longer read a record, after its permissions were changed."""
        before, after = (self._readers(object_id, aces) for aces in change)
        lost = before - after
        return (
            [Departure(record_id, DepartureKind.LEFT, sorted(lost))] if lost and self.is_on else []
        )

    def gone(
        self,
        record_ids: Sequence[str],
        object_ids: Sequence[str],
        before: Sequence[Mapping[str, set[str]]],
    ) -> list[Departure]:
        """Return who could read records that were deleted.

        Parameters
        ----------
        before : the former ACEs of the objects.
        """
        if not self.is_on:
            return []
        return [
            Departure(record_id, DepartureKind.GONE, sorted(self._readers(object_id, aces)))
            for record_id, object_id, aces in zip(record_ids, object_ids, before, strict=True)
        ]

    def _readers(self, object_id: str, aces: Mapping[str, set[str]]) -> set[str]:
        return readers(self.request.registry, object_id, aces)


def are_apart(storage: StorageBase, permission: PermissionBase) -> bool:
    """Return whether records and permissions are committed one after the other."""
    clients = [getattr(backend, "client", None) for backend in (storage, permission)]
    return storage.joins_transactions is False or clients[0] is not clients[1]


def readers(registry: Any, object_id: str, aces: Mapping[str, set[str]]) -> set[str]:
    """Return the principals that can read an object by its own ACEs."""
    policy = registry.queryUtility(IAuthorizationPolicy)
    bound = getattr(policy, "get_bound_permissions", None) or write_implies_read
    granting = granting_permissions(object_id, "read", bound)
    own = {name for granting_id, name in granting if granting_id == object_id}
    return set().union(*(aces.get(name, ()) for name in own))
