"""Rows of a locked collection that are read together, for statements that would read them in turn.

A row is kept until it is wanted, until something may have changed it, or until a savepoint before
is undone, with which the lock may be released.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cliquet.connections.sql import Session
from cliquet.storage.relational.steps import SELECT_SOME
from cliquet.storage.selection import CollectionKey

__all__ = ["HELD", "look_ahead", "taken"]

HELD: Final = "held"
"""Marks among the locks of a session one that is known to be held, not only asked for."""


def look_ahead(
    session: Session,
    key: CollectionKey,
    object_ids: Sequence[str],
    pairs: Mapping[str, list[tuple[str, str]]],
) -> None:
    """Read rows, as :meth:`~cliquet.storage.relational.steps.Steps.look_ahead` says."""
    if (HELD, key) not in session.locked or key not in session.memo:
        return
    text = SELECT_SOME.format(ids=", ".join(["%s"] * len(object_ids)))
    rows = session.execute(text, (*key, *object_ids)).fetchall()
    found = {object_id: row for object_id, *row in rows}
    for object_id in object_ids:
        session.ahead[key, object_id] = (found.get(object_id), pairs.get(object_id))


def taken(
    session: Session, key: CollectionKey, object_id: str, *, with_aces: bool
) -> tuple[Any, list[Any]] | None:
    """Return the row of a record, and its ACEs, if they were read ahead and are still true."""
    known = session.ahead.pop((key, object_id), None)
    if known is None or key not in session.memo or (with_aces and known[1] is None):
        return None
    row, pairs = known
    session.memo[key, object_id] = (row,)
    return row, pairs or []
