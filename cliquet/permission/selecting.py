"""The part of the permission contract that lets a storage query the tables of permissions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from cliquet.types import ACEInsertion, ACEQuery, GetBoundPermissions, IdQuery

__all__ = ["Membership", "PermissionSelecting"]


class Membership(NamedTuple):
    """What ``user_principals()`` has returned for a user.

    .. versionadded:: 3.2
    """

    user_id: str
    principals: frozenset[str]


class PermissionSelecting:
    """The queries that a permission backend gives to a storage; by default it can join none."""

    object_permissions: Callable[..., dict[str, set[str]]]

    def select_aces(self, object_id: str) -> ACEQuery:
        """Return a query for the ACEs that ``object_permissions()`` would find.

        By default it calls this method. A subclass that overrides one of them must override the
        other too.

        .. versionadded:: 3.2
        """
        return _Asked(self.object_permissions, object_id)

    def insertion_of_aces(
        self, object_id: str, permissions: Mapping[str, Iterable[str]]
    ) -> ACEInsertion | None:
        """Return what stores the ACEs of an object that nobody knows yet, and that has none.

        .. versionadded:: 3.2

        Returns
        -------
        ``None`` if the backend has nothing that a storage can send.
        """
        return None

    def accessible_ids(
        self,
        principals: Iterable[str],
        permission: str,
        object_id_match: str,
        get_bound_permissions: GetBoundPermissions | None = None,
        *,
        prefix: str,
        membership: Membership | None = None,
    ) -> IdQuery | None:
        """Return a query for the records that ``principals_accessible_objects()`` would find.

        It finds the objects that begin with `prefix`, a text, and have no slash after it. Their
        ends are the ids of the records of a collection. A subclass that overrides one of these
        methods must override the other too.

        .. versionadded:: 3.2

        Parameters
        ----------
        membership : the groups among `principals`. A storage that reads a timestamp with the ids
            says whether the user has joined others by then (H-9.8); ``None`` if it need not.

        Returns
        -------
        ``None`` if the backend has no query that a storage can join.
        """
        return None


class _Asked:
    """The ACEs for which a backend is asked when somebody reads them."""

    def __init__(self, ask: Callable[[str], dict[str, set[str]]], object_id: str) -> None:
        self._ask = ask
        self._object_id = object_id

    def read(self) -> dict[str, set[str]]:
        return self._ask(self._object_id)
