"""Permissions in Redis.

Each call is applied at once, and is not undone when the request fails (X-18). A call that changes
several keys is one script of the server; one that reads several reads them at one instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import redis

from cliquet.connections.redis import (
    create_from_config,
    pool_status,
    settings_of,
    wrap_redis_error,
)
from cliquet.patterns import as_published, compile_pattern, is_pattern
from cliquet.permission import redis_scripts as scripts
from cliquet.permission.base import (
    AUTHENTICATED,
    ACEChange,
    PermissionBase,
    accessible_patterns,
    granting_permissions,
    require_principals,
)
from cliquet.permission.redis_keys import (
    ACCESSIBLE,
    OBJECTS,
    PERMISSIONS,
    USER,
    USERS,
    ace_key,
    from_bytes,
    key_of,
    read_held,
    to_bytes,
)
from cliquet.permission.transfer import ACEPrincipal, Grant, UserPrincipal
from cliquet.types import BoundPermission, GetBoundPermissions, PoolStatus

__all__ = ["Permission", "create_from_config", "load_from_config", "wrap_redis_error"]

# Grants imported, or ids deleted, by one run of a script: the server does nothing else meanwhile.
BATCH = 500


class Permission(PermissionBase):
    """Permission backend in Redis.

    .. code-block:: ini

        cliquet.permission_backend = cliquet.permission.redis
        cliquet.permission_url = redis://localhost:6379/2

    What one object, or one user, costs does not depend on how many others there are. What a
    principal can access is listed at the cost of what it can access.

    Parameters
    ----------
    client : of the one server, or primary, that keeps the data.
    """

    is_transferable = True

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        # Not typed: the driver's annotations are those of its synchronous and its asynchronous
        # client at once.
        self._client: Any = client
        self._change_users = client.register_script(scripts.CHANGE_USERS)
        self._change_aces = client.register_script(scripts.CHANGE_ACES)
        self._remove_principal = client.register_script(scripts.REMOVE_PRINCIPAL)
        self._delete_objects = client.register_script(scripts.DELETE_OBJECTS)
        self._read_aces = client.register_script(scripts.READ_ACES)
        self._check = client.register_script(scripts.CHECK)
        self._flush = client.register_script(scripts.FLUSH)

    @property
    def settings(self) -> dict[str, Any]:
        """The ``host``, ``port``, ``password`` and ``db`` of the server (B-10.4)."""
        return settings_of(self._client)

    def pool_status(self) -> PoolStatus | None:
        """Return how full the pool of connections is; ``None`` where it has no size."""
        return pool_status(self._client)

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Do nothing: there is no schema."""

    @wrap_redis_error
    def flush(self) -> None:
        self._flush()

    # Users

    @wrap_redis_error
    def add_user_principal(self, user_id: str, principal: str) -> None:
        require_principals([principal])
        self._change_users(args=_texts("add", user_id, principal))

    @wrap_redis_error
    def remove_user_principal(self, user_id: str, principal: str) -> None:
        self._change_users(args=_texts("remove", user_id, principal))

    @wrap_redis_error
    def remove_principal(self, principal: str) -> None:
        self._remove_principal(args=_texts(principal))

    @wrap_redis_error
    def user_principals(self, user_id: str) -> set[str]:
        return _set(self._client.sunion(key_of(USER, user_id), key_of(USER, AUTHENTICATED)))

    # Objects

    @wrap_redis_error
    def add_principal_to_ace(self, object_id: str, permission: str, principal: str) -> None:
        require_principals([principal])
        self._change_aces(args=_change("add", object_id, permission, [principal]))

    @wrap_redis_error
    def remove_principal_from_ace(self, object_id: str, permission: str, principal: str) -> None:
        self._change_aces(args=_change("remove", object_id, permission, [principal]))

    @wrap_redis_error
    def object_permission_principals(self, object_id: str, permission: str) -> set[str]:
        return _set(self._client.smembers(ace_key(object_id, permission)))

    @wrap_redis_error
    def principals_accessible_objects(
        self,
        principals: Iterable[str],
        permission: str,
        object_id_match: str | None = None,
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> set[str]:
        wanted = accessible_patterns(permission, object_id_match, get_bound_permissions)
        return set(self._accessible(principals, wanted))

    @wrap_redis_error
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

    @wrap_redis_error
    def object_permission_authorized_principals(
        self,
        object_id: str,
        permission: str,
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> set[str]:
        granting = granting_permissions(object_id, permission, get_bound_permissions)
        if not granting:
            return set()
        return _set(self._client.sunion([ace_key(*bound) for bound in granting]))

    @wrap_redis_error
    def check_permission(
        self,
        object_id: str,
        permission: str,
        principals: Iterable[str],
        get_bound_permissions: GetBoundPermissions | None = None,
    ) -> bool:
        granting = granting_permissions(object_id, permission, get_bound_permissions)
        names = [to_bytes(name) for name in dict.fromkeys(principals) if isinstance(name, str)]
        if not granting or not names:
            return False
        keys = [ace_key(*bound) for bound in granting]
        return bool(self._check(keys=keys, args=names))

    @wrap_redis_error
    def object_permissions(
        self, object_id: str, permissions: Iterable[str] | None = None
    ) -> dict[str, set[str]]:
        return self.get_objects_permissions([object_id], permissions)[0]

    @wrap_redis_error
    def get_objects_permissions(
        self, object_ids: Sequence[str], permissions: Iterable[str] | None = None
    ) -> list[dict[str, set[str]]]:
        names = None if permissions is None else list(permissions)
        if not object_ids or names == []:
            return [{} for _ in object_ids]
        limits = [] if names is None else _texts(*names)
        found = self._read_aces(args=[len(limits), *limits, *_texts(*object_ids)])
        return [_aces(one) for one in found]

    @wrap_redis_error
    def replace_object_permissions(
        self, object_id: str, permissions: Mapping[str, Iterable[str]]
    ) -> None:
        arguments = _replacements(object_id, permissions)
        if arguments:
            self._change_aces(args=arguments)

    @wrap_redis_error
    def write_object_permissions(
        self,
        object_id: str,
        permissions: Mapping[str, Iterable[str]],
        writer: str | None = None,
        *,
        is_new: bool = False,
    ) -> ACEChange:
        replacements = _replacements(object_id, permissions)
        name = to_bytes(object_id)
        arguments = ["list", name, *(("clear", name) if is_new else ()), *replacements]
        if writer is not None:
            require_principals([writer])
            arguments += _change("add", object_id, "write", [writer])
        before = _aces(self._change_aces(args=arguments))
        return ACEChange.of(before, permissions, writer, is_new=is_new)

    @wrap_redis_error
    def take_object_permissions(self, object_ids: Sequence[str]) -> list[dict[str, set[str]]]:
        taken: dict[str, dict[str, set[str]]] = {}
        ids = list(dict.fromkeys(object_ids))
        for start in range(0, len(ids), BATCH):
            some = ids[start : start + BATCH]
            found = self._delete_objects(args=_texts(*some))
            taken.update(zip(some, map(_aces, found), strict=True))
        return [taken[object_id] for object_id in object_ids]

    @wrap_redis_error
    def delete_object_permissions(self, *object_ids: str) -> None:
        given = [as_published(object_id) for object_id in object_ids]
        patterns = [object_id for object_id in given if is_pattern(object_id)]
        ids = [object_id for object_id in given if not is_pattern(object_id)]
        if patterns:
            known = _set(self._client.smembers(key_of(OBJECTS)))
            for pattern in patterns:
                ids += filter(compile_pattern(pattern), known)
        ids = list(dict.fromkeys(ids))
        for start in range(0, len(ids), BATCH):
            self._delete_objects(args=_texts(*ids[start : start + BATCH]))

    # Copies

    def export(self) -> Iterator[Grant]:
        for user_id in self._sorted(key_of(USERS)):
            for principal in self._sorted(key_of(USER, user_id)):
                yield UserPrincipal(user_id, principal)
        for object_id in self._sorted(key_of(OBJECTS)):
            for permission in self._sorted(key_of(PERMISSIONS, object_id)):
                for principal in self._sorted(ace_key(object_id, permission)):
                    yield ACEPrincipal(object_id, permission, principal)

    @wrap_redis_error
    def import_(self, added: Sequence[Grant], removed: Sequence[Grant]) -> None:
        for action, grants in (("add", added), ("remove", removed)):
            for start in range(0, len(grants), BATCH):
                users: list[Any] = []
                aces: list[Any] = []
                for grant in grants[start : start + BATCH]:
                    if isinstance(grant, UserPrincipal):
                        users += _texts(action, *grant)
                    else:
                        aces += _change(action, grant.object_id, grant.permission, grant[2:])
                if users:
                    self._change_users(args=users)
                if aces:
                    self._change_aces(args=aces)

    @wrap_redis_error
    def _sorted(self, key: bytes) -> list[str]:
        return sorted(_set(self._client.smembers(key)))

    def _held_by(self, principals: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield what the principals hold, as permission and object id, all of one instant."""
        pipe = self._client.pipeline()
        for principal in dict.fromkeys(principals):
            pipe.smembers(key_of(ACCESSIBLE, principal))
        for members in pipe.execute():
            yield from map(read_held, members)

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


def _change(
    action: str, object_id: str, permission: str, principals: Iterable[str]
) -> list[bytes | int | str]:
    """Return one change as the script takes it."""
    names = _texts(*principals)
    return [action, *_texts(object_id, permission), len(names), *names]


def _replacements(
    object_id: str, permissions: Mapping[str, Iterable[str]]
) -> list[bytes | int | str]:
    checked = {name: require_principals(principals) for name, principals in permissions.items()}
    arguments: list[bytes | int | str] = []
    for name, principals in checked.items():
        arguments += _change("replace", object_id, name, principals)
    return arguments


def _aces(answer: Sequence[Any]) -> dict[str, set[str]]:
    """Read a list of permissions, each followed by its principals."""
    names, groups = answer[::2], answer[1::2]
    return {
        from_bytes(name): _set(group) for name, group in zip(names, groups, strict=True) if group
    }


def load_from_config(config: Any) -> Permission:
    """Return the permission backend that ``permission_url`` and the like describe (S-11.1).

    The server is not asked anything yet (B-3.10).

    Raises
    ------
    cliquet.settings.SettingError : the URL, or a number, cannot be used.
    """
    return Permission(create_from_config(config, prefix="permission_"))
