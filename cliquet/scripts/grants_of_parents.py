"""Which principals and which ACEs go with which parents, when only some parents are copied.

Each of them goes with exactly one parent: if one copy takes some parents and another one takes all
others, together they take everything.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

from cliquet.core.globs import matches_any
from cliquet.permission.grants import Grant, UserPrincipal
from cliquet.security.shared_objects import SharedObjects, SharedRecord

__all__ = ["grants_of"]

SHARED: Final = ""
"""The parent of shared records, unless their resource says otherwise."""


def grants_of(registry: Any, parent_ids: Sequence[str]) -> Callable[[Grant], bool]:
    """Return a function that says whether a grant goes with one of some parents.

    The principals of a user go with the user, who is the parent of the user's own records. An ACE
    goes with the parent of the record that it is about, and with the parent of shared records if
    it is about another object.

    Parameters
    ----------
    registry : registry of the application, whose routes lead from an object to its record.
    parent_ids : ids or patterns.
    """
    is_wanted = matches_any(parent_ids)
    shared = SharedObjects(registry)

    # The ACEs of one object come one after the other.
    @functools.lru_cache(maxsize=1)
    def is_at_home(object_id: str) -> bool:
        record = shared.record_of(object_id)
        return is_wanted(record.parent_id if isinstance(record, SharedRecord) else SHARED)

    def is_of_parents(grant: Grant) -> bool:
        if isinstance(grant, UserPrincipal):
            return is_wanted(grant.user_id)
        return is_at_home(grant.object_id)

    return is_of_parents
