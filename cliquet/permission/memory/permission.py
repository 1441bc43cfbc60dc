"""Permissions in the memory of the process.

Processes do not share them, and they are lost when the process ends: the backend is for development
and tests. It takes part in the transaction of a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from cliquet.connections.memory import MemoryStore, TransactionalMap
from cliquet.core.globs import Pattern, as_published, compile_pattern, is_pattern
from cliquet.permission.base import (
    AUTHENTICATED,
    ACEChange,
    PermissionBase,
    accessible_patterns,
    granting_permissions,
    require_principals,
)
from cliquet.permission.grants import ACEPrincipal, Grant, UserPrincipal
from cliquet.types import BoundPermission, GetBoundPermissions

__all__ = ["Permission", "load_from_config"]

V = TypeVar("V")

ACEs = Mapping[str, frozenset[str]]
"""The permissions of one object and their principals; neither is ever empty."""

NO_ACES: ACEs = {}

Held = list[tuple[str, frozenset[str]]]
"""Object ids and permissions; an id comes once for each principal with permissions on it."""


def _objects(held: Held, pattern: str, permission: str) -> list[str]:
    """Return the ids that match a pattern and have the permission."""
    matches = compile_pattern(as_published(pattern))
    return [
        object_id
        for object_id, permissions in held
        if permission in permissions and matches(object_id)
    ]


class _Index(Generic[V]):
    """An index of principals: a map of keys and values for each principal.

    There is one map for each principal, so that one more object for a principal with a hundred
    thousand objects does not copy them.
    """

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._maps: TransactionalMap[str, TransactionalMap[str, V]] = TransactionalMap(store)

    def items(self, principal: str) -> list[tuple[str, V]]:
        found = self._maps.get(principal)
        return [] if found is None else found.items()

    def get(self, principal: str, key: str) -> V | None:
        found = self._maps.get(principal)
        return None if found is None else found.get(key)

    def set(self, principal: str, key: str, value: V) -> None:
        self._map_of(principal).set(key, value)

    def delete(self, principal: str, key: str) -> None:
        found = self._map_of(principal)
        found.delete(key)
        if not len(found):
            self._maps.delete(principal)

    def _map_of(self, principal: str) -> TransactionalMap[str, V]:
        found = self._maps.get(principal)
        if found is None:
            found = TransactionalMap(self._store)
            self._maps.set(principal, found)
        return found


class Permission(PermissionBase):
    """Permission backend in memory.

    .. code-block:: ini

        cliquet.permission_backend = cliquet.permission.memory
    """

    is_transferable = True

    def __init__(self) -> None:
        super().__init__()
        self._store = MemoryStore("The permission backend")
        self._groups: TransactionalMap[str, frozenset[str]] = TransactionalMap(self._store)
        self._aces: TransactionalMap[str, ACEs] = TransactionalMap(self._store)
        # The same data by principal: the users of each, and the objects and permissions of each.
        self._members: _Index[bool] = _Index(self._store)
        self._accessible: _Index[frozenset[str]] = _Index(self._store)

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Do nothing, because there is no schema."""

    def wait_for_commits(self) -> None:
        self._store.wait_for_commit()

    def flush(self) -> None:
        with self._store.write():
            for user_id, principals in self._groups.items():
                self._set_groups(user_id, principals, frozenset())
            self.delete_object_permissions(Pattern("*"))

    def add_user_principal(self, user_id: str, principal: str) -> None:
        added = require_principals([principal])
        with self._store.write():
            before = self._groups.get(user_id) or frozenset()
            self._set_groups(user_id, before, before | added)

    def remove_user_principal(self, user_id: str, principal: str) -> None:
        with self._store.write():
            before = self._groups.get(user_id) or frozenset()
            self._set_groups(user_id, before, before - {principal})

    def remove_principal(self, principal: str) -> None:
        with self._store.write():
            for user_id, _ in self._members.items(principal):
                self.remove_user_principal(user_id, principal)

    def user_principals(self, user_id: str) -> set[str]:
        with self._store.latch:
            own = self._groups.get(user_id) or frozenset()
            shared = self._groups.get(AUTHENTICATED) or frozenset()
        return {*own, *shared}

    def add_principal_to_ace(self, object_id: str, permission: str, principal: str) -> None:
        self.add_principal_to_aces([object_id], permission, principal)

    def add_principal_to_aces(
        self, object_ids: Sequence[str], permission: str, principal: str
    ) -> None:
        added = require_principals([principal])
        with self._store.write():
            for object_id in object_ids:
                aces = self._aces_of(object_id)
                principals = aces.get(permission, frozenset()) | added
                self._set_aces(object_id, {**aces, permission: principals})

    def remove_principal_from_ace(self, object_id: str, permission: str, principal: str) -> None:
        with self._store.write():
            aces = self._aces_of(object_id)
            principals = aces.get(permission, frozenset()) - {principal}
            self._set_aces(object_id, {**aces, permission: principals})

    def object_permission_principals(self, object_id: str, permission: str) -> set[str]:
        return set(self._aces_of(object_id).get(permission, ()))

    def principals_accessible_objects(
        self,
        principals: Iterable[str],
        permission: str,
        object_id_match: str | None = None,
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> set[str]:
        wanted = accessible_patterns(permission, object_id_match, get_bound_permissions)
        held = self._held_by(principals)
        return {
            object_id for pattern, name in wanted for object_id in _objects(held, pattern, name)
        }

    def get_accessible_objects(
        self,
        principals: Iterable[str],
        bound_permissions: Iterable[BoundPermission] | None = None,
        with_children: bool = True,
    ) -> dict[str, set[str]]:
        held = self._held_by(principals)
        accessible: dict[str, set[str]] = {}
        if bound_permissions is None:
            for object_id, permissions in held:
                accessible.setdefault(object_id, set()).update(permissions)
            return accessible
        for pattern, permission in bound_permissions:
            depth = pattern.count("/")
            for object_id in _objects(held, pattern, permission):
                if with_children or object_id.count("/") <= depth:
                    accessible.setdefault(object_id, set()).add(permission)
        return accessible

    def object_permission_authorized_principals(
        self,
        object_id: str,
        permission: str,
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> set[str]:
        granting = granting_permissions(object_id, permission, get_bound_permissions)
        with self._store.latch:
            aces = [self._aces_of(granting_id).get(name, ()) for granting_id, name in granting]
        return set().union(*aces)

    def object_permissions(
        self, object_id: str, permissions: Iterable[str] | None = None
    ) -> dict[str, set[str]]:
        aces = self._aces_of(object_id)
        names = aces if permissions is None else permissions
        return {name: set(aces[name]) for name in names if name in aces}

    def get_objects_permissions(
        self, object_ids: Sequence[str], permissions: Iterable[str] | None = None
    ) -> list[dict[str, set[str]]]:
        # The latch makes the view of all the objects consistent.
        with self._store.latch:
            return super().get_objects_permissions(object_ids, permissions)

    def replace_object_permissions(
        self, object_id: str, permissions: Mapping[str, Iterable[str]]
    ) -> None:
        replaced = {name: require_principals(given) for name, given in permissions.items()}
        with self._store.write():
            self._set_aces(object_id, {**self._aces_of(object_id), **replaced})

    def write_object_permissions(
        self,
        object_id: str,
        permissions: Mapping[str, Iterable[str]],
        writer: str | None = None,
        *,
        is_new: bool = False,
        held: dict[str, set[str]] | None = None,
    ) -> ACEChange:
        replaced = {name: require_principals(given) for name, given in permissions.items()}
        if writer is not None:
            require_principals([writer])
        with self._store.write():
            before = self.object_permissions(object_id)
            change = ACEChange.of(before, replaced, writer, is_new=is_new)
            wanted = {name: frozenset(given) for name, given in change.after.items()}
            self._set_aces(object_id, wanted)
        return change

    def take_object_permissions(
        self, object_ids: Sequence[str], *, held: list[dict[str, set[str]]] | None = None
    ) -> list[dict[str, set[str]]]:
        with self._store.write():
            before = self.get_objects_permissions(object_ids)
            for object_id in object_ids:
                self._set_aces(object_id, {})
        return before

    def matching_objects(self, *object_ids: str) -> list[str]:
        with self._store.latch:
            found = set(self._matching(object_ids))
            return sorted(object_id for object_id in found if self._aces_of(object_id))

    def delete_object_permissions(self, *object_ids: str) -> None:
        with self._store.write():
            for object_id in self._matching(object_ids):
                self._set_aces(object_id, {})

    def export(self) -> Iterator[Grant]:
        for user_id, _ in sorted(self._groups.items()):
            for principal in sorted(self._groups.get(user_id) or ()):
                yield UserPrincipal(user_id, principal)
        for object_id in sorted(known for known, _ in self._aces.items()):
            for permission, principals in sorted(self._aces_of(object_id).items()):
                for principal in sorted(principals):
                    yield ACEPrincipal(object_id, permission, principal)

    def import_(self, added: Sequence[Grant], removed: Sequence[Grant]) -> None:
        with self._store.write():
            for grant in added:
                if isinstance(grant, UserPrincipal):
                    self.add_user_principal(*grant)
                else:
                    self.add_principal_to_ace(*grant)
            for grant in removed:
                if isinstance(grant, UserPrincipal):
                    self.remove_user_principal(*grant)
                else:
                    self.remove_principal_from_ace(*grant)

    def _held_by(self, principals: Iterable[str]) -> Held:
        """Return the permissions of the principals, all at the same moment."""
        names = set(principals)
        with self._store.latch:
            return [item for name in names for item in self._accessible.items(name)]

    def _matching(self, object_ids: Iterable[str]) -> Iterator[str]:
        """Yield the ids and, for each pattern, the known ids that match it."""
        for object_id in map(as_published, object_ids):
            if is_pattern(object_id):
                matches = compile_pattern(object_id)
                yield from [known for known, _ in self._aces.items() if matches(known)]
            else:
                yield object_id

    def _aces_of(self, object_id: str) -> ACEs:
        return self._aces.get(object_id) or NO_ACES

    def _set_groups(self, user_id: str, before: frozenset[str], principals: frozenset[str]) -> None:
        """Change a user and the index together. The caller holds the write lock."""
        for principal in principals - before:
            self._members.set(principal, user_id, True)
        for principal in before - principals:
            self._members.delete(principal, user_id)
        if not principals:
            self._groups.delete(user_id)
        elif principals != before:
            self._groups.set(user_id, principals)

    def _set_aces(self, object_id: str, wanted: ACEs) -> None:
        """Change an object and the index together. The caller holds the write lock."""
        before = self._aces_of(object_id)
        aces = {name: principals for name, principals in wanted.items() if principals}
        for name in before.keys() | aces.keys():
            old = before.get(name, frozenset())
            new = aces.get(name, frozenset())
            for principal in new - old:
                held = self._accessible.get(principal, object_id) or frozenset()
                self._accessible.set(principal, object_id, held | {name})
            for principal in old - new:
                held = (self._accessible.get(principal, object_id) or frozenset()) - {name}
                if held:
                    self._accessible.set(principal, object_id, held)
                else:
                    self._accessible.delete(principal, object_id)
        if not aces:
            self._aces.delete(object_id)
        elif aces != before:
            self._aces.set(object_id, aces)


def load_from_config(config: Any) -> Permission:
    """Return the permission backend that the settings describe (S-11.1).

    Parameters
    ----------
    config : not used, because there are no settings.
    """
    return Permission()
