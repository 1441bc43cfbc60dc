"""The ACEs of an object, which one backend finds, and another reads in its own statement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from cliquet.connections.sql import SQLClient

__all__ = ["InsertedACEs", "SelectedACEs", "grouped"]


class SelectedACEs(NamedTuple):
    """SQL that gives the permissions and principals of an object, for statements of one client.

    The placeholders of the text are ``%s``.

    Parameters
    ----------
    client : client of the backend that has made the text; the ACEs are those of its transaction.
    query : query for the columns ``permission`` and ``principal``.
    parameters : the values of its placeholders.
    replica : the replica on which the query may be run too, if there is one.
    """

    client: SQLClient
    query: str
    parameters: tuple[Any, ...]
    replica: Any = None

    def read(self) -> dict[str, set[str]]:
        """Return the principals by permission.

        Raises
        ------
        BackendError : the database cannot be reached.
        """
        return grouped(self.client.read(self.query, self.parameters))


class InsertedACEs(NamedTuple):
    """SQL that stores the ACEs of a new object, for a transaction of one client."""

    client: SQLClient
    statement: str
    parameters: tuple[Any, ...]


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Return the second members of pairs by their first ones."""
    groups: dict[str, set[str]] = {}
    for first, second in pairs:
        groups.setdefault(first, set()).add(second)
    return groups
