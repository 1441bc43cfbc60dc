"""What the service has told about a collection, and how far that goes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from cliquet.client.replica import Record, Replica

__all__ = ["Change", "Progress", "Told"]


class Change(NamedTuple):
    """What the service has told about one record.

    .. versionadded:: 3.2

    Attributes
    ----------
    id : id of the record.
    record : its fields, ``id`` and ``last_modified`` (ms) included; ``None`` if it was deleted, or
        if the user may no longer read it.
    """

    id: str
    record: Record | None


class Progress(NamedTuple):
    """How far the copy of a collection goes.

    Attributes
    ----------
    token : token of the last page of the last synchronisation; ``None`` before the first, and while
        the client starts again.
    page : query string of the page that comes next, if a synchronisation was interrupted.
    walk : number of times that the client has started from nothing.
    """

    token: str | None
    page: str | None
    walk: int


class Told:
    """The records of one collection, as the service has told them."""

    def __init__(self, replica: Replica, collection: str) -> None:
        self._replica = replica
        self._collection = collection

    def get(self, record_id: str) -> Record | None:
        """Return a record."""
        rows = self._replica.execute(
            "SELECT data FROM records WHERE collection = ? AND id = ?", self._collection, record_id
        )
        return json.loads(rows[0][0]) if rows else None

    def put(self, record_id: str, record: Record | None) -> None:
        """Keep the state of a record; ``None`` if it is gone."""
        self._put(record_id, record, self.progress().walk)

    def _put(self, record_id: str, record: Record | None, walk: int) -> None:
        if record is None:
            self._replica.execute(
                "DELETE FROM records WHERE collection = ? AND id = ?", self._collection, record_id
            )
        else:
            self._replica.execute(
                "REPLACE INTO records (collection, id, data, walk) VALUES (?, ?, ?, ?)",
                *(self._collection, record_id, json.dumps(record), walk),
            )

    def progress(self) -> Progress:
        """Return how far the copy goes."""
        rows = self._replica.execute(
            "SELECT token, page, walk FROM progress WHERE collection = ?", self._collection
        )
        return Progress(*rows[0]) if rows else Progress(None, None, 0)

    def start(self, page: str) -> None:
        """Begin from nothing; the records stay until the end has shown which are gone."""
        with self._replica.transaction():
            self._replica.execute(
                "REPLACE INTO progress (collection, token, page, walk) VALUES (?, NULL, ?, ?)",
                *(self._collection, page, self.progress().walk + 1),
            )

    def apply(
        self,
        items: Sequence[Record],
        *,
        since: Progress,
        token: str | None,
        page: str | None,
    ) -> list[Change] | None:
        """Keep the items of a page together with what comes after it.

        Parameters
        ----------
        items : records and tombstones, in the order of the service.
        since : how far the copy went when the page was asked for.
        token : token of the last page; ``None`` if there are more.
        page : query string of the next page.

        Returns
        -------
        The changes, with those that the end of a start makes: records that were not told are gone.
        ``None`` if another thread has started again, or has ended a start: nothing is kept then.
        """
        with self._replica.transaction():
            now = self.progress()
            if now.walk != since.walk or (now.token is None) != (since.token is None):
                return None
            changes = []
            for item in items:
                record = None if item.get("deleted") is True else item
                self._put(item["id"], record, now.walk)
                changes.append(Change(item["id"], record))
            if now.token is None and token is not None:
                changes += self._remove_older(now.walk)
            self._replica.execute(
                "UPDATE progress SET token = coalesce(?, token), page = ? WHERE collection = ?",
                *(token, page, self._collection),
            )
        return changes

    def _remove_older(self, walk: int) -> list[Change]:
        scope = (self._collection, walk)
        rows = self._replica.execute(
            "SELECT id FROM records WHERE collection = ? AND walk < ?", *scope
        )
        self._replica.execute("DELETE FROM records WHERE collection = ? AND walk < ?", *scope)
        return [Change(record_id, None) for (record_id,) in rows]
