"""The part of the storage contract for commands: copies from one backend to another, and repairs.

A copy compares two storages side by side, so that all backends must export in the same order. It
only imports the differences.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from cliquet.core.globs import exact
from cliquet.storage.departures import StoredDeparture
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

    Its data is separate from the id and the timestamp, because callers choose the names of these
    fields (B-3.11), and the data may have a member with such a name.

    Attributes
    ----------
    last_modified : timestamp in ms.
    data : the record without its id and its timestamp; ``None`` for a tombstone.
    """

    id: str
    last_modified: int
    data: Record | None


class ExportedCollection(NamedTuple):
    """A collection and its entries.

    Attributes
    ----------
    timestamp : timestamp of the collection in ms, which was read before the entries.
    entries : records and tombstones, sorted by id; they must be read before the next collection, or
        not at all.
    purged, epoch : the :class:`~cliquet.storage.history.History` of the collection, which was read
        before the entries; the defaults if the storage does not know it.
    departures : departures, sorted by id, then principal; they must be read after the entries and
        before the next collection, or not at all.
    """

    parent_id: str
    collection_id: str
    timestamp: int
    entries: Iterable[ExportedEntry]
    purged: int = 0
    epoch: str = ""
    departures: Iterable[StoredDeparture] = ()

    @property
    def key(self) -> CollectionKey:
        """The name of the collection."""
        return CollectionKey(collection_id=self.collection_id, parent_id=self.parent_id)


class ImportedCollection(NamedTuple):
    """Changes of one collection.

    Attributes
    ----------
    timestamp : exact timestamp that the collection gets, in ms, even if it is lower than before; it
        is not below that of an entry. ``None`` to forget the whole collection, as
        :meth:`~cliquet.storage.base.StorageBase.flush` does with all of them.
    entries : records and tombstones to store without changes; they replace entries with the same
        ids.
    removed_ids : ids of records and tombstones to remove without a trace; unknown ids are ignored.
    purged : horizon that the collection gets; ``None`` to keep the present one, which becomes the
        given timestamp if something is removed.
    epoch : epoch that the collection gets; ``None`` to keep the present one. If its timestamp
        becomes lower, it is restored from former data, and ``None`` stands for a new epoch.
    departures : departures to store; they replace those of the same id and principal.
    removed_departures : ids and principals of departures to remove; unknown ones are ignored.
    """

    parent_id: str
    collection_id: str
    timestamp: int | None
    entries: Sequence[ExportedEntry] = ()
    removed_ids: Sequence[str] = ()
    purged: int | None = None
    epoch: str | None = None
    departures: Sequence[StoredDeparture] = ()
    removed_departures: Sequence[tuple[str, str]] = ()

    @property
    def key(self) -> CollectionKey:
        """The name of the collection."""
        return CollectionKey(collection_id=self.collection_id, parent_id=self.parent_id)


class StorageTransfer:
    """The methods of storages that can be copied; all bundled storages have them.

    .. versionadded:: 3.2
    """

    purge_deleted: Callable[..., int]

    is_transferable: bool = False
    """Whether the storage has the methods below."""

    def export_timestamps(self, parent_ids: Sequence[str] = ()) -> Iterator[CollectionTimestamp]:
        """Return the timestamps of all collections that have one, also of empty ones.

        This includes collections that were read and never written.

        Parameters
        ----------
        parent_ids : only collections of one of these parents, which are ids or patterns; by default
            those of all.

        Returns
        -------
        Timestamps sorted by parent id, then collection id, by code point. Others may write
        meanwhile.
        """
        raise NotImplementedError

    def export(self, parent_ids: Sequence[str] = ()) -> Iterator[ExportedCollection]:
        """Return the whole content, or that of some parents.

        Only committed data are returned. Others may write meanwhile: each entry was stored at some
        moment after the timestamp of its collection was read. A collection that appears after the
        iteration has passed its place is left out.

        Between two items, the iteration holds neither a lock nor a transaction, and has at most a
        page of entries in memory: the caller may take hours. The caller may :meth:`import_`
        collections that the iteration has passed into the same storage. If the server keeps no
        order, the ids of all collections, and those of the entries of one, may be in memory.

        Parameters
        ----------
        parent_ids : only collections of one of these parents, as in :meth:`export_timestamps`.

        Returns
        -------
        Collections sorted by parent id, then collection id, by code point.
        """
        raise NotImplementedError

    def import_(self, collections: Sequence[ImportedCollection]) -> None:
        """Store and remove exactly the given entries.

        Each collection changes in one step, with its number of live records; if the storage has
        transactions, all collections change in one step. A second call changes nothing. Unique
        fields are not checked.

        Parameters
        ----------
        collections : changes, at most one of each collection, sorted by parent id, then collection
            id.

        Raises
        ------
        TypeError : this storage cannot store a value; its collection was not changed.
        """
        raise NotImplementedError

    def rewind(self, collection_id: str, parent_id: str, now: int) -> int | None:
        """Set the timestamps of a collection that are ahead of the clock back to the clock (X-28).

        Records and tombstones later than `now` get the timestamps after it, each its own, in their
        present order. The collection gets the last of these, or the one after `now` if there are
        none, and a new epoch; its horizon is not later than that. All this is one step, and nobody
        writes meanwhile. Clients with an earlier timestamp see each of these changes once more.
        Clients with one of the future must start again, and the service cannot tell those that only
        send a timestamp.

        Parameters
        ----------
        now : time of the clock, in ms.

        Returns
        -------
        The number of changed records and tombstones; ``None`` if nothing was changed, because the
        collection is not later than `now`, or was never touched.
        """
        raise NotImplementedError

    def purge_slices(
        self,
        collection_id: str,
        parent_id: str,
        size: int,
        *,
        before: int | None = None,
        max_retained: int | None = None,
    ) -> Iterator[int]:
        """Do what ``purge_deleted()`` does for one collection, the oldest first, step by step.

        Each step is committed by itself, with its horizon, so that a write waits for one step at
        most. The next step begins when the caller asks for it. If the caller stops before the end,
        the next purge goes on. What gets an earlier timestamp meanwhile may stay too. By default
        there is one step.

        Parameters
        ----------
        size : greatest number of tombstones and departures of one step, at least 1. Those with the
            same timestamp stay or go together, however many they are.
        before, max_retained : the same as in ``purge_deleted()``.

        Yields
        ------
        The number of deleted tombstones of each step.
        """
        yield self.purge_deleted(
            collection_id, exact(parent_id), before=before, max_retained=max_retained
        )

    def forget_untouched(self, before: int) -> int:
        """Forget the timestamps of collections without records and tombstones.

        Most of them come from first accesses, one for each user who has ever read the collection.
        The next read gets the present time, which is later than the forgotten one: a client that
        still has that one sees its collection change once, without any changed record. A collection
        with a horizon is kept, because its clients must learn of it.

        Parameters
        ----------
        before : only forget lower timestamps, in ms. It must be in the past, by more than the
            clocks of the service may differ, because the next write must be later than any
            timestamp that was sent.

        Returns
        -------
        The number of forgotten timestamps.
        """
        raise NotImplementedError


def grouped(
    timestamps: Iterable[CollectionTimestamp],
    entries: Iterable[tuple[CollectionKey, Any]],
) -> Iterator[ExportedCollection]:
    """Group entries, or departures, by their collections, for :meth:`StorageTransfer.export`.

    Entries of collections without a timestamp are left out, and so are those that the caller does
    not read. The first of `entries` is read after the first of `timestamps`.

    Parameters
    ----------
    timestamps, entries : iterators sorted by parent id, then collection id; entries then by id.
    """
    remaining = itertools.groupby(entries, key=lambda pair: pair[0])
    found: tuple[CollectionKey, Iterator[tuple[CollectionKey, Any]]] | None = None
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
