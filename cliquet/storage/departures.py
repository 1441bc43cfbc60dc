"""The part of the storage contract for departures: records that left what a user may see (E-12).

A tombstone tells that a record was deleted. It says nothing to a user who has lost a record in
another way, and nothing to one who could read the deleted record alone. A departure does; it
belongs to principals, and has a position of its own among the timestamps of the collection.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = [
    "Departed",
    "Departure",
    "DepartureKind",
    "StorageDepartures",
    "StoredDeparture",
    "listed",
    "purgeable",
    "rows_of",
]

NOBODY = ""
"""Stands in the place of the principal of a departure that concerns everybody."""


class DepartureKind(enum.Enum):
    """What has happened to a record."""

    LEFT = "left"
    """Principals may no longer read it."""

    GONE = "gone"
    """It was deleted; the principals could read it."""

    LATE = "late"
    """It was written with a timestamp of the past, so that lists of changes do not show it."""


class Departure(NamedTuple):
    """A departure to be recorded.

    Attributes
    ----------
    id : id of the record.
    principals : those that could read it; none for :attr:`DepartureKind.LATE`.
    """

    id: str
    kind: DepartureKind
    principals: Iterable[str] = ()


class Departed(NamedTuple):
    """A departure as it is listed.

    Attributes
    ----------
    position : timestamp of the collection, in ms, when it was recorded.
    """

    id: str
    position: int
    kind: DepartureKind


class StoredDeparture(NamedTuple):
    """A departure as it is stored: one for each principal, of which the latest is kept.

    Attributes
    ----------
    principal : empty if it concerns everybody.
    position : as in :class:`Departed`.
    """

    id: str
    principal: str
    position: int
    kind: str

    def concerns(self, principals: frozenset[str]) -> bool:
        """Return whether somebody with these principals must learn of it."""
        return self.principal == NOBODY or self.principal in principals


class StorageDepartures:
    """The methods of storages that record departures; all bundled storages have them.

    .. versionadded:: 3.2
    """

    keeps_departures: bool = False
    """Whether the storage has the methods below."""

    def record_departures(
        self,
        collection_id: str,
        parent_id: str,
        departures: Sequence[Departure],
        auth: str | None = None,
    ) -> int | None:
        """Record departures, each with the next timestamp of the collection.

        They belong to the transaction of the change that caused them, as any write does. A later
        departure of a record replaces the former one of the same principal. No record changes.

        Parameters
        ----------
        departures : in their order; those that concern nobody are left out.

        Returns
        -------
        The timestamp of the collection after them, in ms; ``None`` if nothing was recorded.
        """
        raise NotImplementedError

    def list_departures(
        self,
        collection_id: str,
        parent_id: str,
        after: int,
        principals: Iterable[str],
        limit: int | None = None,
        auth: str | None = None,
    ) -> list[Departed]:
        """Return the departures that concern somebody, the oldest first.

        A record is listed again if several of the principals lost it at different times.

        Parameters
        ----------
        after : only return those with a later position.
        principals : those of the user; departures without principal are listed for any.
        limit : greatest number of them; ``None`` for no limit.
        """
        raise NotImplementedError


def rows_of(departures: Iterable[Departure]) -> tuple[list[tuple[int, str, str, str]], int]:
    """Return what to store of departures, and how many timestamps they take.

    Returns
    -------
    The rank of each timestamp, from 1, with the id, the principal and the kind. No pair of id and
    principal is there twice: the last one counts.
    """
    rows: dict[tuple[str, str], tuple[int, str, str, str]] = {}
    rank = 0
    for object_id, kind, principals in departures:
        concerned = (NOBODY,) if kind is DepartureKind.LATE else dict.fromkeys(principals)
        rank += bool(concerned)
        for principal in concerned:
            rows[object_id, principal] = (rank, object_id, principal, kind.value)
    return list(rows.values()), rank


def listed(
    stored: Iterable[StoredDeparture], after: int, principals: Iterable[str], limit: int | None
) -> list[Departed]:
    """Return the result of :meth:`StorageDepartures.list_departures` from all the departures."""
    own = frozenset(principals)
    found = {
        Departed(one.id, one.position, DepartureKind(one.kind))
        for one in stored
        if one.position > after and one.concerns(own)
    }
    ordered = sorted(found, key=lambda one: (one.position, one.id))
    return ordered[:limit] if limit else ordered


def purgeable(
    stored: Sequence[StoredDeparture], before: int | None, max_retained: int | None
) -> list[StoredDeparture]:
    """Return the departures that a purge deletes.

    Parameters
    ----------
    before, max_retained : as for the tombstones of a purge. Departures are counted by themselves,
        and those with one position stay or go together.
    """
    bounds = [] if before is None else [before]
    if max_retained is not None:
        positions = sorted((one.position for one in stored), reverse=True)
        bounds.append(positions[max_retained] + 1 if len(positions) > max_retained else 0)
    return [one for one in stored if all(one.position < bound for bound in bounds)]
