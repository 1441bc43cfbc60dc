"""What the user did to the records of a collection, and the service does not know yet."""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from cliquet.client.replica import Record, Replica
from cliquet.client.told import Told

__all__ = ["NEVER_SENT", "Edit", "Outbox"]

NEVER_SENT: Final = "never"
"""Text in the place of what was sent; it is not JSON."""

_SELECT: Final = "SELECT id, data, original, sent, revision FROM edits WHERE collection = ?"


class Edit(NamedTuple):
    """What the user did to one record; a record has one edit at most.

    .. versionadded:: 3.2

    Attributes
    ----------
    id : id of the record.
    data : the fields that it shall have; ``None`` if it shall be deleted.
    original : the record that the user saw when they began; ``None`` if there was none.
    sent : JSON of the data that the service was sent without answering, ``null`` for a deletion; or
        ``never``.
    revision : grows each time that the user goes on.
    """

    id: str
    data: Record | None
    original: Record | None
    sent: str
    revision: int

    @property
    def base(self) -> int | None:
        """The timestamp of the record that the user saw, in ms."""
        return None if self.original is None else self.original["last_modified"]

    @property
    def text(self) -> str:
        """JSON of the data, ``null`` for a deletion."""
        return json.dumps(self.data)

    @property
    def record(self) -> Record | None:
        """The record as the user sees it."""
        if self.data is None:
            return None
        stamp = {} if self.base is None else {"last_modified": self.base}
        return {**self.data, "id": self.id, **stamp}


class Outbox:
    """The edits of one collection, over what the service has told of it."""

    def __init__(self, replica: Replica, collection: str, told: Told) -> None:
        self._replica = replica
        self._collection = collection
        self._told = told

    def get(self, record_id: str) -> Edit | None:
        """Return the edit of a record, if there is one."""
        rows = self._replica.execute(f"{_SELECT} AND id = ?", self._collection, record_id)
        return _edit(*rows[0]) if rows else None

    def all(self) -> list[Edit]:
        """Return the edits, in the order in which the user began them."""
        rows = self._replica.execute(f"{_SELECT} ORDER BY number", self._collection)
        return [_edit(*row) for row in rows]

    def visible_ids(self) -> list[str]:
        """Return the ids of the records that the user sees: those told, with their own edits."""
        rows = self._replica.execute(
            "SELECT id FROM records WHERE collection = ?1 AND id NOT IN"
            " (SELECT id FROM edits WHERE collection = ?1 AND data IS NULL)"
            " UNION SELECT id FROM edits WHERE collection = ?1 AND data IS NOT NULL ORDER BY id",
            self._collection,
        )
        return [record_id for (record_id,) in rows]

    def write(self, record_id: str, data: Record | None, seen: int | None = None) -> None:
        """Keep what the user did to a record, to be sent later.

        Parameters
        ----------
        data : the fields that the record shall have; ``None`` to delete it.
        seen : timestamp of the record that the user had read, in ms. If the record has changed
            since then, the service will refuse the edit as it would that of any other client.
        """
        with self._replica.transaction():
            edit = self.get(record_id)
            original = self._told.get(record_id) if edit is None else edit.original
            if seen is not None and (original is None or original["last_modified"] != seen):
                # What it was like is not known any more.
                original = {"id": record_id, "last_modified": seen}
            if edit is None:
                self._replica.execute(
                    "INSERT INTO edits (collection, id, data, original, sent)"
                    " VALUES (?, ?, ?, ?, ?)",
                    *(self._collection, record_id, _text(data), _text(original), NEVER_SENT),
                )
            elif data is None and original is None and edit.sent == NEVER_SENT:
                # The service has never heard of it.
                self._forget(record_id)
            else:
                self._replica.execute(
                    "UPDATE edits SET data = ?, original = ?, revision = revision + 1"
                    " WHERE collection = ? AND id = ?",
                    *(_text(data), _text(original), self._collection, record_id),
                )

    def mark_sent(self, edit: Edit) -> None:
        """Remember what is about to be sent, because its answer may be lost."""
        self._replica.execute(
            "UPDATE edits SET sent = ? WHERE collection = ? AND id = ?",
            *(edit.text, self._collection, edit.id),
        )

    def settle(self, edit: Edit, remote: Record | None) -> None:
        """Keep the state of the service; the edit is done with, unless the user went on."""
        with self._replica.transaction():
            self._told.put(edit.id, remote)
            now = self.get(edit.id)
            if now is not None and now.revision == edit.revision:
                self._forget(edit.id)
            else:
                self._begin_at(edit, remote)

    def rebase(self, edit: Edit, remote: Record | None, data: Record | None) -> None:
        """Let an edit begin at another state of the record, with other data.

        If the user has gone on, their data stay.
        """
        with self._replica.transaction():
            self._told.put(edit.id, remote)
            self._begin_at(edit, remote)
            self._replica.execute(
                "UPDATE edits SET data = ? WHERE collection = ? AND id = ? AND revision = ?",
                *(_text(data), self._collection, edit.id, edit.revision),
            )

    def _begin_at(self, edit: Edit, remote: Record | None) -> None:
        self._replica.execute(
            "UPDATE edits SET original = ?, sent = ? WHERE collection = ? AND id = ?",
            *(_text(remote), NEVER_SENT, self._collection, edit.id),
        )

    def _forget(self, record_id: str) -> None:
        self._replica.execute(
            "DELETE FROM edits WHERE collection = ? AND id = ?", self._collection, record_id
        )


def _edit(record_id: str, data: str | None, original: str | None, sent: str, revision: int) -> Edit:
    return Edit(record_id, _record(data), _record(original), sent, revision)


def _text(record: Record | None) -> str | None:
    return None if record is None else json.dumps(record)


def _record(text: str | None) -> Record | None:
    return None if text is None else json.loads(text)
