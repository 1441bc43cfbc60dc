"""Ids that one backend finds, and that another backend uses in its own statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from cliquet.connections.sql import SQL, SQLClient

__all__ = ["FEW", "SelectedIds"]

FEW: Final = 1_000
"""Up to this number of ids, it is cheaper to find all of their records than to ask each record.

To sort a page out of a thousand records takes milliseconds. Where more of them may be listed, a
page of the list soon has enough.
"""


@dataclass(eq=False)
class SelectedIds:
    """SQL that gives the ids of some records of a collection, for statements of one client.

    The placeholders of the texts are ``%s``.

    Parameters
    ----------
    client : client of the backend that has made the texts; the ids are those of its transaction.
    query : query for the ids, of which some may come twice.
    search : function that makes the query for at most a given number of them. It reads no more,
        whatever the database expects to find.
    is_member : condition that is true if ``records.id`` is one of them. It asks each record.
    is_found : the same condition, which finds the ids first, and then their records.
    are_near : whether an id costs less to read than to be counted by the database, which is so
        within a process.
    replica : the replica on which the queries may be run too, if there is one.
    read : runs a query of the backend; by default, its client does.
    is_current : condition that is false as soon as the user has principals for which the query was
        not made; ``None`` if it cannot tell.
    """

    client: SQLClient
    query: SQL
    search: Callable[[int], SQL]
    is_member: SQL
    is_found: SQL
    are_near: bool = False
    replica: Any = None
    read: Callable[[SQL], list[Any]] | None = None
    is_current: SQL | None = None
    _are_few: bool | None = None

    @property
    def are_few(self) -> bool:
        """Whether there are no more than `FEW`; they are counted if nobody has done it."""
        if self._are_few is None:
            text, parameters = self.search(FEW + 1)
            # The texts are those that the backend has made; values are parameters.
            counting = f"SELECT count(*) FROM ({text}) AS found"  # noqa: S608 - as said above
            ((counted,),) = self._rows(counting, parameters)
            self._are_few = counted <= FEW
        return self._are_few

    @property
    def condition(self) -> str:
        """The condition on a record that fits the number of ids."""
        return self._condition.text

    @property
    def condition_parameters(self) -> tuple[Any, ...]:
        """The values of the placeholders of the condition."""
        return self._condition.parameters

    @property
    def _condition(self) -> SQL:
        return self.is_found if self.are_few else self.is_member

    def first(self, number: int) -> list[str]:
        """Return that many of the ids, and find out whether there are many.

        Raises
        ------
        BackendError : the database cannot be reached.
        """
        return self.first_at(number, None)[0]

    def first_at(
        self, number: int, value: SQL | None, *, are_counted: bool = True
    ) -> tuple[list[str], Any]:
        """Return that many of the ids, and a value of the same moment.

        Parameters
        ----------
        value : query for one value; ``None`` if nobody needs any.
        are_counted : whether it is found out now if there are many.

        Returns
        -------
        The ids, and the value. Without ids, or if the query is not current, there is no value.

        Raises
        ------
        BackendError : the database cannot be reached.
        """
        read = max(number, FEW + 1) if are_counted else number
        text, parameters = self.search(read)
        is_counted_there = read > number and not self.are_near
        if is_counted_there:
            counting = f"SELECT id, count(*) OVER () FROM ({text})"  # noqa: S608 - as above
            text, parameters = f"{counting} AS found LIMIT %s", (*parameters, number)
        if value is not None:
            if self.is_current is not None:
                value = SQL(
                    f"SELECT CASE WHEN {self.is_current.text} THEN ({value.text}) END",
                    (*self.is_current.parameters, *value.parameters),
                )
            text = f"SELECT *, ({value.text}) FROM ({text}) AS first"  # noqa: S608 - as above
            parameters = (*value.parameters, *parameters)
        rows = self._rows(text, parameters)
        counted = rows[0][1] if rows and is_counted_there else len(rows)
        # Else the count has ended before.
        self._are_few = counted <= FEW if counted < read or read > FEW else None
        found = rows[0][-1] if rows and value is not None else None
        return [row[0] for row in rows[:number]], found

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(row[0] for row in self._rows(*self.query)))

    def _rows(self, text: str, parameters: tuple[Any, ...]) -> list[Any]:
        if self.read is not None:
            return self.read(SQL(text, parameters))
        return self.client.read(text, parameters)
