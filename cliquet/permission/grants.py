"""The part of the permission contract that copies everything from one backend to another.

The content of a backend is two sets: the principals of users, and the principals of ACEs. A copy
compares the sets of two backends side by side, so that both must come in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["ACEPrincipal", "Grant", "PermissionTransfer", "UserPrincipal"]


class UserPrincipal(NamedTuple):
    """One principal of one user."""

    user_id: str
    principal: str


class ACEPrincipal(NamedTuple):
    """One principal of the ACE of one bound permission."""

    object_id: str
    permission: str
    principal: str


Grant = UserPrincipal | ACEPrincipal


class PermissionTransfer:
    """The methods of permission backends that can be copied; all bundled backends have them.

    .. versionadded:: 3.2
    """

    is_transferable: bool = False
    """Whether the backend has the methods below."""

    def export(self) -> Iterator[Grant]:
        """Return the whole content, without the effects of principals on each other.

        Only committed data are returned. Others may write meanwhile: each grant was stored at some
        moment, and a grant that appears after the iteration has passed its place is left out.

        Between two items, the iteration holds neither a lock nor a transaction, and has at most a
        page of grants in memory. The caller may :meth:`import_` grants that the iteration has
        passed into the same backend. If the server keeps no order, the ids of all users and
        objects, and the grants of one, may be in memory.

        Returns
        -------
        The principals of users, sorted by user, then principal; then those of ACEs, sorted by
        object, then permission, then principal; all by code point.
        """
        raise NotImplementedError

    def import_(self, added: Sequence[Grant], removed: Sequence[Grant]) -> None:
        """Add and remove exactly these grants, in one step if there are transactions.

        A second call changes nothing: it is not an error if a grant already exists, or does not
        exist any more.

        Parameters
        ----------
        added, removed : grants in the order of :meth:`export`; no grant is in both.
        """
        raise NotImplementedError
