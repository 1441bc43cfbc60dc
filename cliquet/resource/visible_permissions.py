"""The permissions of a record that its readers see, where a setting shows all to writers alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pyramid.request import Request

from cliquet.security.principals import with_prefixed_userid

__all__ = ["of_request"]


def of_request(
    request: Request, context: Any, record_id: str, permissions: Mapping[str, Collection[str]]
) -> dict[str, Collection[str]]:
    """Return all the permissions for a request that may write the record, else its own (E-18.4).

    Parameters
    ----------
    context : that of the request; one of an application may not know how to judge.
    permissions : principals by permission.
    """
    own = set(with_prefixed_userid(list(request.effective_principals), request.prefixed_userid))
    permits_on = getattr(context, "permits_on", None)
    # Settings and rules of the application may grant it too.
    if not own.isdisjoint(permissions.get("write", ())) or (
        permits_on is not None and permits_on(record_id, "write")
    ):
        return dict(permissions)
    return {name: own.intersection(principals) for name, principals in permissions.items()}
