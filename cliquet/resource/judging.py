"""Permissions that are judged again, on what was found once nobody else could write (D-62).

The request was permitted before: between that and its write, somebody may have deleted the record,
created it anew, or taken the permission back. Functions of the context of the request; one that was
made by hand has none of their attributes, and whoever made it has judged (P-35.13).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPForbidden

from cliquet.types import Record

if TYPE_CHECKING:
    from cliquet.resource.shareable import ShareableResource

__all__ = ["check_list", "check_put", "check_write", "judge_as_locked"]


def check_put(resource: ShareableResource, existing: Record | None) -> None:
    """Judge the permission again, now that nobody else can create or delete.

    Raises
    ------
    HTTPForbidden : the request was allowed to create, or to replace, and not the other; or to
        replace another record, which somebody has written or created anew since.
    """
    required = "create" if existing is None else "write"
    context = resource.context
    judged = getattr(context, "required_permission", None)
    if judged is None:
        return
    if judged == required and not _has_changed(resource, existing) and not _has_asked(context):
        return
    if not context.require(required):
        raise HTTPForbidden


def check_write(context: Any) -> None:
    """Ask the permission backend again where it judged by itself.

    Raises
    ------
    HTTPForbidden : it no longer agrees.
    """
    if _has_asked(context) and not context.require("write"):
        raise HTTPForbidden


def check_list(context: Any) -> None:
    """Find the records again that are shared with the user.

    Raises
    ------
    HTTPForbidden : there are none any more.
    """
    judge_again = getattr(context, "judge_list_again", None)
    if judge_again is not None and not judge_again():
        raise HTTPForbidden


def judge_as_locked(context: Any, object_id: str, aces: dict[str, set[str]]) -> None:
    """Judge the permission on what a record had when it was written.

    Raises
    ------
    HTTPForbidden : it is not the record that the permission was judged on, or no longer grants.
    """
    judge_again = getattr(context, "judge_again", None)
    if judge_again is not None and not judge_again(object_id, aces):
        raise HTTPForbidden


def _has_asked(context: Any) -> bool:
    return getattr(context, "has_asked", False) is True


def _has_changed(resource: ShareableResource, existing: Record | None) -> bool:
    """Whether a record is no longer the one that the permission was judged on."""
    context = resource.context
    judged = getattr(context, "current_record", None)
    if existing is None or judged is None or resource.request.context is not context:
        return False
    field = resource.model.modified_field
    return bool(existing[field] != judged[field])
