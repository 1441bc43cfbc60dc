"""The part of the storage's contract for commands: copies from one backend to another (E-7.3).

A copy walks through two storages side by side, hence everything comes in one order, whatever the
backend. It writes nothing twice: what one side has and the other has not is all that is imported.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from cliquet.storage.selection import CollectionKey
from cliquet.types import Record

__all__ = [
    "CollectionTimestamp",
    "ExportedCollection",
    "ExportedEntry",
    "ImportedCollection",
    "StorageTransfer",
    "grouped",
]


class CollectionTimestamp(NamedTuple):
    """The timestamp of a collection, in ms."""

    parent_id: str
    collection_id: str
    timestamp: int

    @property
    def key(self) -> CollectionKey:
        """The name of the collection."""
        return CollectionKey(collection_id=self.collection_id, parent_id=self.parent_id)


class ExportedEntry(NamedTuple):
    """A record or a tombstone.

    Its data stand apart: callers choose the names of the id and of the timestamp (B-3.11), and a
    record may hold a field of one of these names.

    Attributes
    ----------
    last_modified : in ms.
    data : the record without its id and its timestamp; ``None`` for a tombstone.
    """

    id: str
    last_modified: int
    data: Record | None


class ExportedCollection(NamedTuple):
    """A collection and what is in it.

    Attributes
    ----------
    timestamp : of the collection in ms, read before any of the entries.
    entries : records and tombstones, sorted by id; to be read before the next collection is asked
        for, or not at all.
    """

    parent_id: str
    collection_id: str
    timestamp: int
    entries: Iterable[ExportedEntry]

    @property
    def key(self) -> CollectionKey:
        """The name of the collection."""
        return CollectionKey(collection_id=self.collection_id, parent_id=self.parent_id)


class ImportedCollection(NamedTuple):
    """Changes of one collection.

    Attributes
    ----------
    timestamp : that the collection then has, in ms, exactly, be it lower than before; not below
        that of an entry. ``None`` to forget the collection whole, as
        :meth:`~cliquet.storage.base.StorageBase.flush` forgets them all.
    entries : records and tombstones to store as they are, in place of what has their ids.
    removed_ids : of records and tombstones to remove without a trace, silently where there is
        none.
    """

    parent_id: str
    collection_id: str
    timestamp: int | None
    entries: Sequence[ExportedEntry] = ()
    removed_ids: Sequence[str] = ()

    @property
    def key(self) -> CollectionKey:
        """The name of the collection."""
        return CollectionKey(collection_id=self.collection_id, parent_id=self.parent_id)


class StorageTransfer:
    """What a storage that can be copied from and to overrides; bundled ones do.

    .. versionadded:: 3.2
    """

    is_transferable: bool = False
    """Whether the methods below exist."""

    def export_timestamps(self) -> Iterator[CollectionTimestamp]:
        """Return the timestamps of the collections that have one, the empty ones included.

        Those of collections that were read and never written are among them (B-4.2).

        Returns
        -------
        Sorted by parent id, then collection id, by code point. Others may write meanwhile.
        """
        raise NotImplementedError

    def export(self) -> Iterator[ExportedCollection]:
        """Return everything that is stored.

        Only committed data are seen. Others may write meanwhile: each entry is one that was
        stored at some instant after the timestamp of its collection was read. A collection that
        appears after the iteration has passed its place is left out.

        The iteration holds neither a lock nor a transaction between two items, and no more than a
        page of entries in memory: the caller may take hours. The caller may :meth:`import_` into
        the same storage what the iteration has passed. A server that keeps nothing in order may
        hold the ids of all collections, and those of the entries of one.

        Returns
        -------
        Sorted by parent id, then collection id, by code point.
        """
        raise NotImplementedError

    def import_(self, collections: Sequence[ImportedCollection]) -> None:
        """Store, and remove, exactly what is given.

        Each collection changes in one step, its number of live records included; all of them do
        where the storage has transactions. Doing it twice is doing it once. No unique field is
        checked.

        Parameters
        ----------
        collections : each at most once, sorted by parent id, then collection id.

        Raises
        ------
        TypeError : this storage cannot hold a value; nothing of its collection was changed.
        """
        raise NotImplementedError

    def rewind(self, collection_id: str, parent_id: str, now: int) -> int | None:
        """Bring the timestamps of a collection that ran ahead of the clock back to it (X-28).

        Records and tombstones later than `now` get the timestamps that follow it, each its own, in
        the order in which they are; the collection has the last of these, or the one after `now`
        if there are none. All is one step, and nobody writes meanwhile. Clients that hold an
        earlier timestamp see each of these changes once more; those that hold one of the future
        have to start again, which only they can know until collections have an epoch.

        Parameters
        ----------
        now : reading of the clock, in ms.

        Returns
        -------
        How many records and tombstones were changed; ``None`` if the collection is not later than
        `now`, or was never touched, and nothing was changed.
        """
        raise NotImplementedError

    def forget_untouched(self, before: int) -> int:
        """Forget the timestamps of collections that hold nothing: no record, no tombstone.

        They are mostly those of first accesses (B-4.2), one for each user who has ever asked. Who
        asks again is given the present time, later than the one that was forgotten: a client that
        still has that one sees its collection change once, and nothing in it.

        Parameters
        ----------
        before : only timestamps strictly lower, in ms. It lies in the past, by more than the clocks
            of the service may differ: what is written next must be later than what was told.

        Returns
        -------
        How many were forgotten.
        """
        raise NotImplementedError


def grouped(
    timestamps: Iterable[CollectionTimestamp],
    entries: Iterable[tuple[CollectionKey, ExportedEntry]],
) -> Iterator[ExportedCollection]:
    """Put entries under their collections, for :meth:`StorageTransfer.export`.

    Entries of collections without timestamp are left out, and those that the caller did not read.
    The first of `entries` is asked for after the first of `timestamps`.

    Parameters
    ----------
    timestamps, entries : sorted by parent id, then collection id; then id.
    """
    remaining = itertools.groupby(entries, key=lambda pair: pair[0])
    found: tuple[CollectionKey, Iterator[tuple[CollectionKey, ExportedEntry]]] | None = None
    is_over = False
    for timestamp in timestamps:
        key = timestamp.key
        while not is_over and (found is None or found[0] < key):
            found = next(remaining, None)
            is_over = found is None
        if found is not None and found[0] == key:
            yield ExportedCollection(*timestamp, entries=(entry for _, entry in found[1]))
        else:
            yield ExportedCollection(*timestamp, entries=())
