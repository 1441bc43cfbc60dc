"""Which records of a collection a sender may change, as far as it is known from one of them."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, NamedTuple

from pyramid.interfaces import ISecurityPolicy
from pyramid.request import Request

from cliquet.security import authorization
from cliquet.security.authentication import SecurityPolicy

__all__ = ["ChangeRights", "of_changes"]


class ChangeRights(NamedTuple):
    """What the sender of a request may do with other records, whatever their ids.

    Attributes
    ----------
    creates : whether it may create records.
    changes : whether it may change all records.
    writers : principals, of which one must otherwise have ``write`` on the record.
    """

    creates: bool
    changes: bool
    writers: Set[str] = frozenset()

    def permit(self, aces: Mapping[str, Set[str]] | None, *, exists: bool) -> bool:
        """Return whether the sender may write a record.

        Parameters
        ----------
        aces : its permissions, ``None`` if it has none.
        exists : whether there is a record.
        """
        if not exists:
            return self.creates
        return self.changes or (
            aces is not None and not self.writers.isdisjoint(aces.get("write", ()))
        )


def of_changes(
    request: Request, context: Any, permission: str, *, has_created: bool
) -> ChangeRights | None:
    """Return the rights of the sender of a request that was permitted; ``None`` if unknown.

    Parameters
    ----------
    request : a request that the policy of the library has judged.
    context : its context; it has changed a record.
    permission : permission of its view.
    has_created : whether the request has created a record, so that the sender may do so.
    """
    policy: SecurityPolicy = request.registry.getUtility(ISecurityPolicy)
    if permission == authorization.PRIVATE:
        may = policy.permits_all(request, context, permission)
        return ChangeRights(may, may)
    if permission != authorization.DYNAMIC or type(context) is not authorization.RouteFactory:
        return None
    creates, changes = (
        policy.permits_by_settings(request, context, required) for required in ("create", "write")
    )
    writers: Set[str] | None = frozenset() if changes else policy.readers(request)
    if writers is None:
        return None
    return ChangeRights(creates or has_created, changes, writers)
