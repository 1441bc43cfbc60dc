"""What the storages in PostgreSQL and SQLite write in their own ways: the contract between them.

``relational`` and ``relational_bulk`` build the storage's contract on these steps.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, NamedTuple

from cliquet.connections.sql import Session
from cliquet.storage.collection_key import CollectionKey
from cliquet.storage.listing.evaluation import Names
from cliquet.storage.relational.listing import SQL
from cliquet.storage.relational.reading import RelationalReader
from cliquet.types import Record

__all__ = ["Conflict", "RelationalWriter", "Write", "tombstone"]


class Write(NamedTuple):
    """A live record about to be written.

    Attributes
    ----------
    data : JSON text of the record without its id and timestamp.
    supplied : timestamp that the caller wants, or ``None``.
    conflicts : query for what stands in the way, or ``None`` when nothing can.
    """

    key: CollectionKey
    id: str
    data: str
    supplied: int | None
    conflicts: SQL | None


class Conflict(NamedTuple):
    """A row of :attr:`Write.conflicts`: the rank of the field, and the record in the way."""

    rank: int
    id: str
    last_modified: int
    data: Any


class RelationalWriter(RelationalReader):
    """The steps of a write, which each database takes its own way."""

    @abc.abstractmethod
    def _lock(self, session: Session, key: CollectionKey) -> None:
        """Keep others from writing to a collection until the transaction ends."""

    @abc.abstractmethod
    def _lock_matching(self, session: Session, scope: SQL) -> list[CollectionKey]:
        """Lock the collections that a condition names, in one order for all; return them."""

    @abc.abstractmethod
    def _insert(self, session: Session, key: CollectionKey, object_id: str, data: str) -> int:
        """Store a record under an id that nobody else can have; return its timestamp."""

    @abc.abstractmethod
    def _put(self, session: Session, write: Write) -> int | Conflict:
        """Store or replace a record; return its timestamp, or what stands in its way."""

    @abc.abstractmethod
    def _remove(
        self,
        session: Session,
        key: CollectionKey,
        object_id: str,
        supplied: int | None,
        *,
        with_deleted: bool,
    ) -> int | None:
        """Delete a live record; return the time of deletion, ``None`` if there is none."""

    @abc.abstractmethod
    def _remove_many(
        self, session: Session, key: CollectionKey, object_ids: Sequence[str], *, with_deleted: bool
    ) -> dict[str, int]:
        """Delete live records of a locked collection; return the time of each deletion."""

    @abc.abstractmethod
    def _first_access(self, key: CollectionKey) -> int | None:
        """Keep the present time for a collection never touched, whatever becomes of the request.

        Returns
        -------
        The time, in ms; ``None`` if the collection was touched meanwhile.
        """

    @abc.abstractmethod
    def _flushed(self, session: Session) -> None:
        """Take note that the tables are empty as far as this transaction can see."""

    def _wrote(self, session: Session) -> None:
        session.has_written = True
        session.memo.clear()


def tombstone(object_id: str, timestamp: int, names: Names) -> Record:
    """Return what remains of a deleted record (B-1.4)."""
    return {
        names.deleted_field: True,
        names.id_field: object_id,
        names.modified_field: timestamp,
    }
