"""The replacement of a record in one round trip, if it still is what somebody has seen of it."""

from __future__ import annotations

from typing import Any

from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.connections.selected_aces import SelectedACEs
from cliquet.storage.atomicity import HeldACEs, Seen, StaleReadError
from cliquet.storage.postgresql.counter import digest_of
from cliquet.storage.postgresql.nul import dumped
from cliquet.storage.postgresql.statements import replacement_of_seen
from cliquet.storage.selection import Draft, replacing_draft
from cliquet.storage.timestamps import require_timestamp
from cliquet.types import Record

__all__ = ["replaced"]


def replaced(
    client: PostgreSQLClient, draft: Draft, seen: Seen
) -> tuple[Record, dict[str, set[str]]]:
    """Lock the collection, replace the record, and commit; return it, and its ACEs if wanted.

    Raises
    ------
    StaleReadError : nothing was done.
    """
    key = draft.key
    since, until = 0, seen.until
    data: tuple[str, ...] = ()
    if seen.record is not None:
        before = replacing_draft(key, draft.id, seen.record, draft.names)
        # Its timestamp alone would not do: an application may write another record with the same.
        since, until, data = before.supplied, before.supplied, (dumped(before.data),)
    given = require_timestamp(draft.supplied)
    twice = () if given is None else (given, given)
    query, found, granted = None, (), ()
    if seen.aces is not None:
        query, found, granted = _held(client, seen.aces)
    place = (*key, draft.id, since, until)
    rows = client.rows(
        replacement_of_seen(query, is_read=bool(data), is_given=bool(twice)),
        (
            *(digest_of(key), *key, *found, *twice),
            *(*key, *place, *data, *twice, *granted),
            *(dumped(draft.data), *place),
        ),
    )
    if not rows:
        raise StaleReadError
    timestamp, *shown = rows[0]
    aces = {name: set(principals) for name, principals in shown[0].items()} if shown else {}
    return draft.completed(timestamp), aces


def _held(client: PostgreSQLClient, aces: HeldACEs) -> tuple[str, tuple[Any, ...], tuple[Any, ...]]:
    """Return the query for ACEs, its parameters, and those of the condition."""
    selected = aces.query
    if not isinstance(selected, SelectedACEs) or selected.client is not client:
        raise StaleReadError
    is_free = aces.writer is None or aces.unless is not None
    granted = (aces.writer or "", is_free, list(aces.unless or ()))
    return selected.query, selected.parameters, granted
