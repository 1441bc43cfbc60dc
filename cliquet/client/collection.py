"""A collection of a service, with a copy of it in a file."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx

from cliquet.client import live
from cliquet.client.outbox import Edit, Outbox
from cliquet.client.pulling import Pull
from cliquet.client.pushing import Choice, Conflict, OnConflict, push
from cliquet.client.replica import Record, Replica, writable
from cliquet.client.service import Service
from cliquet.client.told import Change, Told

__all__ = ["Collection", "SyncResult"]


@dataclass(frozen=True)
class SyncResult:
    """What a synchronisation did.

    .. versionadded:: 3.2

    Parameters
    ----------
    sent : number of edits that the service took, or that the handler of conflicts settled.
    changes : what the service told.
    conflicts : edits that are still waiting for a decision; they are sent again the next time.
    """

    sent: int
    changes: list[Change]
    conflicts: list[Conflict]


def leave(conflict: Conflict) -> Record | Choice:
    """Decide nothing."""
    return Choice.LATER


class Collection(Mapping[str, Record]):
    """Records by id, as the user sees them: what the service told, with their own edits.

    .. versionadded:: 3.2

    Reading and editing touch the file alone, so that they work without a network. :meth:`sync`
    exchanges them with the service.

    Parameters
    ----------
    url : URL of the collection, for example ``https://api.example.com/v1/notes``. The service needs
        the setting ``sync_enabled``.
    replica : file for the copy. Each user needs their own.
    http : sends the requests, with credentials: ``httpx.Client(auth=("name", "password"))``.
    filters : parameters of the list (H-12), to follow a part of the collection.
    page_size : greatest number of records of a page; ``None`` for what the service allows.
    on_conflict : decides what becomes of an edit that the service did not take. Unless there is
        one, the edit stays, and the result of :meth:`sync` tells it. It is called once for each
        state of the record, and may be called again for one edit.

    Examples
    --------
    >>> from cliquet.client import Collection, Replica, merge_fields
    >>> notes = Collection(
    ...     "http://localhost:8888/v1/mushrooms",
    ...     Replica("notes.sqlite"),
    ...     http=httpx.Client(auth=("alice", "secret")),
    ...     on_conflict=merge_fields,
    ... )  # doctest: +SKIP
    """

    def __init__(
        self,
        url: str,
        replica: Replica,
        *,
        http: httpx.Client,
        filters: Mapping[str, str] | None = None,
        page_size: int | None = None,
        on_conflict: OnConflict = leave,
    ) -> None:
        self._replica = replica
        self._service = Service(http, url.rstrip("/"))
        filters = dict(sorted((filters or {}).items()))
        name = f"{self._service.url}?{urlencode(filters)}" if filters else self._service.url
        self._told = Told(replica, name)
        self._outbox = Outbox(replica, name, self._told)
        self._pull = Pull(self._service, self._told, filters, page_size)
        self._on_conflict = on_conflict
        self._sending = threading.Lock()

    # What the user sees

    def __getitem__(self, record_id: str) -> Record:
        edit = self._outbox.get(record_id)
        record = self._told.get(record_id) if edit is None else edit.record
        if record is None:
            raise KeyError(record_id)
        return record

    def __iter__(self) -> Iterator[str]:
        return iter(self._outbox.visible_ids())

    def __len__(self) -> int:
        return len(self._outbox.visible_ids())

    @property
    def edits(self) -> list[Edit]:
        """What the service does not know yet."""
        return self._outbox.all()

    # What the user does

    def create(self, data: Record, record_id: str | None = None) -> str:
        """Add a record.

        Parameters
        ----------
        data : its fields.
        record_id : its id; a new UUID if there is none.

        Returns
        -------
        The id.

        Raises
        ------
        ValueError : there is a record with this id.
        """
        record_id = str(uuid.uuid4()) if record_id is None else record_id
        with self._replica.transaction():
            if record_id in self:
                raise ValueError(f"{record_id!r} exists")
            self._outbox.write(record_id, writable(data))
        return record_id

    def replace(self, record_id: str, data: Record) -> None:
        """Give a record other fields.

        Parameters
        ----------
        data : its fields. With the ``last_modified`` of the record that the user has read, a change
            that came from the service since then is not overwritten, but a conflict.

        Raises
        ------
        KeyError : there is no such record.
        """
        self[record_id]
        self._outbox.write(record_id, writable(data), data.get("last_modified"))

    def update(self, record_id: str, changes: Record) -> None:
        """Change some fields of a record.

        Raises
        ------
        KeyError : there is no such record.
        """
        with self._replica.transaction():
            self.replace(record_id, {**self[record_id], **changes})

    def delete(self, record_id: str) -> None:
        """Delete a record.

        Raises
        ------
        KeyError : there is no such record.
        """
        self[record_id]
        self._outbox.write(record_id, None)

    # Exchange with the service

    def sync(self) -> SyncResult:
        """Send the edits, then read what has changed.

        Raises
        ------
        httpx.TransportError : the service cannot be reached.
        ClientError : it refuses.
        """
        with self._sending:
            pushed = push(self._service, self._outbox, self._told, self._on_conflict)
            changes = list(self._pull.all_changes())
        return SyncResult(pushed.sent, changes, pushed.conflicts)

    def follow(self, stop: threading.Event | None = None) -> Iterator[Change]:
        """Tell changes of the service when they happen; edits are sent by :meth:`sync` alone.

        Parameters
        ----------
        stop : ends the loop when it is set, within 15 seconds.

        Yields
        ------
        Each change, after it was kept. Without a connection, it is tried again for ever.

        Raises
        ------
        ClientError : the service refuses for good.
        """
        changes = live.follow(self._pull, threading.Event() if stop is None else stop)
        with closing(changes):
            yield from changes
