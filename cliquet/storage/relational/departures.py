"""The departures of the storages in PostgreSQL and SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cliquet.connections.sql import SQLClient
from cliquet.storage.changes import Wanted
from cliquet.storage.departures import NOBODY, Departed, Departure, DepartureKind, rows_of
from cliquet.storage.relational.dialect import ListingDialect
from cliquet.storage.relational.reading import Reader
from cliquet.storage.relational.steps import HOME, Steps
from cliquet.storage.relational.text import SQL
from cliquet.storage.selection import CollectionKey

__all__ = ["Departures", "departed", "purgeable"]


class Departures:
    """The part of a storage in SQL for departures."""

    def __init__(
        self, client: SQLClient, dialect: ListingDialect, steps: Steps, reader: Reader
    ) -> None:
        self._client = client
        self._dialect = dialect
        self._steps = steps
        self._reader = reader

    def record(self, key: CollectionKey, recorded: Sequence[Departure]) -> int | None:
        rows, number = rows_of(recorded)
        if not rows:
            return None
        with self._client.begin() as session:
            return self._steps.depart(session, key, rows, number)

    def list(
        self, key: CollectionKey, after: int, principals: Iterable[str], limit: int | None
    ) -> Sequence[Departed]:
        wanted = Wanted(after, principals=principals, limit=limit)
        rows = self._reader.rows(*departed(self._dialect, key, wanted), key)
        return [
            Departed(object_id, position, DepartureKind(kind)) for position, object_id, kind in rows
        ]


def departed(dialect: ListingDialect, key: CollectionKey, wanted: Wanted) -> SQL:
    """Return the query for the wanted departures: their position, id and kind."""
    held = [one for one in wanted.principals if dialect.can_hold(one)]
    among = dialect.is_among([NOBODY, *held])
    text = (
        f"SELECT DISTINCT last_modified, id, kind FROM departures WHERE {HOME}"
        f" AND last_modified > %s AND principal {among.text}"
    )
    parameters: list[Any] = [*key, wanted.departed_after, *among.parameters]
    if wanted.upto is not None:
        text += " AND last_modified <= %s"
        parameters.append(wanted.upto)
    text += " ORDER BY last_modified, id"
    if wanted.limit:
        text += " LIMIT %s"
        parameters.append(wanted.limit)
    return SQL(text, tuple(parameters))


def purgeable(key: CollectionKey, before: int | None, max_retained: int | None) -> SQL:
    """Return the condition on the departures of a collection that a purge deletes."""
    text = HOME
    parameters: tuple[Any, ...] = key
    if before is not None:
        text += " AND last_modified < %s"
        parameters += (before,)
    if max_retained is not None:
        text += (
            f" AND last_modified <= (SELECT last_modified FROM departures WHERE {HOME}"
            " ORDER BY last_modified DESC LIMIT 1 OFFSET %s)"
        )
        parameters += (*key, max_retained)
    return SQL(text, parameters)
