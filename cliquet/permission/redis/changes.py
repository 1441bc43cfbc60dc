"""Changes of permissions, in the form of the script, and their effect on existing permissions.

The module is pure, and knows nothing of the server.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cliquet.connections.redis.names import from_bytes, to_bytes
from cliquet.permission.base import require_principals

__all__ = [
    "ACEs",
    "Change",
    "Flush",
    "ObjectChange",
    "UserChange",
    "aces_of",
    "change_of_aces",
    "change_of_principals",
    "changed_objects",
    "replacements",
    "texts_of",
]

ACEs = dict[str, set[str]]


@dataclass(frozen=True)
class UserChange:
    """A user joins or leaves a group.

    Attributes
    ----------
    action : ``join`` or ``leave``.
    """

    action: str
    user_id: str
    principal: str

    def arguments(self) -> list[Any]:
        """Return the change in the form of the script."""
        return [self.action, to_bytes(self.user_id), to_bytes(self.principal)]


@dataclass(frozen=True)
class ObjectChange:
    """A change of the ACEs of one object.

    Attributes
    ----------
    action : ``add``, ``remove`` or ``replace`` the principals of a permission; or ``clear`` all.
    """

    action: str
    object_id: str
    permission: str = ""
    principals: tuple[str, ...] = ()

    def arguments(self) -> list[Any]:
        """Return the change in the form of the script."""
        named = [self.action, to_bytes(self.object_id)]
        if self.action == "clear":
            return named
        names = [to_bytes(name) for name in self.principals]
        return [*named, to_bytes(self.permission), len(names), *names]

    def apply(self, aces: ACEs) -> None:
        """Make the change in a dictionary."""
        if self.action == "clear":
            aces.clear()
            return
        principals = set() if self.action == "replace" else aces.pop(self.permission, set())
        if self.action == "remove":
            principals = principals.difference(self.principals)
        else:
            principals = principals.union(self.principals)
        aces.pop(self.permission, None)
        if principals:
            aces[self.permission] = principals


@dataclass(frozen=True)
class Flush:
    """The removal of everything."""


Change = UserChange | ObjectChange | Flush


def replacements(object_id: str, permissions: Mapping[str, Iterable[str]]) -> list[ObjectChange]:
    """Return the changes that give permissions exactly these principals.

    Raises
    ------
    TypeError : a principal is not a text.
    """
    return [
        ObjectChange("replace", object_id, name, tuple(require_principals(principals)))
        for name, principals in permissions.items()
    ]


def changed_objects(changes: Sequence[Change]) -> set[str]:
    """Return the ids of the changed objects; flushes do not count."""
    return {change.object_id for change in changes if isinstance(change, ObjectChange)}


def change_of_aces(
    changes: Sequence[Change], object_ids: Sequence[str], stored: Sequence[ACEs]
) -> list[ACEs]:
    """Return the ACEs of objects after changes, in the order of the ids."""
    wanted: dict[str, ACEs] = {
        object_id: {name: set(given) for name, given in aces.items()}
        for object_id, aces in zip(object_ids, stored, strict=True)
    }
    for change in changes:
        if isinstance(change, Flush):
            wanted = {object_id: {} for object_id in wanted}
        elif isinstance(change, ObjectChange) and change.object_id in wanted:
            change.apply(wanted[change.object_id])
    # An id may be asked for twice, and each answer belongs to the caller.
    return [
        {name: set(given) for name, given in wanted[object_id].items()} for object_id in object_ids
    ]


def change_of_principals(
    changes: Sequence[Change], user_id: str, stored: Collection[str]
) -> set[str]:
    """Return the principals of a user after changes."""
    principals = set(stored)
    for change in changes:
        if isinstance(change, Flush):
            principals.clear()
        elif isinstance(change, UserChange) and change.user_id == user_id:
            if change.action == "join":
                principals.add(change.principal)
            else:
                principals.discard(change.principal)
    return principals


def texts_of(members: Iterable[bytes]) -> set[str]:
    """Return the texts of a set of the server."""
    return {from_bytes(member) for member in members}


def aces_of(answer: Sequence[Any]) -> dict[str, set[str]]:
    """Read a list of permissions, each followed by its principals."""
    names, groups = answer[::2], answer[1::2]
    return {
        from_bytes(name): texts_of(group)
        for name, group in zip(names, groups, strict=True)
        if group
    }
