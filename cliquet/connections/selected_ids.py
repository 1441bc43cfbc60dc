"""Ids that one backend finds, and that another backend uses in its own statement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cliquet.connections.sql import SQLClient

__all__ = ["SelectedIds"]


@dataclass(frozen=True)
class SelectedIds:
    """SQL that gives the ids of some records of a collection, for statements of one client.

    The placeholders of both texts are ``%s``.

    Parameters
    ----------
    client : client of the backend that has made the texts; the ids are those of its transaction.
    query : query for the ids, without a limit.
    query_parameters : the values of its placeholders.
    condition : condition that is true if ``records.id`` is one of them.
    condition_parameters : the values of its placeholders.
    """

    client: SQLClient
    query: str
    query_parameters: tuple[Any, ...]
    condition: str
    condition_parameters: tuple[Any, ...]

    def first(self, number: int) -> list[str]:
        """Return that many of the ids.

        Raises
        ------
        BackendError : the database cannot be reached.
        """
        return self._ids(f"{self.query} LIMIT %s", (*self.query_parameters, number))

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids(self.query, self.query_parameters))

    def _ids(self, text: str, parameters: tuple[Any, ...]) -> list[str]:
        with self.client.connect(readonly=True) as session:
            return [row[0] for row in session.execute(text, parameters).fetchall()]
