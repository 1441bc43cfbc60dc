"""The pages of a client that synchronises with tokens (E-11).

A client starts with all the records of its view, in the order of their timestamps: the *walk*. Its
end is the timestamp of the collection at the first page, whatever happens meanwhile: later changes
are told by the token of the last page. Then each token gives the changes after its position.

The module knows neither the request nor the response. :func:`next_page` is all that a feed needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

from cliquet.resource.pagination import pagination_rules
from cliquet.resource.sync_token import Place, SyncToken, digest
from cliquet.resource.user_model import Model
from cliquet.storage.base import Page
from cliquet.storage.changes import Change, Wanted, order_of
from cliquet.storage.departures import DepartureKind
from cliquet.storage.exceptions import BackendError
from cliquet.storage.history import History
from cliquet.storage.query import COMPARISON, Continuation, Filter, PaginationRule
from cliquet.storage.selection import Names
from cliquet.storage.spreading import latest_of
from cliquet.types import IdQuery, Record

__all__ = ["WHOLE", "Source", "SyncOutdatedError", "SyncPage", "View", "next_page"]

Reason = Literal["horizon", "epoch", "view"]


class SyncOutdatedError(Exception):
    """The changes since a token can no longer be told: the client must start again.

    Attributes
    ----------
    reason : ``horizon`` if some were forgotten, ``epoch`` if the collection has begun another life,
        ``view`` if the user may see another part of the collection than before.
    """

    def __init__(self, reason: Reason, history: History) -> None:
        self.reason = reason
        self.history = history
        super().__init__(reason)


class View(NamedTuple):
    """What a user may see of a collection.

    Attributes
    ----------
    digest : digest of the extent and of the principals.
    principals : principals whose departures concern the user; none if the view is the whole
        collection, of which tombstones tell everything.
    ids : query for the ids of the records, which the storage can join; ``None`` if there is none.
    find : function that finds these ids at its call; ``None`` if the view is the whole collection,
        or if there is a query.
    """

    digest: bytes
    principals: frozenset[str] = frozenset()
    ids: IdQuery | None = None
    find: Callable[[], Sequence[str]] | None = None

    @property
    def is_whole(self) -> bool:
        return self.ids is None and self.find is None

    def filters(self, id_field: str) -> list[Filter]:
        """Return the filter that limits a list to the view, if it is limited."""
        if self.is_whole:
            return []
        ids = self.find() if self.find is not None else self.ids
        return [Filter(id_field, ids, COMPARISON.IN)]


WHOLE: Final = View(digest(["whole"]))
"""The view of a user who may see the whole collection."""


class Source(NamedTuple):
    """What a client synchronises.

    Parameters
    ----------
    model : the collection.
    digest : digest of the collection and the filters, from :meth:`of`.
    filters : filters of the client. A record that was changed and does not match is told as one
        that left, because it may have matched before.
    """

    model: Model
    digest: bytes
    filters: Sequence[Filter] = ()
    view: View = WHOLE
    is_readonly: bool = False

    @property
    def names(self) -> Names:
        model = self.model
        return Names(model.id_field, model.modified_field, model.deleted_field)


class SyncPage(NamedTuple):
    """A page of items for the client, in the order in which it must apply them.

    Attributes
    ----------
    items : records; and, for what was deleted or left the view, tombstones.
    token : what the client knows after the page. With this token, it goes on.
    is_last : whether there is nothing more now.
    timestamp : timestamp of the collection when the page was read, in ms.
    """

    items: list[Record]
    token: SyncToken
    is_last: bool
    timestamp: int


def next_page(source: Source, token: SyncToken | None, limit: int | None = None) -> SyncPage:
    """Return the records of the start, or the changes after a token.

    Parameters
    ----------
    token : what the client knows; ``None`` to start.
    limit : greatest number of items; ``None`` for all of them.

    Raises
    ------
    SyncOutdatedError : the changes can no longer be told.
    ValueError : the token belongs to another collection, or to other filters.
    BackendError : the storage failed, or a replica is behind the start of the client.
    """
    if token is None:
        return _first_page(source, limit)
    if token.source != source.digest:
        raise ValueError("of another collection, or of other filters")
    if token.is_start and token.place is not None:
        return _walked_page(source, token, token.place, limit)
    return _changed_page(source, token, limit)


# The walk


def _first_page(source: Source, limit: int | None) -> SyncPage:
    model, view = source.model, source.view
    # Shared records that are found by themselves must be found after the end of the walk is known:
    # it must not be later than what they were found by.
    is_known_before = view.find is not None or not model.pages_have_timestamp
    start = model.timestamp() if is_known_before else None
    while True:
        read = _walk(source, limit, upto=start, place=None)
        if start is None:
            start = read.timestamp
        if start is not None:
            break
        # Somebody else has touched the collection for the first time after it was read.
    token = SyncToken(start, read.history.epoch, view.digest, source.digest)
    return _page_of_walk(source, token, read, limit, start)


def _walked_page(source: Source, token: SyncToken, place: Place, limit: int | None) -> SyncPage:
    _check_view(source, token)
    model = source.model
    timestamp = None if model.pages_have_timestamp else model.timestamp()
    read = _walk(source, limit, upto=token.position, place=place)
    timestamp = read.timestamp if timestamp is None else timestamp
    _check(token, latest_of(timestamp or 0), read.history, is_replica=source.is_readonly)
    if latest_of(timestamp or 0) < token.position:
        raise BackendError(message="The replica is behind what the client has read elsewhere.")
    return _page_of_walk(source, token, read, limit, timestamp or 0)


class _Read(NamedTuple):
    """A page of the walk as it was read, with one record more if there are more."""

    records: list[Record]
    timestamp: int | None
    history: History


def _walk(source: Source, limit: int | None, *, upto: int | None, place: Place | None) -> _Read:
    model, names = source.model, source.names
    order = order_of(names)
    filters = [
        *source.view.filters(names.id_field),
        *source.filters,
        # The history only comes with lists that may have tombstones.
        Filter(names.deleted_field, True, COMPARISON.NOT),
    ]
    if upto is not None:
        filters.append(Filter(names.modified_field, upto, COMPARISON.MAX))
    rules: list[PaginationRule] = []
    if place is not None:
        last = {names.modified_field: place.timestamp, names.id_field: place.record_id}
        rules = pagination_rules(order, last)
    records, _ = model.get_records(
        filters=filters,
        sorting=order,
        pagination_rules=Continuation(rules, is_counted=False),
        limit=None if limit is None else limit + 1,
        include_deleted=True,
    )
    timestamp = history = None
    if isinstance(records, Page):
        timestamp, history = records.timestamp, records.history
        if timestamp is None and records.claim is not None:
            timestamp = records.claim()
    if history is None or not history.epoch:
        history = model.history()
    return _Read(records, timestamp, history)


def _page_of_walk(
    source: Source, token: SyncToken, read: _Read, limit: int | None, timestamp: int
) -> SyncPage:
    names, records = source.names, read.records
    if limit is None or len(records) <= limit:
        token = token._replace(place=None, is_start=False)
        return SyncPage(list(records), token, True, timestamp)
    records = records[:limit]
    last = records[-1]
    place = Place(last[names.modified_field], last[names.id_field])
    return SyncPage(records, token._replace(place=place, is_start=True), False, timestamp)


# The changes


def _changed_page(source: Source, token: SyncToken, limit: int | None) -> SyncPage:
    _check_view(source, token)
    model, view = source.model, source.view
    upto = None
    ids: Sequence[str] | IdQuery | None = view.ids
    if view.find is not None:
        # The shared records are found after this moment, and what has changed up to it is judged by
        # them. Of later changes, nothing is said yet.
        upto = model.timestamp()
        ids = view.find()
    more = None if limit is None else limit + 1
    known = None if token.place is None else token.place.record_id
    changes = model._list_changes(
        Wanted(token.position, known, upto, ids, view.principals, source.filters, more)
    )
    _check(token, latest_of(changes.timestamp), changes.history, is_replica=source.is_readonly)
    found = changes.found
    is_last = limit is None or len(found) <= limit
    if is_last:
        latest = changes.timestamp if upto is None else min(upto, changes.timestamp)
        # A replica may be behind what the client has read elsewhere.
        after = token._replace(position=max(latest, token.position), place=None)
    else:
        found, following = found[:limit], found[len(found) - 1]
        after = token._replace(position=found[-1].position, place=_between(found[-1], following))
    return SyncPage(_items(source, found), after, is_last, changes.timestamp)


def _between(last: Change, following: Change) -> Place | None:
    """Return the place of a page that begins among records with one timestamp."""
    if last.kind is not None or following.position != last.position:
        return None
    return Place(last.position, last.id)


def _items(source: Source, changes: Sequence[Change]) -> list[Record]:
    """Return one item for each record that has changed; the last one counts."""
    items: dict[str, Record] = {}
    for change in changes:
        item = _item(source, change)
        if item is not None:
            items.pop(change.id, None)
            items[change.id] = item
    return list(items.values())


def _item(source: Source, change: Change) -> Record | None:
    names, record = source.names, change.record
    is_alive = record is not None and names.deleted_field not in record
    if change.kind in (None, DepartureKind.LATE):
        if record is None and not source.view.is_whole:
            # The user may never have been able to read it. Those who were are told by name.
            return None
        if is_alive and change.matches:
            return record
        if record is not None and change.kind is None and not is_alive:
            return record
    elif is_alive:
        # The user has the record by another principal, or has got it back.
        return None
    return {
        names.id_field: change.id,
        names.modified_field: change.position,
        names.deleted_field: True,
    }


# Tokens that are too old


def _check_view(source: Source, token: SyncToken) -> None:
    if token.view != source.view.digest:
        raise SyncOutdatedError("view", History())


def _check(token: SyncToken, timestamp: int, history: History, *, is_replica: bool) -> None:
    """Make sure that nothing since a token was forgotten.

    Raises
    ------
    SyncOutdatedError : something was.
    """
    is_ahead = token.position > timestamp and not is_replica
    if token.epoch != history.epoch or is_ahead:
        raise SyncOutdatedError("epoch", history)
    if token.position < history.purged:
        raise SyncOutdatedError("horizon", history)
