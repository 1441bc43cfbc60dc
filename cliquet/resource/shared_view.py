"""What a user may see of a collection whose records are shared.

:mod:`cliquet.resource.syncing` follows the changes of such a view.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pyramid.interfaces import IAuthorizationPolicy
from pyramid.request import Request

from cliquet.core.shortcuts import Shortcut
from cliquet.resource import judging, listing
from cliquet.resource.shareable_model import ShareableModel
from cliquet.resource.sync_token import digest
from cliquet.resource.syncing import WHOLE, View
from cliquet.security import memberships
from cliquet.security.authorization import write_implies_read
from cliquet.security.principals import with_prefixed_userid
from cliquet.security.sent_parameters import sent_parameters
from cliquet.security.shared_listing import SharedListing, joins, wait_for_commits
from cliquet.storage.spreading import latest_of

if TYPE_CHECKING:
    from cliquet.resource.shareable import ShareableResource

__all__ = ["fix", "of_request"]

_MAX_DIGITS: Final = 16
_TIMESTAMP = Shortcut("_timestamp_comes_with_page", "timestamp")


def fix(resource: ShareableResource) -> None:
    """Let the timestamp of a list be no later than the search for its shared records (H-9.8).

    A record that is shared after the search may be missing in the list. With a timestamp of later,
    the client would not get it with ``_since`` either. One that is too early lets a client get
    twice what has changed between the search and the list.

    The same is true of the groups by which the records are found. The statement of a query tells
    with its timestamp whether there are more of them by now; else they are asked for again.
    """
    context, model = resource.context, resource.model
    if not isinstance(context, SharedListing):
        return
    found, found_at = context.shared_records, context.searched_at
    is_known = (
        found_at is not None
        and found_at.key == (model.parent_id, model.collection_id)
        and model.pages_have_timestamp
        and _TIMESTAMP.is_open(resource)
    )
    if found_at is not None and is_known:
        listing.know_timestamp(resource, found_at.timestamp)
    if found is None or found.ids == ():
        # The list is not limited, or only to what the application has chosen.
        return
    if not context.is_as_found:
        # The application has chosen among them, and another search would undo that.
        context.shared_records = None
        return
    if is_known:
        if found.query is None and _has_joined_since(resource):
            resource._find_list_again()
        return
    if found.query is not None and resource._joins(found.query):
        # The list searches by itself, at the moment of its records.
        context.shared_records = found._replace(ids=None)
        return
    _ = resource.timestamp
    wait_for_commits(resource.request.registry.permission)
    judging.check_list(context)
    found = context.shared_records
    is_of_now = found is not None and found.query is not None and context.searched_at is not None
    if not is_of_now and _has_joined_since(resource):
        resource._find_list_again()


def _has_joined_since(resource: ShareableResource) -> bool:
    """Return whether the user has joined a group before something changed for the last time.

    If nothing has changed since the client asked, it does not matter.
    """
    asked = sent_parameters(resource.request).get("_since", "").strip().strip('"')
    # Longer texts are no timestamps.
    is_number = asked.isdecimal() and len(asked) <= _MAX_DIGITS
    if is_number and int(asked) >= latest_of(resource.timestamp):
        return False
    return memberships.has_joined(resource.request)


def of_request(request: Request, context: Any, model: ShareableModel) -> View:
    """Return the view that a request was permitted to see."""
    limits = (getattr(context, name, None) for name in ("selected_ids", "shared_ids"))
    if not any(limits):
        return WHOLE
    principals = with_prefixed_userid(request.effective_principals, request.prefixed_userid)
    known = digest(["part", *sorted(set(principals))])
    found = context.shared_records if isinstance(context, SharedListing) else None
    ids = None if found is None else found.query
    if ids is not None and model.hands_filters_on and joins(model.storage, ids):
        return View(known, frozenset(principals), ids=ids)
    fetch = getattr(context, "fetch_shared_records", None)
    if fetch is None:
        return View(known, frozenset(principals), find=lambda: list(context.shared_ids))
    policy = request.registry.queryUtility(IAuthorizationPolicy)
    bound = getattr(policy, "get_bound_permissions", None) or write_implies_read

    def find() -> list[str]:
        wait_for_commits(request.registry.permission)
        found: list[str] = fetch("read", principals, bound)
        return found

    return View(known, frozenset(principals), find=find)
