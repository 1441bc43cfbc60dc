"""Writes of one record that are a transaction by themselves, and one round trip.

Statements that are sent together commit together, and their result is that of the last one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import orjson

from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.connections.selected_aces import InsertedACEs, SelectedACEs
from cliquet.storage.atomicity import HeldACEs, Replaced, Seen, StaleReadError
from cliquet.storage.postgresql import statements
from cliquet.storage.postgresql.counter import KnownEpochs, digest_of
from cliquet.storage.postgresql.nul import dumped
from cliquet.storage.selection import Draft, replacing_draft
from cliquet.storage.timestamps import require_timestamp
from cliquet.transactions import scope
from cliquet.types import ACEInsertion, Record

__all__ = ["LoneWriter"]


class LoneWriter:
    """Creates and replaces records outside of transactions.

    Parameters
    ----------
    epochs : those of the collections that have a row, which only a flush or an upkeep removes.
    """

    def __init__(self, client: PostgreSQLClient, epochs: KnownEpochs) -> None:
        self._client = client
        self._epochs = epochs

    def insert(self, draft: Draft, aces: ACEInsertion | None) -> int | None:
        """Insert a record of which nobody has the id, after its ACEs; return its timestamp.

        Returns
        -------
        ``None`` if the row of the collection is gone, or is another one. The ACEs are kept then.

        Raises
        ------
        StaleReadError : it cannot be inserted alone; nothing was done.
        """
        key = draft.key
        epoch = self._epochs.get(key)
        # The locks of an earlier attempt have to be taken first.
        if epoch is None or draft.supplied is not None or scope.contended():
            raise StaleReadError
        text, found = f"{statements.ADVANCE_ALONE};{statements.INSERT_ADVANCED}", ()
        if aces is not None:
            if not isinstance(aces, InsertedACEs) or aces.client is not self._client:
                raise StaleReadError
            text, found = f"{aces.statement};{text}", aces.parameters
        rows = self._client.rows(
            text, (*found, *key, epoch, draft.id, dumped(draft.data), *key, epoch)
        )
        if not rows:
            self._epochs.pop(key, None)
            return None
        timestamp: int = rows[0][0]
        return timestamp

    def replaced(self, draft: Draft, seen: Seen) -> Replaced:
        """Lock the collection, and replace a record.

        Raises
        ------
        StaleReadError : nothing was done.
        """
        key = draft.key
        since, until = 0, seen.until
        data: tuple[str, ...] = ()
        if seen.record is not None:
            before = replacing_draft(key, draft.id, seen.record, draft.names)
            # Its timestamp alone would not do: an application may write another record with the
            # same.
            since, until, data = before.supplied, before.supplied, (dumped(before.data),)
        given = require_timestamp(draft.supplied)
        twice = () if given is None else (given, given)
        query, found, granted = None, (), ()
        if seen.aces is not None:
            query, found, granted = self._held(seen.aces)
        place = (*key, draft.id, since, until)
        former = place[:3] if seen.tells_former else ()
        rows = self._client.rows(
            statements.replacement_of_seen(
                query, is_read=bool(data), is_given=bool(twice), tells_former=seen.tells_former
            ),
            (
                *(digest_of(key), *key, *found, *twice),
                *(*key, *place, *data, *twice, *granted),
                *(dumped(draft.data), *former, *place),
            ),
        )
        if not rows:
            raise StaleReadError
        timestamp, held, *shown = rows[0]
        find_former: Callable[[], Record] | None = (
            partial(_former, draft, *shown) if shown else None
        )
        aces = {name: set(principals) for name, principals in (held or {}).items()}
        return Replaced(draft.completed(timestamp), aces, find_former)

    def _held(self, aces: HeldACEs) -> tuple[str, tuple[Any, ...], tuple[Any, ...]]:
        """Return the query for ACEs, its parameters, and those of the condition."""
        selected = aces.query
        if not isinstance(selected, SelectedACEs) or selected.client is not self._client:
            raise StaleReadError
        is_free = aces.writer is None or aces.unless is not None
        granted = (aces.writer or "", is_free, list(aces.unless or ()))
        return selected.query, selected.parameters, granted


def _former(draft: Draft, timestamp: int, data: str) -> Record:
    record: Record = orjson.loads(data)
    record[draft.names.id_field] = draft.id
    record[draft.names.modified_field] = timestamp
    return record
