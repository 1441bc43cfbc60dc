"""Departures in the lists of clients that know nothing of tokens, and ask with ``_since`` (E-12.4).

A departure is listed as a tombstone at its position. A record that was written into the past is
listed at the position of that write. Both take part in the order and in the pages of the list.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import cmp_to_key
from typing import TYPE_CHECKING, Any, Final

from cliquet import settings
from cliquet.core.globs import is_pattern
from cliquet.resource import listing_query
from cliquet.resource.preferences import STRICT
from cliquet.security import memberships
from cliquet.storage import Filter, Sort
from cliquet.storage.departures import DepartureKind
from cliquet.storage.history import History
from cliquet.storage.ordering import resolve, sort_key
from cliquet.storage.query import COMPARISON, PaginationRule
from cliquet.types import Record

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = ["DepartedList", "begun"]

_COMPARED: Final[dict[COMPARISON, Callable[[Any, Any], bool]]] = {
    COMPARISON.EQ: operator.eq,
    COMPARISON.GT: operator.gt,
    COMPARISON.LT: operator.lt,
    COMPARISON.MIN: operator.ge,
    COMPARISON.MAX: operator.le,
}


def begun(resource: UserResource) -> DepartedList | None:
    """Return the departures for a list with ``_since``; ``None`` if it shows none."""
    request, model = resource.request, resource.model
    name = getattr(request, "current_resource_name", None)
    shows_them = settings.shows_departures(request.registry.settings, name)
    is_able = model.storage.keeps_departures is True and not is_pattern(model.parent_id)
    return DepartedList(resource) if shows_them and is_able else None


class DepartedList:
    """What a list shows besides the records and tombstones of the storage.

    The timestamp of the list must be known before, because it says up to which moment nothing is
    missing.
    """

    def __init__(self, resource: UserResource) -> None:
        self._resource = resource
        self._model = resource.model
        self._departed: list[Record] = []
        self._since: int | None = None
        self._is_part = False
        # Records that are in the list at the position of their last write: as they are shown.
        self._late: dict[str, Record] = {}

    def filters(self) -> list[Filter]:
        """Return the filters of the list, and read the departures.

        Shared records are found for both, later than the timestamp of the list. The records are
        read after that, with the horizon: a purge between these reads is told.
        """
        view = self._resource._view()
        # The statement of a query for the records tells it by itself.
        if view.find is not None and memberships.has_joined(self._resource.request):
            self._resource._find_list_again()
            view = self._resource._view()
        own = listing_query.own_filters(self._resource)
        of_view = view.filters(self._model.id_field)
        self._is_part = not view.is_whole
        self._departed = self._read(own, of_view, view.principals)
        return [*of_view, *own]

    def merged(
        self,
        records: Sequence[Record],
        sorting: Sequence[Sort],
        rules: Sequence[PaginationRule],
        limit: int | None,
    ) -> list[Record]:
        """Return the records of a page with the departures that belong to it.

        Parameters
        ----------
        records : those of the page, with one more if there are more.
        """
        id_field = self._model.id_field
        ids = {record[id_field] for record in records}
        more = [one for one in self._departed if one[id_field] not in ids and _follows(one, rules)]
        if not more:
            return list(records)
        merged = sorted([*records, *more], key=cmp_to_key(_order(sorting)))
        return merged if limit is None else merged[: limit + 1]

    def shown(self, records: Sequence[Record]) -> list[Record]:
        """Return records from :meth:`merged` with their own timestamps."""
        id_field = self._model.id_field
        return [self._late.get(one[id_field], one) for one in records]

    def leave_timestamp(self, history: History) -> None:
        """Send the timestamp that a client has, with an empty list of the changes since then.

        The timestamp of the collection moves with what the user cannot see, too. A client that
        knows nothing of tokens, such as kinto.js, takes a newer one with an empty list for the sign
        of a server that was flushed, and stops.

        Parameters
        ----------
        history : that of the collection, which came with the list. If deletions since then were
            forgotten, or the client is told of that by another status, the timestamp stays.
        """
        request, since = self._resource.request, self._since
        if (
            self._is_part
            and since is not None
            and history.purged <= since < self._resource.timestamp
            and not any(name.strip() == "_token" for name in request.GET)
            and not STRICT.is_in(request.headers.get("Prefer", ""))
        ):
            self._resource._add_timestamp_header(request.response, timestamp=since)

    def _read(
        self, own: Sequence[Filter], of_view: Sequence[Filter], principals: frozenset[str]
    ) -> list[Record]:
        model = self._model
        id_field, modified_field = model.id_field, model.modified_field
        matches = _test(own, (id_field, modified_field))
        since = max((one.value for one in own if _is_since(one, modified_field)), default=None)
        self._since = since
        if matches is None or since is None:
            return []
        place = model._collection(None)
        found = model.storage.list_departures(after=since, principals=principals, **place)
        # Later ones are told the next time, with what belongs to them.
        found = [one for one in found if one.position <= self._resource.timestamp]
        if not found:
            return []
        among = Filter(id_field, list(dict.fromkeys(one.id for one in found)), COMPARISON.IN)
        present, _ = model.get_records(filters=[*of_view, among], include_deleted=True)
        known = {record[id_field]: record for record in present}
        departed: dict[str, Record] = {}
        for one in found:
            record = known.get(one.id)
            is_alive = record is not None and model.deleted_field not in record
            if record is not None and record[modified_field] > since:
                # It is in the list anyway.
                continue
            if one.kind is not DepartureKind.LATE and is_alive:
                # The user has it by another principal.
                continue
            if one.kind is DepartureKind.LATE and record is None and of_view:
                # The user may never have been able to read it.
                continue
            item = {id_field: one.id, modified_field: one.position, model.deleted_field: True}
            if record is not None and is_alive:
                self._late[one.id] = record
                item = {**record, modified_field: one.position}
            departed[one.id] = item
        return list(filter(matches, departed.values()))


def _test(filters: Sequence[Filter], reserved: Sequence[str]) -> Callable[[Record], bool] | None:
    """Return a test for filters; ``None`` if they are on other fields than the reserved ones.

    A tombstone has no other fields: a client with such filters sees no deletion at all.
    """
    if any(one.field not in reserved or one.operator not in _COMPARED for one in filters):
        return None
    return lambda record: all(_holds(record, one) for one in filters)


def _is_since(item: Filter, modified_field: str) -> bool:
    return (
        item.field == modified_field and item.operator is COMPARISON.GT and type(item.value) is int
    )


def _follows(record: Record, rules: Sequence[PaginationRule]) -> bool:
    """Return whether a record comes after the place where a page begins."""
    return not rules or any(all(_holds(record, one) for one in rule) for rule in rules)


def _holds(record: Record, item: Filter) -> bool:
    key = sort_key(resolve(record, item.field))
    return _COMPARED[item.operator](key, sort_key(item.value))


def _order(sorting: Sequence[Sort]) -> Callable[[Record, Record], int]:
    def compared(one: Record, other: Record) -> int:
        for field, direction in sorting:
            left, right = sort_key(resolve(one, field)), sort_key(resolve(other, field))
            if left != right:
                return direction if left > right else -direction
        return 0

    return compared
