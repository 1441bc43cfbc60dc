"""Sends the edits of the user, each under the condition that nobody else has changed the record.

An answer can be lost after the server has written. The edit is then sent again, and its condition
fails because of the own write. What was sent is therefore kept: if the record of the server has
it, the write has arrived.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import quote

import httpx

from cliquet.client.outbox import NEVER_SENT, Edit, Outbox
from cliquet.client.replica import Record, writable
from cliquet.client.service import ClientError, Service, error_of
from cliquet.client.told import Told

__all__ = ["Choice", "Conflict", "OnConflict", "Pushed", "keep_local", "merge_fields", "push"]

_ROUNDS: Final = 10
_ANSWERED: Final = (200, 201)


class Choice(Enum):
    """What a handler of conflicts answers if it has no data for the record.

    .. versionadded:: 3.2
    """

    LATER = "the edit stays, and the conflict is reported"
    REMOTE = "the record of the server stays, and the edit is dropped"
    DELETE = "the record is deleted"


@dataclass(frozen=True)
class Conflict:
    """An edit that the server did not take.

    .. versionadded:: 3.2

    Parameters
    ----------
    id : id of the record.
    local : the fields that the user wants; ``None`` if they deleted the record.
    original : the record that the user saw when they began; ``None`` if there was none.
    remote : the record of the server; ``None`` if it is gone, or was never there.
    error : why the server refused the edit for good; ``None`` if somebody else changed the record.
    """

    id: str
    local: Record | None
    original: Record | None
    remote: Record | None
    error: ClientError | None = None


OnConflict = Callable[[Conflict], "Record | Choice"]
"""Returns the fields that the record shall have, or a choice."""


@dataclass(frozen=True)
class Pushed:
    """What became of the edits.

    Parameters
    ----------
    sent : number of edits that the server took.
    conflicts : those that are still there.
    """

    sent: int
    conflicts: list[Conflict]


def keep_local(conflict: Conflict) -> Record | Choice:
    """Let the edit of the user win, whatever others wrote.

    .. versionadded:: 3.2
    """
    if conflict.error is not None:
        return Choice.LATER
    return Choice.DELETE if conflict.local is None else conflict.local


def merge_fields(conflict: Conflict) -> Record | Choice:
    """Take each field from the side that changed it; leave the conflict if both did.

    .. versionadded:: 3.2
    """
    local, original, remote = conflict.local, conflict.original, conflict.remote
    if conflict.error is not None or local is None or original is None or remote is None:
        return Choice.LATER
    merged: Record = {}
    for name in writable({**remote, **local}):
        before, ours, theirs = (_text_of(side, name) for side in (original, local, remote))
        if ours != before and theirs not in (before, ours):
            return Choice.LATER
        side = remote if ours == before else local
        if name in side:
            merged[name] = side[name]
    return merged


def push(service: Service, outbox: Outbox, told: Told, on_conflict: OnConflict) -> Pushed:
    """Send all edits.

    Raises
    ------
    httpx.TransportError, ClientError : the service cannot be reached, or does not know the user.
        The edits that were not sent are kept.
    """
    sent = 0
    conflicts = []
    for edit in outbox.all():
        conflict = _Push(service, outbox, told, on_conflict).push(edit.id)
        if conflict is None:
            sent += 1
        else:
            conflicts.append(conflict)
    return Pushed(sent, conflicts)


@dataclass(frozen=True)
class _Push:
    service: Service
    outbox: Outbox
    told: Told
    on_conflict: OnConflict

    def push(self, record_id: str) -> Conflict | None:
        """Send an edit until it is done, or somebody has to decide."""
        conflict = None
        for _ in range(_ROUNDS):
            edit = self.outbox.get(record_id)
            if edit is None:
                return None
            conflict = self._try(edit)
            if conflict is not None and not self._resolve(edit, conflict):
                return conflict
        return conflict

    def _try(self, edit: Edit) -> Conflict | None:
        if edit.sent not in (NEVER_SENT, edit.text):
            # What was sent before may have arrived, and the new data would then begin there.
            remote = self._remote(edit.id)
            if _has_arrived(edit.sent, remote):
                self.outbox.rebase(edit, remote, edit.data)
                return None
            if edit.data is None and edit.base is None:
                # A creation that was refused or lost, and then taken back.
                if remote is None:
                    self.outbox.settle(edit, None)
                    return None
                return Conflict(edit.id, None, None, remote)
        self.outbox.mark_sent(edit)
        response = self._send(edit)
        if response.status_code in _ANSWERED:
            record = response.json()["data"]
            is_gone = record.get("deleted") is True
            self.outbox.settle(edit, None if is_gone else record)
            return None
        if response.status_code == 401:
            raise error_of(response)
        if response.status_code not in (404, 410, 412):
            told = self.told.get(edit.id)
            return Conflict(edit.id, edit.data, edit.original, told, error_of(response))
        remote = self._remote(edit.id)
        is_done = remote is None if edit.data is None else _has_arrived(edit.sent, remote)
        if is_done:
            self.outbox.settle(edit, remote)
            return None
        error = None if response.status_code == 412 else error_of(response)
        return Conflict(edit.id, edit.data, edit.original, remote, error)

    def _send(self, edit: Edit) -> httpx.Response:
        url = self._url(edit.id)
        headers = {"If-None-Match": "*"} if edit.base is None else {"If-Match": f'"{edit.base}"'}
        if edit.data is not None:
            return self.service.send("PUT", url, headers=headers, json={"data": edit.data})
        return self.service.send("DELETE", url, headers=headers)

    def _remote(self, record_id: str) -> Record | None:
        response = self.service.send("GET", self._url(record_id))
        if response.status_code == 200:
            record: Record = response.json()["data"]
            return record
        # 400: the service has no records with such an id.
        if response.status_code in (400, 403, 404, 410):
            return None
        raise error_of(response)

    def _url(self, record_id: str) -> str:
        return f"{self.service.url}/{quote(record_id, safe='')}"

    def _resolve(self, edit: Edit, conflict: Conflict) -> bool:
        """Ask the handler, and return whether something is to be sent now."""
        answer = self.on_conflict(conflict)
        if answer is Choice.LATER:
            return False
        if answer is Choice.REMOTE:
            self.outbox.settle(edit, conflict.remote)
        else:
            data = None if isinstance(answer, Choice) else writable(answer)
            self.outbox.rebase(edit, conflict.remote, data)
        return True


def _has_arrived(sent: str, remote: Record | None) -> bool:
    """Return whether the server has what was sent without an answer."""
    if sent == NEVER_SENT:
        return False
    data: Record | None = json.loads(sent)
    if data is None or remote is None:
        return data is remote
    return all(_text_of(remote, name) == _text_of(data, name) for name in data)


def _text_of(record: Record, name: str) -> str | None:
    """Return a field as JSON, in which ``1`` is not ``true``; ``None`` if it is missing."""
    return json.dumps(record[name], sort_keys=True) if name in record else None
