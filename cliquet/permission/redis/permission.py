"""Permissions in Redis.

Within a request, changes are written after the request has committed, and only the request itself
sees them before that (X-30). Outside of requests, each call is applied at once. A call that changes
several keys is one script in the server, and a call that reads several keys reads them at one
moment.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from cliquet.connections.redis.client import create_from_config, translated_errors
from cliquet.connections.redis.cluster import ClusterClient
from cliquet.connections.redis.connecting import Client, connect, pool_status, settings_of
from cliquet.connections.redis.names import to_bytes
from cliquet.connections.redis.partitions import Partitions, routing_keys
from cliquet.core.globs import as_published, compile_pattern, is_pattern
from cliquet.permission.base import (
    AUTHENTICATED,
    ACEChange,
    PermissionBase,
    accessible_patterns,
    granting_permissions,
    require_principals,
)
from cliquet.permission.grants import Grant
from cliquet.permission.redis import scripts
from cliquet.permission.redis.changes import (
    Flush,
    ObjectChange,
    UserChange,
    aces_of,
    change_of_principals,
    changed_objects,
    replacements,
    texts_of,
)
from cliquet.permission.redis.copying_grants import GrantCopies
from cliquet.permission.redis.joining import Changes, wait_for
from cliquet.permission.redis.keys import (
    CLUSTER_PARTS,
    LOCK,
    MEMBERS,
    NAMESPACE,
    OBJECTS,
    USER,
    ace_key,
    key_of,
)
from cliquet.permission.redis.reading import ACEReader, to_texts
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
    client : client of the one server, or primary, that keeps the data; or of a cluster, in which
        each user and each object is on one server.
    """

    is_transferable = True
    is_written_after_records = True

    def __init__(self, client: Client) -> None:
        super().__init__()
        # It is not typed, because the annotations of the driver mix its synchronous and its
        # asynchronous client.
        self._client: Any = client
        is_cluster = isinstance(client, ClusterClient)
        self._partitions = Partitions(NAMESPACE, CLUSTER_PARTS if is_cluster else 1)
        self._changes = Changes(client, self._partitions)
        self._reader = ACEReader(client, self._changes, self._partitions)
        self._copies = GrantCopies(client, self._changes, self._partitions)
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

    def wait_for_commits(self) -> None:
        self._changes.wait_for_commits()

    def tell_of_late(self, tell: Callable[[Mapping[str, ACEChange]], None]) -> None:
        """Let a function know of permissions that were written too late.

        A process that is stopped for ten seconds, after its records have become visible, writes
        their permissions when nobody waits for them any more.

        .. versionadded:: 3.2

        Parameters
        ----------
        tell : is called after the commit of a request, with the changes by object.
        """
        self._changes.tell_of_late = tell

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
        members = self._everywhere(MEMBERS, principal)
        for change in self._changes.pending():
            if isinstance(change, UserChange) and change.principal == principal:
                members.add(change.user_id)
        self._changes.make([UserChange("leave", user_id, principal) for user_id in members])

    @translated_errors
    def user_principals(self, user_id: str) -> set[str]:
        pending = self._changes.pending()
        names = (user_id, AUTHENTICATED)
        keys = [key_of(self._partitions.of(to_bytes(name)), USER, name) for name in names]
        if not pending and self._partitions.is_one:
            return texts_of(self._client.sunion(keys))
        principals: set[str] = set()
        pipe = self._client.pipeline(transaction=False)
        for key in keys:
            pipe.smembers(key)
        for name, stored in zip(names, pipe.execute(), strict=True):
            principals |= change_of_principals(pending, name, texts_of(stored))
        return principals

    # Objects

    @translated_errors
    def add_principal_to_ace(self, object_id: str, permission: str, principal: str) -> None:
        require_principals([principal])
        self._changes.make([ObjectChange("add", object_id, permission, (principal,))])

    @translated_errors
    def add_principal_to_aces(
        self, object_ids: Sequence[str], permission: str, principal: str
    ) -> None:
        require_principals([principal])
        added = (principal,)
        changes = [ObjectChange("add", object_id, permission, added) for object_id in object_ids]
        if changes:
            self._changes.make(changes, list(object_ids))

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
        return set(self._reader.accessible(principals, wanted))

    @translated_errors
    def get_accessible_objects(
        self,
        principals: Iterable[str],
        bound_permissions: Iterable[BoundPermission] | None = None,
        with_children: bool = True,
    ) -> dict[str, set[str]]:
        if bound_permissions is None:
            accessible: dict[str, set[str]] = {}
            for permission, object_id in self._reader.held_by(principals):
                accessible.setdefault(object_id, set()).add(permission)
            return accessible
        return self._reader.accessible(principals, bound_permissions, with_children=with_children)

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
            return self._reader.authorized(granting)
        principals: set[str] = set()
        for part, bounds in self._partitions.grouped(granting, _object_of).items():
            keys = [ace_key(part, *bound) for bound in bounds]
            principals |= texts_of(self._client.sunion(keys))
        return principals

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
                not self._reader.authorized(granting, is_guarded=waits).isdisjoint(names)
                for waits in (False, True)
            )
        arguments: list[Any] = [len(names), *to_texts(*names)]
        for part, bounds in self._partitions.grouped(granting, _object_of).items():
            keys = [*routing_keys(part), *(ace_key(part, *bound) for bound in bounds)]
            locks = [key_of(part, LOCK, object_id) for object_id in {one for one, _ in bounds}]
            if wait_for(functools.partial(self._check, keys, [*arguments, *locks])):
                return True
        return False

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
        found = self._reader.read(object_ids, names)
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
    def matching_objects(self, *object_ids: str) -> list[str]:
        ids = sorted(self._matching(object_ids))
        aces = self._reader.read(ids, None) if ids else []
        return [object_id for object_id, found in zip(ids, aces, strict=True) if found]

    @translated_errors
    def delete_object_permissions(self, *object_ids: str) -> None:
        ids = self._matching(object_ids)
        if ids:
            self._changes.make([ObjectChange("clear", object_id) for object_id in ids])

    def export(self) -> Iterator[Grant]:
        return self._copies.export()

    def import_(self, added: Sequence[Grant], removed: Sequence[Grant]) -> None:
        self._copies.import_(added, removed)

    def _matching(self, object_ids: Sequence[str]) -> dict[str, None]:
        """Return the ids and, for each pattern, the known ids that match it."""
        given = [as_published(object_id) for object_id in object_ids]
        patterns = [object_id for object_id in given if is_pattern(object_id)]
        ids = dict.fromkeys(str(object_id) for object_id in given if not is_pattern(object_id))
        if patterns:
            known = self._everywhere(OBJECTS)
            known |= changed_objects(self._changes.pending())
            for pattern in patterns:
                ids |= dict.fromkeys(filter(compile_pattern(pattern), known))
        return ids

    def _everywhere(self, kind: bytes, name: str = "") -> set[str]:
        """Return the members of a set of which each part of the keys has its own."""
        pipe = self._client.pipeline(transaction=False)
        for part in self._partitions.all:
            pipe.smembers(key_of(part, kind, name))
        return set().union(*map(texts_of, pipe.execute()))

    def _changing(
        self, object_ids: Sequence[str], changes: Sequence[ObjectChange]
    ) -> list[dict[str, set[str]]]:
        """Make changes, and return the former ACEs of objects."""
        if scope.current() is None:
            return [aces_of(one) for one in self._changes.exchange(object_ids, changes)]
        before = self._reader.read(object_ids, None, is_guarded=True)
        self._changes.make(changes, object_ids)
        return before


def _object_of(bound: BoundPermission) -> bytes:
    return to_bytes(bound[0])


def load_from_config(config: Any) -> Permission:
    """Return the permission backend that the settings describe (S-11.1).

    The server is not contacted yet.

    Raises
    ------
    cliquet.settings.SettingError : the URL, or a number, cannot be used.
    """
    return Permission(connect(config, prefix="permission_"))
