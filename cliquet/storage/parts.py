"""The parts of a storage behind its published methods.

The ``Storage`` class of each bundled storage puts them together. They take the values of
:mod:`cliquet.storage.selection`, and make the same promises as the corresponding methods of
:class:`~cliquet.storage.base.StorageBase`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from cliquet.storage.changes import Changes, Wanted
from cliquet.storage.departures import Departed, Departure
from cliquet.storage.history import History
from cliquet.storage.selection import CollectionKey, Draft, Names, Scope, Selection
from cliquet.storage.watching import Position
from cliquet.types import ACEQuery, IdQuery, Record

__all__ = [
    "BulkWriting",
    "Departing",
    "JointReading",
    "Reading",
    "ReadingChanges",
    "ReadingMany",
    "Transactions",
    "Writing",
    "WritingMany",
]

T = TypeVar("T")
U = TypeVar("U")


class Reading(Protocol):
    """The part that reads."""

    def timestamp(self, key: CollectionKey) -> int:
        """Return the timestamp of a collection, which gets the present time if it has none."""

    def timestamps(self, collection_id: str) -> dict[str, int]:
        """Return the timestamps of a collection by parent."""

    def history(self, key: CollectionKey) -> History:
        """Return the horizon and the epoch of a collection."""

    def positions(self, keys: Sequence[CollectionKey]) -> dict[CollectionKey, Position]:
        """Return the positions of those of the collections that were touched."""

    def get(self, key: CollectionKey, object_id: str, names: Names) -> Record:
        """Return a live record."""

    def find_tombstone(self, key: CollectionKey, object_id: str, names: Names) -> Record | None:
        """Return the tombstone of a deleted record, or ``None``."""

    def page(self, selection: Selection) -> tuple[list[Record], int]:
        """Return a page, and the number of live records that match its filters."""

    def records(self, selection: Selection) -> list[Record]:
        """Return a page without the count."""

    def count(self, selection: Selection) -> int:
        """Return the number of records that match the filters."""


class ReadingMany(Reading, Protocol):
    """The part that reads, also several records of one collection at once."""

    def find_many(
        self, key: CollectionKey, object_ids: Sequence[str], names: Names
    ) -> list[Record]:
        """Return the live records with these ids."""


class JointReading(ReadingMany, Protocol):
    """The part that reads, also records with the ACEs in the same database."""

    def find_with_aces(
        self, key: CollectionKey, object_id: str, names: Names, aces: ACEQuery
    ) -> tuple[Record | None, dict[str, set[str]]]:
        """Return a live record, or ``None``, and ACEs."""

    def first_ids(
        self, key: CollectionKey, ids: IdQuery, number: int, *, are_counted: bool
    ) -> tuple[list[str], int | None]:
        """Return ids, and a timestamp of the collection up to which these lack none, if known."""


class ReadingChanges(Protocol):
    """The part that reads all changes of a collection."""

    def read(self, key: CollectionKey, wanted: Wanted, names: Names) -> Changes:
        """Return the changes. A collection that was never touched gets the present time."""


class Writing(Protocol):
    """The part that writes single records."""

    def put(self, draft: Draft) -> Record:
        """Store a record; return the stored record."""

    def delete(
        self,
        key: CollectionKey,
        object_id: str,
        names: Names,
        *,
        supplied: int | None,
        with_deleted: bool,
    ) -> Record:
        """Delete a live record; return its tombstone.

        Parameters
        ----------
        supplied : the timestamp that the caller wants for the deletion, not yet checked.
        with_deleted : whether to leave a tombstone.
        """


class WritingMany(Writing, Protocol):
    """The part that writes, also several records of one collection at once."""

    def create_all(self, drafts: Sequence[Draft]) -> list[Record]:
        """Store new records of one collection; return the stored records."""

    def put_all(self, drafts: Sequence[Draft]) -> list[Record]:
        """Store records without unique fields; return the stored records."""

    def delete_each(
        self, key: CollectionKey, object_ids: Sequence[str], names: Names
    ) -> list[Record]:
        """Delete live records; return their tombstones."""


class BulkWriting(Protocol):
    """The part that deletes many records at once, and purges."""

    def delete_selected(self, selection: Selection, *, with_deleted: bool) -> list[Record]:
        """Delete live records in the order of the selection; return their tombstones."""

    def trim(self, selection: Selection, max_objects: int, *, with_deleted: bool) -> int:
        """Delete all matching live records except the most recent ones; return their number."""

    def purge(self, scope: Scope, *, before: int | None, max_retained: int | None) -> int:
        """Delete tombstones; return their number."""

    def purge_slices(
        self, key: CollectionKey, size: int, *, before: int | None, max_retained: int | None
    ) -> Iterator[int]:
        """Delete the tombstones of a collection step by step; yield the number of each step."""


class Departing(Protocol):
    """The part for departures."""

    def record(self, key: CollectionKey, departures: Sequence[Departure]) -> int | None:
        """Record departures; return the timestamp of the collection, or ``None``."""

    def list(
        self, key: CollectionKey, after: int, principals: Iterable[str], limit: int | None
    ) -> Sequence[Departed]:
        """Return the departures after a position that concern these principals."""


class Transactions(Protocol):
    """The part that runs operations of several calls."""

    def run(self, operation: Callable[[], T], key: CollectionKey) -> T:
        """Do the same as :meth:`~cliquet.storage.base.StorageBase.atomic`."""

    def with_effects(
        self, write: Callable[[], T], effects: Callable[[T | None], U], key: CollectionKey
    ) -> tuple[T, U]:
        """Do the same as :meth:`~cliquet.storage.base.StorageBase.with_effects`."""
