"""Which requests may read their record together with the permissions they are judged by."""

from __future__ import annotations

from typing import Any

from pyramid.request import Request

from cliquet.core.shortcuts import Shortcut

__all__ = ["is_made_ahead", "may_lock_late"]

# The resource is made twice, and the first time is before the check: code of an application in one
# of these must run only once, and for nobody who may not see the record.
_IS_MADE_AHEAD = Shortcut("_may_be_made_ahead", "__init__", "get_parent_id", "default_model")
# The endpoint of these classes reads the record again under the lock, if it needs the lock.
_MAY_LOCK_LATE = Shortcut(
    "_ends_with_change", "apply_changes", "patch", "process_record", "_get_record_or_404"
)

# Says of a class of resources whether an instance may be made before the check.
is_made_ahead = _IS_MADE_AHEAD.is_open_in


def may_lock_late(request: Request, cls: Any) -> bool:
    """Return whether a request is a PATCH that may need the lock only when it writes.

    Parameters
    ----------
    cls : the class of its resource.
    """
    return (
        request.method == "PATCH"
        # Those of a batch have one transaction, and lock at once.
        and getattr(request, "parent", None) is None
        and _MAY_LOCK_LATE.is_open_in(cls)
    )
