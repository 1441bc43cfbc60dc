"""Permissions in Redis.

Within a request, changes are written after the request has committed, and only the request itself
sees them before that (X-30). Outside of requests, each call is applied at once. A call that changes
several keys is one script in the server, and a call that reads several keys reads them at one
moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import redis

from cliquet.connections.redis.client import (
    create_from_config,
    pool_status,
    settings_of,
    translated_errors,
)
from cliquet.connections.redis.names import from_bytes, to_bytes
from cliquet.core.globs import as_published, compile_pattern, is_pattern
from cliquet.permission.base import (
    AUTHENTICATED,
    ACEChange,
    PermissionBase,
    accessible_patterns,
    granting_permissions,
    require_principals,
)
from cliquet.permission.grants import ACEPrincipal, Grant, UserPrincipal
from cliquet.permission.redis import scripts
from cliquet.permission.redis.changes import (
    Change,
    Flush,
    ObjectChange,
    UserChange,
    change_of_aces,
    change_of_principals,
    changed_objects,
    replacements,
)
from cliquet.permission.redis.joining import Changes, wait_for
from cliquet.permission.redis.keys import (
    ACCESSIBLE,
    LOCK,
    MEMBERS,
    OBJECTS,
    PERMISSIONS,
    USER,
    USERS,
    ace_key,
    key_of,
    read_held,
)
from cliquet.transactions import scope
from cliquet.types import BoundPermission, GetBoundPermissions, PoolStatus

__all__ = ["Permission", "create_from_config", "load_from_config"]


class Permission(PermissionBase):
    """Permission backend in Redis.

    .. code-block:: ini

        cliquet.permission_backend = cliquet.permission.redis
        cliquet.permission_url = redis://localhost:6379/2

    The cost of an operation on one object or user does not depend on the number of others. The cost
    of a list of accessible objects depends on the number of all objects that the principals can
    access.

    Parameters
    ----------
    client : client of the one server, or primary, that keeps the data.
    """

    is_transferable = True
    is_written_after_records = True

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        # It is not typed, because the annotations of the driver mix its synchronous and its
        # asynchronous client.
        self._client: Any = client
        self._changes = Changes(client)
        self._read_aces = client.register_script(scripts.READ_ACES)
        self._check = client.register_script(scripts.CHECK)

    @property
    def settings(self) -> dict[str, Any]:
        """The ``host``, ``port``, ``password`` and ``db`` of the server (B-10.4)."""
        return settings_of(self._client)

    def pool_status(self) -> PoolStatus | None:
        """Return the use of the pool of connections; ``None`` if it has no size."""
        return pool_status(self._client)

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Do nothing, because there is no schema."""

    @translated_errors
    def flush(self) -> None:
        self._changes.make([Flush()])

    # Users

    @translated_errors
    def add_user_principal(self, user_id: str, principal: str) -> None:
        require_principals([principal])
        self._changes.make([UserChange("join", user_id, principal)])

    @translated_errors
    def remove_user_principal(self, user_id: str, principal: str) -> None:
        self._changes.make([UserChange("leave", user_id, principal)])

    @translated_errors
    def remove_principal(self, principal: str) -> None:
        members = _set(self._client.smembers(key_of(MEMBERS, principal)))
        for change in self._changes.pending():
            if isinstance(change, UserChange) and change.principal == principal:
                members.add(change.user_id)
        self._changes.make([UserChange("leave", user_id, principal) for user_id in members])

    @translated_errors
    def user_principals(self, user_id: str) -> set[str]:
        pending = self._changes.pending()
        if not pending:
            return _set(self._client.sunion(key_of(USER, user_id), key_of(USER, AUTHENTICATED)))
        principals: set[str] = set()
        for one in (user_id, AUTHENTICATED):
            stored = _set(self._client.smembers(key_of(USER, one)))
            principals |= change_of_principals(pending, one, stored)
        return principals

    # Objects

    @translated_errors
    def add_principal_to_ace(self, object_id: str, permission: str, principal: str) -> None:
        require_principals([principal])
        self._changes.make([ObjectChange("add", object_id, permission, (principal,))])

    @translated_errors
    def remove_principal_from_ace(self, object_id: str, permission: str, principal: str) -> None:
        self._changes.make([ObjectChange("remove", object_id, permission, (principal,))])

    @translated_errors
    def object_permission_principals(self, object_id: str, permission: str) -> set[str]:
        return self.object_permission_authorized_principals(object_id, permission)

    @translated_errors
    def principals_accessible_objects(
        self,
        principals: Iterable[str],
        permission: str,
        object_id_match: str | None = None,
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> set[str]:
        wanted = accessible_patterns(permission, object_id_match, get_bound_permissions)
        return set(self._accessible(principals, wanted))

    @translated_errors
    def get_accessible_objects(
        self,
        principals: Iterable[str],
        bound_permissions: Iterable[BoundPermission] | None = None,
        with_children: bool = True,
    ) -> dict[str, set[str]]:
        if bound_permissions is None:
            accessible: dict[str, set[str]] = {}
            for permission, object_id in self._held_by(principals):
                accessible.setdefault(object_id, set()).add(permission)
            return accessible
        return self._accessible(principals, bound_permissions, with_children=with_children)

    @translated_errors
    def object_permission_authorized_principals(
        self,
        object_id: str,
        permission: str,
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> set[str]:
        granting = granting_permissions(object_id, permission, get_bound_permissions)
        if not granting:
            return set()
        if self._changes.pending():
            return self._authorized(granting)
        return _set(self._client.sunion([ace_key(*bound) for bound in granting]))

    @translated_errors
    def check_permission(
        self,
        object_id: str,
        permission: str,
        principals: Iterable[str],
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> bool:
        granting = granting_permissions(object_id, permission, get_bound_permissions)
        names = {name for name in principals if isinstance(name, str)}
        if not granting or not names:
            return False
        # Before a refusal, it waits for requests that are about to write the permissions of a
        # record that others can already see (D-54).
        if self._changes.pending():
            return any(
                not self._authorized(granting, is_guarded=waits).isdisjoint(names)
                for waits in (False, True)
            )
        keys = [ace_key(*bound) for bound in granting]
        locks = [key_of(LOCK, object_id) for object_id in {object_id for object_id, _ in granting}]
        arguments: list[Any] = [len(names), *_texts(*names), *locks]
        return bool(wait_for(lambda: self._check(keys=keys, args=arguments)))

    @translated_errors
    def object_permissions(
        self, object_id: str, permissions: Iterable[str] | None = None
    ) -> dict[str, set[str]]:
        return self.get_objects_permissions([object_id], permissions)[0]

    @translated_errors
    def get_objects_permissions(
        self, object_ids: Sequence[str], permissions: Iterable[str] | None = None
    ) -> list[dict[str, set[str]]]:
        names = None if permissions is None else list(permissions)
        if not object_ids or names == []:
            return [{} for _ in object_ids]
        found = self._read(object_ids, names)
        if names is None:
            return found
        return [{name: aces[name] for name in names if name in aces} for aces in found]

    @translated_errors
    def replace_object_permissions(
        self, object_id: str, permissions: Mapping[str, Iterable[str]]
    ) -> None:
        changes = replacements(object_id, permissions)
        if changes:
            self._changes.make(changes)

    @translated_errors
    def write_object_permissions(
        self,
        object_id: str,
        permissions: Mapping[str, Iterable[str]],
        writer: str | None = None,
        *,
        is_new: bool = False,
        held: dict[str, set[str]] | None = None,
    ) -> ACEChange:
        changes = replacements(object_id, permissions)
        if is_new:
            changes.insert(0, ObjectChange("clear", object_id))
        if writer is not None:
            require_principals([writer])
            changes.append(ObjectChange("add", object_id, "write", (writer,)))
        (before,) = self._changing([object_id], changes)
        return ACEChange.of(before, permissions, writer, is_new=is_new)

    @translated_errors
    def take_object_permissions(
        self, object_ids: Sequence[str], *, held: list[dict[str, set[str]]] | None = None
    ) -> list[dict[str, set[str]]]:
        if not object_ids:
            return []
        ids = list(dict.fromkeys(object_ids))
        taken = self._changing(ids, [ObjectChange("clear", object_id) for object_id in ids])
        by_id = dict(zip(ids, taken, strict=True))
        return [{**by_id[object_id]} for object_id in object_ids]

    @translated_errors
    def delete_object_permissions(self, *object_ids: str) -> None:
        given = [as_published(object_id) for object_id in object_ids]
        patterns = [object_id for object_id in given if is_pattern(object_id)]
        ids = dict.fromkeys(object_id for object_id in given if not is_pattern(object_id))
        if patterns:
            known = _set(self._client.smembers(key_of(OBJECTS)))
            known |= changed_objects(self._changes.pending())
            for pattern in patterns:
                ids |= dict.fromkeys(filter(compile_pattern(pattern), known))
        if ids:
            self._changes.make([ObjectChange("clear", object_id) for object_id in ids])

    # Steps

    def _read(
        self, object_ids: Sequence[str], names: Sequence[str] | None, *, is_guarded: bool = False
    ) -> list[dict[str, set[str]]]:
        """Return ACEs of objects, with the changes of the present transaction.

        Parameters
        ----------
        names : permissions that limit the read; they do not limit the changes of the transaction.
        is_guarded : whether to wait until nobody is about to write one of the objects.
        """
        pending = self._changes.pending()
        limits = _texts(*names or ())
        arguments: list[Any] = [len(limits), *limits, int(is_guarded), *_texts(*object_ids)]
        found = wait_for(lambda: self._read_aces(args=arguments))
        return change_of_aces(pending, object_ids, [_aces(one) for one in found])

    def _changing(
        self, object_ids: Sequence[str], changes: Sequence[ObjectChange]
    ) -> list[dict[str, set[str]]]:
        """Make changes, and return the former ACEs of objects."""
        if scope.current() is None:
            return [_aces(one) for one in self._changes.exchange(object_ids, changes)]
        before = self._read(object_ids, None, is_guarded=True)
        self._changes.make(changes)
        return before

    def _authorized(
        self, granting: Sequence[BoundPermission], *, is_guarded: bool = False
    ) -> set[str]:
        """Return the principals that have one of the bound permissions."""
        object_ids = list(dict.fromkeys(object_id for object_id, _ in granting))
        known = dict(
            zip(object_ids, self._read(object_ids, None, is_guarded=is_guarded), strict=True)
        )
        return set().union(*(known[one].get(name, ()) for one, name in granting))

    # Copies

    def export(self) -> Iterator[Grant]:
        for user_id in self._sorted(key_of(USERS)):
            for principal in self._sorted(key_of(USER, user_id)):
                yield UserPrincipal(user_id, principal)
        for object_id in self._sorted(key_of(OBJECTS)):
            for permission in self._sorted(key_of(PERMISSIONS, object_id)):
                for principal in self._sorted(ace_key(object_id, permission)):
                    yield ACEPrincipal(object_id, permission, principal)

    @translated_errors
    def import_(self, added: Sequence[Grant], removed: Sequence[Grant]) -> None:
        changes: list[Change] = []
        for grants, names in ((added, ("join", "add")), (removed, ("leave", "remove"))):
            for grant in grants:
                if isinstance(grant, UserPrincipal):
                    changes.append(UserChange(names[0], *grant))
                else:
                    ace = (grant.object_id, grant.permission, (grant.principal,))
                    changes.append(ObjectChange(names[1], *ace))
        self._changes.make(changes)

    @translated_errors
    def _sorted(self, key: bytes) -> list[str]:
        return sorted(_set(self._client.smembers(key)))

    def _held_by(self, principals: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield the permissions and object ids of the principals, all at one moment."""
        names = dict.fromkeys(principals)
        pending = self._changes.pending()
        changed = sorted(changed_objects(pending))
        if not any(isinstance(change, Flush) for change in pending):
            pipe = self._client.pipeline()
            for principal in names:
                pipe.smembers(key_of(ACCESSIBLE, principal))
            for members in pipe.execute():
                held = map(read_held, members)
                yield from (one for one in held if not changed or one[1] not in changed)
        if changed:
            for object_id, aces in zip(changed, self._read(changed, None), strict=True):
                for permission, given in aces.items():
                    if not given.isdisjoint(names):
                        yield permission, object_id

    def _accessible(
        self,
        principals: Iterable[str],
        bound_permissions: Iterable[BoundPermission],
        *,
        with_children: bool = True,
    ) -> dict[str, set[str]]:
        held: dict[str, set[str]] = {}
        for permission, object_id in self._held_by(principals):
            held.setdefault(permission, set()).add(object_id)
        accessible: dict[str, set[str]] = {}
        for pattern, permission in bound_permissions:
            matches = compile_pattern(as_published(pattern))
            depth = pattern.count("/")
            for object_id in held.get(permission, ()):
                is_near = with_children or object_id.count("/") <= depth
                if is_near and matches(object_id):
                    accessible.setdefault(object_id, set()).add(permission)
        return accessible


def _texts(*texts: str) -> list[bytes]:
    return [to_bytes(text) for text in texts]


def _set(members: Iterable[bytes]) -> set[str]:
    return {from_bytes(member) for member in members}


def _aces(answer: Sequence[Any]) -> dict[str, set[str]]:
    """Read a list of permissions, each followed by its principals."""
    names, groups = answer[::2], answer[1::2]
    return {
        from_bytes(name): _set(group) for name, group in zip(names, groups, strict=True) if group
    }


def load_from_config(config: Any) -> Permission:
    """Return the permission backend that the settings describe (S-11.1).

    The server is not contacted yet.

    Raises
    ------
    cliquet.settings.SettingError : the URL, or a number, cannot be used.
    """
    return Permission(create_from_config(config, prefix="permission_"))
