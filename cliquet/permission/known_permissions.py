"""What one request has learnt of permissions, so that it asks the backend once.

Knows neither the request nor what its permissions are for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from cliquet.core.shortcuts import Shortcut
from cliquet.permission.base import PermissionBase, granting_permissions
from cliquet.types import BoundPermission, GetBoundPermissions

__all__ = ["Granted", "KnownPermissions", "checks_what_it_lists", "takes_at_once", "writes_at_once"]

Granted = set[tuple[frozenset[BoundPermission], frozenset[str]]]
"""Bound permissions and principals, one of which holds one of the permissions."""

_LISTS = Shortcut(
    "object_permissions",
    "check_permission",
    "object_permission_authorized_principals",
    stands_alone=False,
)
_WRITES = Shortcut(
    "write_object_permissions",
    "replace_object_permissions",
    "add_principal_to_ace",
    "object_permissions",
)
_TAKES = Shortcut("take_object_permissions", "delete_object_permissions", "get_objects_permissions")


class KnownPermissions:
    """What is known of the ACEs of objects, until they change.

    Parameters
    ----------
    granted : checks answered by yes; the requests that share it share them. A refusal is not kept:
        what follows it may well be a grant.
    """

    def __init__(self, granted: Granted | None = None) -> None:
        self._granted: Granted = set() if granted is None else granted
        # With the timestamp of the record that they were read with, if there was one.
        self._aces: dict[str, tuple[dict[str, set[str]], int | None]] = {}
        # What the answers relied on, known still or not.
        self._judged: dict[str, dict[str, set[str]]] = {}
        # The object whose ACEs are those of the moment when it was locked; the backend shows what
        # the request has made of them since.
        self._settled: str | None = None

    def remember(
        self, object_id: str, aces: dict[str, set[str]], timestamp: int | None = None
    ) -> None:
        """Keep the ACEs of an object, in a copy.

        Parameters
        ----------
        timestamp : of the record that was read just before, in ms; ``None`` when none was.
        """
        self._aces[object_id] = (_copy(aces), timestamp)

    def aces(self, object_id: str, timestamp: int) -> dict[str, set[str]] | None:
        """Return a copy of the ACEs of an object, or ``None`` when they are not known.

        Parameters
        ----------
        timestamp : of the record now, in ms. When it is not the one of the record that the ACEs
            were read with, they are forgotten: who writes a record changes its ACEs.
        """
        known = self._aces.get(object_id)
        if known is None:
            return None
        aces, read_with = known
        if read_with not in (None, timestamp):
            del self._aces[object_id]
            return None
        return _copy(aces)

    def forget(self, object_id: str) -> None:
        """Forget what is known of an object, whose ACEs change."""
        self._aces.pop(object_id, None)
        self._granted.difference_update(
            {item for item in self._granted if any(pair[0] == object_id for pair in item[0])}
        )

    def judge_again(
        self, object_id: str, aces: dict[str, set[str]], judge: Callable[[], bool]
    ) -> bool:
        """Return the answer of `judge` to what an object had, if a former one relied on others.

        Parameters
        ----------
        aces : what the object had before it was changed; not what it has.
        judge : asks :meth:`check` again.
        """
        if self._judged.get(object_id, aces) == aces:
            return True
        self.forget(object_id)
        self.remember(object_id, aces)
        self._settled = object_id
        try:
            return judge()
        finally:
            self._settled = None
            self.forget(object_id)

    def forget_aces(self) -> None:
        """Forget the ACEs of every object, which must be read again."""
        self._aces.clear()

    def check(
        self,
        backend: PermissionBase,
        object_id: str,
        permission: str,
        principals: Collection[str],
        get_bound_permissions: GetBoundPermissions | None,
        *,
        lists_object: bool,
    ) -> bool:
        """Answer as ``backend.check_permission()`` does, and ask it only for what is not known.

        Parameters
        ----------
        backend : one that :func:`checks_what_it_lists`.
        lists_object : all the ACEs of the object are wanted as well, to be shown in a response:
            they are read at once, and judged here.
        """
        bound = granting_permissions(object_id, permission, get_bound_permissions)
        if lists_object:
            own = [name for granting_id, name in bound if granting_id == object_id]
            bound = [pair for pair in bound if pair[0] != object_id]
            if own and self._holds(backend, object_id, own, principals):
                return True
            if backend.is_written_after_records and object_id != self._settled:
                # What was read may be a moment old; its own check waits for those who write.
                self.forget(object_id)
                self._judged.pop(object_id, None)
                bound = granting_permissions(object_id, permission, get_bound_permissions)
            elif not bound:
                return False
        question = (frozenset(bound), frozenset(principals))
        if question in self._granted:
            return True
        is_granted = backend.check_permission(
            object_id, permission, principals, get_bound_permissions=lambda *_: bound
        )
        if is_granted:
            self._granted.add(question)
        return bool(is_granted)

    def _holds(
        self,
        backend: PermissionBase,
        object_id: str,
        permissions: list[str],
        principals: Collection[str],
    ) -> bool:
        if object_id not in self._aces:
            self.remember(object_id, backend.object_permissions(object_id))
        aces, _ = self._aces[object_id]
        self._judged[object_id] = aces
        return any(not aces.get(name, set()).isdisjoint(principals) for name in permissions)


def checks_what_it_lists(backend: object) -> bool:
    """Whether a backend's checks say no more than the ACEs that it lists (B-15.10).

    They may where an application has changed the one and not the other: a subclass that lets
    administrators do anything, a method replaced in place. Its check is then asked each time.
    """
    return _LISTS.is_open(backend)


def writes_at_once(backend: object) -> bool:
    """Whether ``write_object_permissions`` of a backend does what the methods that it joins do.

    Not where an application has changed one of these, or replaced it in place.
    """
    return _WRITES.is_open(backend)


def takes_at_once(backend: object) -> bool:
    """Whether ``take_object_permissions`` of a backend does what the methods that it joins do."""
    return _TAKES.is_open(backend)


def _copy(aces: dict[str, set[str]]) -> dict[str, set[str]]:
    return {name: set(principals) for name, principals in aces.items()}
