"""What a user may see of a collection whose records are shared.

:mod:`cliquet.resource.syncing` follows the changes of such a view.
"""

from __future__ import annotations

from typing import Any

from pyramid.interfaces import IAuthorizationPolicy
from pyramid.request import Request

from cliquet.resource.shareable_model import ShareableModel
from cliquet.resource.sync_token import digest
from cliquet.resource.syncing import WHOLE, View
from cliquet.security.authorization import write_implies_read
from cliquet.security.principals import with_prefixed_userid
from cliquet.security.shared_listing import joins

__all__ = ["of_request"]


def of_request(request: Request, context: Any, model: ShareableModel) -> View:
    """Return the view that a request was permitted to see."""
    limits = (getattr(context, name, None) for name in ("selected_ids", "shared_ids"))
    if not any(limits):
        return WHOLE
    principals = with_prefixed_userid(request.effective_principals, request.prefixed_userid)
    known = digest(["part", *sorted(set(principals))])
    ids = getattr(context, "joined_ids", None)
    if ids is not None and model.hands_filters_on and joins(model.storage, ids):
        return View(known, frozenset(principals), ids=ids)
    fetch = getattr(context, "fetch_shared_records", None)
    if fetch is None:
        return View(known, frozenset(principals), find=lambda: list(context.shared_ids))
    policy = request.registry.queryUtility(IAuthorizationPolicy)
    bound = getattr(policy, "get_bound_permissions", None) or write_implies_read

    def find() -> list[str]:
        permission = request.registry.permission
        if getattr(permission, "is_written_after_records", False) is True:
            # Records that are visible by now may have been shared, or taken away, with permissions
            # that are still to be written.
            permission.wait_for_commits()
        found: list[str] = fetch("read", principals, bound)
        return found

    return View(known, frozenset(principals), find=find)
