"""The parts that a storage is made of, behind its published methods.

Each bundled storage puts them together in its ``Storage`` class. They take the values of
:mod:`cliquet.storage.selection`, and promise what the methods of
:class:`~cliquet.storage.base.StorageBase` of the same purpose do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from cliquet.storage.selection import CollectionKey, Draft, Names, Scope, Selection
from cliquet.types import Record

__all__ = ["BulkWriting", "Reading", "Transactions", "Writing"]

T = TypeVar("T")
U = TypeVar("U")


class Reading(Protocol):
    """What reads."""

    def timestamp(self, key: CollectionKey) -> int:
        """Return the timestamp of a collection, which is given the present time if it has none."""

    def timestamps(self, collection_id: str) -> dict[str, int]:
        """Return the timestamps of a collection by parent."""

    def get(self, key: CollectionKey, object_id: str, names: Names) -> Record:
        """Return a live record."""

    def find_tombstone(self, key: CollectionKey, object_id: str, names: Names) -> Record | None:
        """Return what remains of a deleted record, or ``None``."""

    def page(self, selection: Selection) -> tuple[list[Record], int]:
        """Return a page, and the number of live records that match its filters."""

    def records(self, selection: Selection) -> list[Record]:
        """Return a page alone."""

    def count(self, selection: Selection) -> int:
        """Return the number of records that match the filters, without the rest."""


class Writing(Protocol):
    """What writes single records."""

    def put(self, draft: Draft) -> Record:
        """Store a record; return it as stored."""

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
        with_deleted : leave the tombstone.
        """


class BulkWriting(Protocol):
    """What deletes many records at once, and purges."""

    def delete_selected(self, selection: Selection, *, with_deleted: bool) -> list[Record]:
        """Delete live records in their order; return their tombstones."""

    def trim(self, selection: Selection, max_objects: int, *, with_deleted: bool) -> int:
        """Delete all but the most recent of the live records that match; return how many."""

    def purge(self, scope: Scope, *, before: int | None, max_retained: int | None) -> int:
        """Forget tombstones; return how many."""


class Transactions(Protocol):
    """What runs operations of several calls."""

    def run(self, operation: Callable[[], T], key: CollectionKey) -> T:
        """Do what :meth:`~cliquet.storage.base.StorageBase.atomic` promises."""

    def with_effects(
        self, write: Callable[[], T], effects: Callable[[T | None], U], key: CollectionKey
    ) -> tuple[T, U]:
        """Do what :meth:`~cliquet.storage.base.StorageBase.with_effects` promises."""
