"""The groups of a user in the permission backend, and whether the user has joined more of them.

They are read once for a request, or for all requests of a batch, before anything else. Whatever has
a timestamp is read later: of a change in between, a client that follows the timestamps would never
be told (H-9.8).
"""

from __future__ import annotations

from pyramid.interfaces import ISecurityPolicy
from pyramid.request import Request

from cliquet.permission.selecting import Membership

__all__ = ["forget", "groupfinder", "has_joined", "known"]


def groupfinder(userid: str, request: Request) -> list[str]:
    """Return the groups of a user in the permission backend (P-25.2).

    They are looked up once for each user and top-level request, also in a batch.

    Parameters
    ----------
    userid : id from the authentication policy; the prefixed id is used if it is known.
    """
    backend = getattr(request.registry, "permission", None)
    if backend is None:
        return []
    user = str(request.prefixed_userid or userid)
    key = f"{user}_principals"
    if key not in request.bound_data:
        request.bound_data[key] = backend.user_principals(user)
    return list(request.bound_data[key])


def known(request: Request) -> Membership | None:
    """Return the groups of the user that were looked up; ``None`` if that was not necessary."""
    found = getattr(request, "bound_data", None)
    user = getattr(request, "prefixed_userid", None)
    # Tests of applications make their own requests, which may lack both (P-31).
    if not isinstance(found, dict) or not isinstance(user, str):
        return None
    groups = found.get(f"{user}_principals")
    return None if groups is None else Membership(str(user), frozenset(groups))


def has_joined(request: Request) -> bool:
    """Ask the backend whether the user is in groups by now that were not looked up.

    Raises
    ------
    BackendError : the server of the backend failed.
    """
    before = known(request)
    if before is None:
        return False
    now = request.registry.permission.user_principals(before.user_id)
    return not before.principals.issuperset(now)


def forget(request: Request) -> None:
    """Let the groups of the user be looked up again, and all principals with them."""
    before = known(request)
    if before is not None:
        del request.bound_data[f"{before.user_id}_principals"]
    policy = request.registry.queryUtility(ISecurityPolicy)
    forget_principals = getattr(policy, "forget_principals", None)
    if forget_principals is not None:
        forget_principals(request)
