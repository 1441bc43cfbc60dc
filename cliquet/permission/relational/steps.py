"""The steps of permission backends in SQL that each database does in its own way.

In PostgreSQL many transactions write at the same time; in SQLite a transaction that writes is the
only one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from cliquet.connections.sql import SQL, Session

__all__ = ["PermissionSteps"]


class PermissionSteps(Protocol):
    """The steps of one database."""

    def lock(self, session: Session, object_ids: Collection[str]) -> bool:
        """Keep others from replacing the ACEs of objects until the transaction ends.

        Parameters
        ----------
        object_ids : ids or patterns.

        Returns
        -------
        Whether all are locked: there may be too many of them.
        """

    def is_guarded(self, session: Session) -> bool:
        """Return whether a lock of the storage keeps others from writing the object."""

    def forgetting(self, object_ids: Collection[str]) -> list[SQL]:
        """Return the statements that delete the ACEs of objects, which may be patterns."""

    def take(self, session: Session, object_ids: Sequence[str]) -> list[Any]:
        """Delete the ACEs of locked objects, and return their rows."""
