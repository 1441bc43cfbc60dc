"""The permissions that one request has already read, so that it asks the backend only once.

The module knows neither the request nor the purpose of the permissions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from cliquet.core.shortcuts import Shortcut
from cliquet.permission.base import PermissionBase, granting_permissions
from cliquet.types import BoundPermission, GetBoundPermissions

__all__ = [
    "Granted",
    "KnownPermissions",
    "adds_at_once",
    "checks_what_it_lists",
    "inserts_what_it_writes",
    "leaves_what_is_there",
    "lists_at_once",
    "selects_what_it_lists",
    "takes_at_once",
    "writes_at_once",
]

Granted = set[tuple[frozenset[BoundPermission], frozenset[str]]]
"""Sets of bound permissions and principals: one of the principals has one of the permissions."""

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
_LEAVES = Shortcut(
    "leaves_what_is_there",
    "write_object_permissions",
    "replace_object_permissions",
    "add_principal_to_ace",
    "object_permissions",
)
# Says whether a write of permissions that an object has, and no others, would do nothing. This is
# asked in each change of a record.
leaves_what_is_there = _LEAVES.is_open
_INSERTS = Shortcut(
    "insertion_of_aces",
    "write_object_permissions",
    "replace_object_permissions",
    "add_principal_to_ace",
    "object_permissions",
)
# Says whether a storage may send what a backend would send for the permissions of a new object.
# This is asked in each creation of a record.
inserts_what_it_writes = _INSERTS.is_open
_ADDS = Shortcut(
    "add_principal_to_aces",
    "write_object_permissions",
    "replace_object_permissions",
    "add_principal_to_ace",
    "object_permissions",
)
_SELECTS = Shortcut("select_aces", "object_permissions")
# Says whether the query of a backend for the ACEs of an object finds those that it lists. This is
# asked in each read of a record.
selects_what_it_lists = _SELECTS.is_open
_LISTS_ALL = Shortcut("get_objects_permissions", "object_permissions")
_TAKES = Shortcut("take_object_permissions", "delete_object_permissions", "get_objects_permissions")


class KnownPermissions:
    """The known ACEs of objects, until they change.

    Parameters
    ----------
    granted : checks with the answer yes, which requests may share. A refusal is not kept, because
        the permission may be granted later.
    """

    def __init__(self, granted: Granted | None = None) -> None:
        self._granted: Granted = set() if granted is None else granted
        # The second value is the timestamp of the record with which they were read, if there was
        # one.
        self._aces: dict[str, tuple[dict[str, set[str]], int | None]] = {}
        # The ACEs on which the answers were based, whether or not they are still known.
        self._judged: dict[str, dict[str, set[str]]] = {}
        # The object whose known ACEs are those at the moment of its lock. The backend already shows
        # the later changes of this request.
        self._settled: str | None = None

    def remember(
        self, object_id: str, aces: dict[str, set[str]], timestamp: int | None = None
    ) -> None:
        """Keep a copy of the ACEs of an object.

        Parameters
        ----------
        timestamp : timestamp of the record that was read just before, in ms; ``None`` if there was
            none.
        """
        self._aces[object_id] = (_copy(aces), timestamp)

    def aces(self, object_id: str, timestamp: int) -> dict[str, set[str]] | None:
        """Return a copy of the ACEs of an object, or ``None`` if they are not known.

        Parameters
        ----------
        timestamp : present timestamp of the record, in ms. If the ACEs were read with another one,
            they are forgotten, because a write of a record may change its ACEs.
        """
        known = self._aces.get(object_id)
        if known is None:
            return None
        aces, read_with = known
        if read_with not in (None, timestamp):
            del self._aces[object_id]
            return None
        return _copy(aces)

    def has_aces(self, object_id: str) -> bool:
        """Return whether ACEs of an object are known, perhaps of another version of it."""
        return object_id in self._aces

    @property
    def has_judged(self) -> bool:
        """Whether an answer was based on the ACEs of an object."""
        return bool(self._judged)

    def forget(self, object_id: str) -> None:
        """Forget the ACEs of an object, because they change."""
        self._aces.pop(object_id, None)
        if self._granted:
            self._granted.difference_update(
                {item for item in self._granted if any(pair[0] == object_id for pair in item[0])}
            )

    def judge_again(
        self, object_id: str, aces: dict[str, set[str]], judge: Callable[[], bool]
    ) -> bool:
        """Check again with these ACEs, if an earlier answer was based on other ones.

        Parameters
        ----------
        aces : ACEs that the object had before its change, not the present ones.
        judge : function that calls :meth:`check` again.
        """
        if self._judged.get(object_id, aces) == aces:
            return True
        self.forget(object_id)
        self.remember(object_id, aces)
        self._settled = object_id
        try:
            return self.ask_again(judge)
        finally:
            self._settled = None
            self.forget(object_id)

    def ask_again(self, ask: Callable[[], bool], *, forgotten: str | None = None) -> bool:
        """Call a function that calls :meth:`check` again; return its answer.

        After a refusal, the earlier answers are still based on what they were: an operation that
        somebody has disturbed runs again, and would find itself permitted by ACEs that refuse it.

        Parameters
        ----------
        forgotten : the object that the question is about, if its known ACEs do not count.
        """
        if forgotten is not None:
            self.forget(forgotten)
        before, is_granted = dict(self._judged), False
        try:
            is_granted = ask()
        finally:
            if not is_granted:
                self._judged = before
        return is_granted

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
        read_ahead: Callable[[], None] | None = None,
    ) -> bool:
        """Answer like ``backend.check_permission()``, but only ask it if the answer is not known.

        Parameters
        ----------
        backend : backend for which :func:`checks_what_it_lists` is true.
        lists_object : whether all the ACEs of the object are needed for a response. They are then
            read at once, and checked here.
        read_ahead : function that may read the ACEs together with the object, and have them
            remembered; it is called if they are not known.
        """
        bound = granting_permissions(object_id, permission, get_bound_permissions)
        if lists_object:
            own = [name for granting_id, name in bound if granting_id == object_id]
            bound = [pair for pair in bound if pair[0] != object_id]
            if own and self._holds(backend, object_id, own, principals, read_ahead):
                return True
            if backend.is_written_after_records and object_id != self._settled:
                # The ACEs may be a moment old. The check of the backend itself waits for writers.
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
        read_ahead: Callable[[], None] | None,
    ) -> bool:
        if object_id not in self._aces and read_ahead is not None:
            read_ahead()
        if object_id not in self._aces:
            self.remember(object_id, backend.object_permissions(object_id))
        aces, _ = self._aces[object_id]
        self._judged[object_id] = aces
        return any(not aces.get(name, set()).isdisjoint(principals) for name in permissions)


def checks_what_it_lists(backend: object) -> bool:
    """Return whether the checks of a backend always agree with the ACEs that it lists (B-15.10).

    They may differ if an application has changed one and not the other, for example with a subclass
    that lets administrators do anything, or with a replaced method. Then its check is called each
    time.
    """
    return _LISTS.is_open(backend)


def writes_at_once(backend: object) -> bool:
    """Return whether ``write_object_permissions`` does the same as the methods that it combines.

    It may not, if an application has changed one of these in a subclass, or has replaced it.
    """
    return _WRITES.is_open(backend)


def adds_at_once(backend: object) -> bool:
    """Return whether ``add_principal_to_aces`` does the same as the methods for one object."""
    return _ADDS.is_open(backend)


def takes_at_once(backend: object) -> bool:
    """Return whether ``take_object_permissions`` does the same as the methods it combines."""
    return _TAKES.is_open(backend)


def _copy(aces: dict[str, set[str]]) -> dict[str, set[str]]:
    return {name: set(principals) for name, principals in aces.items()}


def lists_at_once(backend: object) -> bool:
    """Return whether ``get_objects_permissions`` lists what the method for one object lists."""
    return _LISTS_ALL.is_open(backend)
