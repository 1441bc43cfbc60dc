"""Reads of records of one collection that follow each other in a batch.

The first one is an ordinary sub-request. The next ones are read together, and what is not in the
record is that of the first. Whatever is no plain success is left to an ordinary sub-request.
Changes that follow each other are requests each, for which the records are read together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

import orjson
from pyramid.events import NewResponse
from pyramid.interfaces import ISecurityPolicy

from cliquet import utils
from cliquet.monitoring import logs
from cliquet.resource import UserResource, fetching
from cliquet.security import authorization
from cliquet.views.batch_bounds import Budget, Items
from cliquet.views.batch_runs import Told, is_left_alone
from cliquet.web import rendering
from cliquet.web import requests as http
from cliquet.web.alike import Likenesses, Place

__all__ = ["ReadRun", "look_ahead"]

_CHANGES = ("PUT", "PATCH", "DELETE")
_MOST_AT_ONCE = 25
_OK = 200


class ReadRun:
    """A read that was answered, for the next ones that differ in the record alone.

    Parameters
    ----------
    place : where the item of the batch leads.
    answer : its answer.
    described : its answer in the form of the batch.
    likenesses : tells which items are like it.
    readers : principals, of which one must have a permission on a record that is read; ``None`` if
        the sender may read all of them.

    Attributes
    ----------
    request : the request that was answered.
    log_context : the log context at the end of its processing.
    """

    def __init__(
        self,
        place: Place,
        answer: http.Answer,
        described: Mapping[str, Any],
        likenesses: Likenesses,
        readers: Set[str] | None,
    ) -> None:
        self.request = answer.request
        self._event = NewResponse(answer.request, answer.response)
        self.log_context = logs.current()
        self._place = place
        self._described = described
        self._likenesses = likenesses
        self._readers = readers
        _, self._resource = answer.request.cornice_args

    @classmethod
    def begun_by(
        cls,
        item: Mapping[str, Any],
        following: Mapping[str, Any],
        answer: http.Answer,
        described: Mapping[str, Any],
        likenesses: Likenesses,
    ) -> ReadRun | None:
        """Return the run that an item begins; ``None`` if code of the application takes part.

        The log context must still be that of the item.

        Parameters
        ----------
        following : the next item, without which there is nothing to do.
        """
        request, response = answer.request, answer.response
        if request.method != "GET" or response.status_code != _OK:
            return None
        place = likenesses.place_of(item)
        if place is None or not place.is_beside(likenesses.place_of(following)):
            return None
        if "?" in item["path"] or not is_left_alone(request, response):
            return None
        _, resource = request.cornice_args
        is_known = (
            isinstance(resource, UserResource)
            and resource.record_id == place.record_id
            and fetching.reads_alike(resource)
        )
        readers = _readers(request, resource) if is_known else frozenset()
        if readers is not None and not readers:
            return None
        return cls(place, answer, described, likenesses, readers)

    def answered_at_once(self, items: Items, budget: Budget) -> Iterator[Told]:
        """Read the records of the next items together, and answer as long as they are there.

        Parameters
        ----------
        items : the remaining items, the next one at the end; those that are answered are removed.
        """
        beside = self._likenesses.beside(self._place, reversed(items[-_MOST_AT_ONCE:]))
        places = {place.record_id: place for _, place in beside}
        if len(places) < 2:
            # A request of its own takes no more statements.
            return
        answered = []
        found = fetching.fetch_all(self._resource, list(places), self._readers)
        for record_id, fetched in zip(places, found, strict=False):
            if budget.refusal() is not None:
                break
            items.pop()
            answered.append(fetched)
            text = rendering.text_of(self.request, fetched.body)
            path = places[record_id].path
            described = {
                "path": path,
                "status": _OK,
                "headers": {
                    **self._described["headers"],
                    **dict(fetched.headers),
                    "Content-Length": str(len(text)),
                },
                "body": orjson.Fragment(text),
            }
            # The next one may only be answered if there is still room for it.
            budget.spend_text(text)
            yield Told(described, text, path, self._event)
        fetching.tell(self._resource, answered)


def look_ahead(
    item: Mapping[str, Any],
    items: Items,
    answer: http.Answer,
    likenesses: Likenesses,
    looked_at: set[str],
) -> None:
    """Let the storage read together what the next items will change, if they are like this one.

    Parameters
    ----------
    item : the item that was answered.
    items : the remaining items, the next one at the end.
    looked_at : the paths of items that were read before, to which this adds.
    """
    request = answer.request
    # A service may have no storage.
    backend = getattr(request.registry, "storage", None)
    is_worth_it = getattr(backend, "makes_round_trips", False)
    if request.method not in _CHANGES or not is_worth_it or items[-1][0]["path"] in looked_at:
        return
    place = likenesses.place_of(item)
    if place is None:
        return
    places = []
    for following, found in likenesses.beside(place, reversed(items[-_MOST_AT_ONCE:])):
        if following["path"] in looked_at or found.path == place.path:
            break
        looked_at.add(following["path"])
        places.append(found)
    if len(places) < 2 or not is_left_alone(request, answer.response):
        return
    _, resource = request.cornice_args
    if fetching.changes_alike(resource) and resource.record_id == place.record_id:
        fetching.look_ahead(resource, [found.record_id for found in places])


def _readers(request: Any, resource: UserResource) -> Set[str] | None:
    """Return principals that must be able to read a record; none if nobody can say so beforehand.

    ``None`` says that the sender may read all of them.
    """
    policy = request.registry.queryUtility(ISecurityPolicy)
    service = utils.current_service(request)
    permission = authorization.permission_of_view(service, request.method)
    if policy.permits_all(request, resource.context, permission):
        return None
    if type(resource.context) is not authorization.RouteFactory:
        return frozenset()
    return policy.readers(request) or frozenset()
