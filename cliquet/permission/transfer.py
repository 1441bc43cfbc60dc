"""The part of the permission contract that moves everything from one backend to another (E-7.3).

What a backend holds is two sets: that of the principals of users, that of the principals of ACEs.
A copy walks through the sets of two backends side by side, hence both come in one order.
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
    """What a permission backend that can be copied from and to overrides; bundled ones do.

    .. versionadded:: 3.2
    """

    is_transferable: bool = False
    """Whether the methods below exist."""

    def export(self) -> Iterator[Grant]:
        """Return everything that is stored, without the effects that principals have on others.

        Only committed data are seen. Others may write meanwhile: each grant is one that was stored
        at some instant, and one that appears after the iteration has passed its place is left out.

        The iteration holds neither a lock nor a transaction between two items, and no more than a
        page of grants in memory. The caller may :meth:`import_` into the same backend what the
        iteration has passed. A server that keeps nothing in order may hold the ids of all users
        and objects, and the grants of one.

        Returns
        -------
        The principals of users, sorted by user, then principal; then those of ACEs, sorted by
        object, then permission, then principal; all by code point.
        """
        raise NotImplementedError

    def import_(self, added: Sequence[Grant], removed: Sequence[Grant]) -> None:
        """Add and remove exactly these grants, all in one step where there are transactions.

        Doing it twice is doing it once: what is there already, or no longer, is no error.

        Parameters
        ----------
        added, removed : sorted as :meth:`export` does; no grant is in both.
        """
        raise NotImplementedError
