"""The changes of a collection after a position, for clients that synchronise (E-11).

The position of a change is the timestamp of the collection when it happened. The changes are the
records and tombstones with a later timestamp, and the departures with a later position. A storage
without a statement for all of them asks for one after the other. The order of these reads matters:
what is found later may be newer, and never lacks a change up to the timestamp that was read first.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

from cliquet.storage.departures import Departed, DepartureKind, StorageDepartures
from cliquet.storage.history import History
from cliquet.storage.query import COMPARISON, Filter, PaginationRule, Sort
from cliquet.storage.selection import Names
from cliquet.types import IdQuery, Record

__all__ = ["Change", "Changes", "StorageChanges", "Wanted", "collected", "in_order", "order_of"]


class Change(NamedTuple):
    """One change of a collection.

    Attributes
    ----------
    position : timestamp of the collection, in ms, when it happened.
    kind : ``None`` if a record was written or deleted; else that of the departure.
    record : for a record that was written or deleted, the record or its tombstone. For a departure,
        what there is of the record now: the record, or its tombstone; ``None`` if it is not one of
        the wanted ids, or does not exist. Except for ``DepartureKind.LATE``, it may have the
        reserved fields alone.
    matches : whether the record matches the filters, if there are any.
    """

    position: int
    id: str
    kind: DepartureKind | None
    record: Record | None
    matches: bool = True


class Changes(NamedTuple):
    """Changes of a collection, the oldest first, and the state of the collection with them.

    No change is missing between the position from which they were wanted and the last one; or the
    timestamp of the collection, if there are fewer than wanted.

    Attributes
    ----------
    timestamp : timestamp of the collection, in ms.
    """

    timestamp: int
    history: History
    found: list[Change]


class Wanted(NamedTuple):
    """The changes that somebody wants.

    Attributes
    ----------
    after : only those with a later position.
    after_id : the record with this id is the last one known of those with just this position, which
        several may have that were written with timestamps of the past; ``None`` if all are known.
    upto : only those up to this position; ``None`` for all.
    ids : only records with these ids; ``None`` for any. It may be a query of a permission backend
        that the storage can join.
    principals : departures of these principals are wanted, besides those that concern everybody.
    filters : filters whose result is told of each record; none of them is left out.
    limit : greatest number of changes; ``None`` for all of them.
    """

    after: int
    after_id: str | None = None
    upto: int | None = None
    ids: Sequence[str] | IdQuery | None = None
    principals: Iterable[str] = ()
    filters: Sequence[Filter] = ()
    limit: int | None = None

    def filters_of_changed(self, names: Names) -> list[Filter]:
        """Return the filters on the records that were written or deleted."""
        filters = []
        if self.after_id is None:
            filters.append(Filter(names.modified_field, self.after, COMPARISON.GT))
        if self.upto is not None:
            filters.append(Filter(names.modified_field, self.upto, COMPARISON.MAX))
        return [*self.of_ids(names), *filters]

    def rules(self, names: Names) -> list[PaginationRule]:
        """Return the pagination rules for the records that were written or deleted."""
        if self.after_id is None:
            return []
        here = Filter(names.modified_field, self.after, COMPARISON.EQ)
        return [
            [here, Filter(names.id_field, self.after_id, COMPARISON.GT)],
            [Filter(names.modified_field, self.after, COMPARISON.GT)],
        ]

    @property
    def departed_after(self) -> int:
        """The position after which departures are wanted: each has one of its own."""
        return self.after if self.after_id is None else self.after - 1

    def among(self, names: Names, object_ids: Sequence[str]) -> list[Filter]:
        """Return the filters on some records by their ids."""
        return [*self.of_ids(names), Filter(names.id_field, object_ids, COMPARISON.IN)]

    def of_ids(self, names: Names) -> list[Filter]:
        """Return the filter that leaves the wanted ids, if not all are wanted."""
        return [] if self.ids is None else [Filter(names.id_field, self.ids, COMPARISON.IN)]


def order_of(names: Names) -> list[Sort]:
    """Return the order of positions."""
    return [Sort(names.modified_field, 1), Sort(names.id_field, 1)]


def in_order(changes: Iterable[Change], limit: int | None) -> list[Change]:
    """Return changes in the order of their positions, no more than wanted."""
    # Of a record and a departure at one position, the departure is the later one.
    ordered = sorted(changes, key=lambda one: (one.position, one.kind is not None, one.id))
    return ordered[:limit] if limit else ordered


def collected(
    wanted: Wanted,
    names: Names,
    *,
    timestamp: Callable[[], int],
    departures: Callable[[int, Iterable[str], int | None], Sequence[Departed]],
    records: Callable[..., Sequence[Record]],
    history: Callable[[], History],
) -> Changes:
    """Return changes that are read one after the other.

    Parameters
    ----------
    timestamp : function that reads the timestamp of the collection, in ms.
    departures : function that lists departures after a position: of principals, and so many.
    records : function that lists records and tombstones, with the keywords of
        :meth:`~cliquet.storage.base.StorageBase.list_all`.
    history : function that reads the history of the collection.
    """
    # Whatever is committed at this moment is seen by all the reads that follow.
    latest = timestamp()
    upto = latest if wanted.upto is None else min(wanted.upto, latest)
    wanted = wanted._replace(upto=upto)
    departed = departures(wanted.departed_after, wanted.principals, wanted.limit)
    departed = [one for one in departed if one.position <= upto]
    changed = records(
        filters=wanted.filters_of_changed(names),
        sorting=order_of(names),
        pagination_rules=wanted.rules(names),
        limit=wanted.limit,
        include_deleted=True,
    )
    present = {}
    if departed:
        object_ids = list(dict.fromkeys(one.id for one in departed))
        found = records(filters=wanted.among(names, object_ids), include_deleted=True)
        # A record that was changed since then is told by a later position.
        present = {one[names.id_field]: one for one in found if one[names.modified_field] <= upto}
    merged = [
        *(Change(one[names.modified_field], one[names.id_field], None, one) for one in changed),
        *(Change(one.position, one.id, one.kind, present.get(one.id)) for one in departed),
    ]
    merged = in_order(merged, wanted.limit)
    if wanted.filters and merged:
        among = Filter(names.id_field, [one.id for one in merged], COMPARISON.IN)
        matching = records(filters=[*wanted.filters, among], include_deleted=True)
        versions = {(one[names.id_field], one[names.modified_field]) for one in matching}
        merged = [_judged(one, versions, names) for one in merged]
    # It comes last, so that a purge between these reads is noticed.
    return Changes(latest, history(), merged)


def _judged(change: Change, matching: Container[tuple[str, int]], names: Names) -> Change:
    """Say of a change whether this version of its record matches the filters."""
    record = change.record
    if record is None:
        return change
    return change._replace(matches=(change.id, record[names.modified_field]) in matching)


class StorageChanges(StorageDepartures):
    """The method of storages that lists all changes of a collection.

    .. versionadded:: 3.2
    """

    collection_timestamp: Callable[..., int]
    collection_history: Callable[..., History]
    list_all: Callable[..., list[Record]]

    def list_changes(
        self,
        collection_id: str,
        parent_id: str,
        after: int,
        *,
        after_id: str | None = None,
        upto: int | None = None,
        ids: Sequence[str] | IdQuery | None = None,
        principals: Iterable[str] = (),
        filters: Sequence[Filter] = (),
        limit: int | None = None,
        id_field: str = "id",
        modified_field: str = "last_modified",
        deleted_field: str = "deleted",
        auth: str | None = None,
    ) -> Changes:
        """Return the records, tombstones and departures after a position, the oldest first.

        This default method calls others, one after the other. A subclass that overrides one of
        ``list_departures()``, ``list_all()``, ``collection_timestamp()`` and
        ``collection_history()`` must override this method too, if it does not call them.

        A collection that was never touched gets the present time, as by ``collection_timestamp()``.

        Parameters
        ----------
        after : only return changes with a later position.
        after_id : also return the records with just this position that come after this id.
        upto : only return changes up to this position; ``None`` for all.
        ids : only return records with these ids, and departures with what these records are now;
            ``None`` for any. It may be a query for which ``can_join()`` is true.
        principals : those of the user, as for ``list_departures()``.
        filters : each record is returned with the answer whether it matches all of them.
        limit : greatest number of changes; ``None`` for no limit.

        Raises
        ------
        ReadonlyError : the collection was never touched, and nothing can be written.
        """
        home: dict[str, Any] = {
            "collection_id": collection_id,
            "parent_id": parent_id,
            "auth": auth,
        }
        names = Names(id_field, modified_field, deleted_field)
        return collected(
            Wanted(after, after_id, upto, ids, principals, filters, limit),
            names,
            timestamp=partial(self.collection_timestamp, **home),
            departures=lambda after, principals, limit: self.list_departures(
                after=after, principals=principals, limit=limit, **home
            ),
            records=partial(self.list_all, **home, **names._asdict()),
            history=partial(self.collection_history, **home),
        )
