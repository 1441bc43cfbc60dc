"""Permissions that are checked again under the lock of the collection (D-62).

The request was permitted before. But between that check and the write, somebody may have deleted
the record, created it again, or removed the permission. The functions use the context of the
request. A context that an application has made itself lacks their attributes: then the application
has checked the permission (P-35.13).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPForbidden

from cliquet.types import Record

if TYPE_CHECKING:
    from cliquet.resource.shareable import ShareableResource

__all__ = ["check_list", "check_list_for_groups", "check_put", "check_write", "judge_as_locked"]


def check_put(resource: ShareableResource, existing: Record | None) -> None:
    """Check the permission again, now that nobody else can create or delete the record.

    Raises
    ------
    HTTPForbidden : the request was only allowed to create, or only to replace; or it was allowed to
        replace another record, which somebody has written or created again meanwhile.
    """
    required = "create" if existing is None else "write"
    context = resource.context
    settle = getattr(context, "settle_put", None)
    if settle is not None and settle(required, lambda: existing) is True:
        # Settings grant both permissions.
        return
    judged = getattr(context, "required_permission", None)
    if judged is None:
        return
    if judged == required and not _has_changed(resource, existing) and not _has_asked(context):
        return
    if not context.require(required):
        raise _lost()


def check_write(context: Any) -> None:
    """Ask the permission backend again, if its own check has decided before.

    Raises
    ------
    HTTPForbidden : the request is not permitted any more.
    """
    if _has_asked(context) and not context.require("write"):
        raise _lost()


def check_list(context: Any) -> None:
    """Find the records that are shared with the user again.

    Raises
    ------
    HTTPForbidden : there are no such records any more.
    """
    _judge_again(context, "judge_list_again")


def check_list_for_groups(context: Any) -> None:
    """Find the records that are shared with the user again, who has joined a group.

    Raises
    ------
    HTTPForbidden : there are no such records any more.
    """
    _judge_again(context, "judge_list_for_groups")


def _judge_again(context: Any, name: str) -> None:
    # The context may be one of the application.
    judge = getattr(context, name, None)
    if judge is not None and not judge():
        raise _lost()


def judge_as_locked(context: Any, object_id: str, aces: dict[str, set[str]]) -> None:
    """Check the permission with the ACEs that a record had when it was written.

    Raises
    ------
    HTTPForbidden : it is not the record for which the permission was checked, or its ACEs do not
        grant the permission any more.
    """
    judge_again = getattr(context, "judge_again", None)
    if judge_again is not None and not judge_again(object_id, aces):
        raise _lost()


def _lost() -> HTTPForbidden:
    # The result of a check distinguishes it from the errors of an application.
    return HTTPForbidden(result=False)


def _has_asked(context: Any) -> bool:
    return getattr(context, "has_asked", False) is True


def _has_changed(resource: ShareableResource, existing: Record | None) -> bool:
    """Return whether a record is not the one for which the permission was checked."""
    context = resource.context
    judged = getattr(context, "current_record", None)
    if existing is None or judged is None or resource.request.context is not context:
        return False
    field = resource.model.modified_field
    return bool(existing[field] != judged[field])
