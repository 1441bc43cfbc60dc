"""Changes of records of one collection that follow each other in a batch.

The first one is an ordinary sub-request, and so is each one with a body that is more than a record,
or that does not succeed. The others are read, judged and written together, and what does not follow
from the record in their answers is that of an ordinary one with the same status.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import orjson
from pyramid.events import NewResponse
from pyramid.request import Request
from pyramid.threadlocal import RequestContext

from cliquet import utils
from cliquet.core import jsonio
from cliquet.monitoring import logs
from cliquet.resource import UserResource, changing
from cliquet.resource.changing import Asked, Changed
from cliquet.security.authorization import permission_of_view
from cliquet.security.change_rights import ChangeRights, of_changes
from cliquet.views.batch_bounds import Budget, Items
from cliquet.views.batch_lent import give_own_body, lent
from cliquet.views.batch_runs import Told, is_left_alone
from cliquet.web import rendering
from cliquet.web import requests as http
from cliquet.web.alike import Likenesses, Place

__all__ = ["ChangeRun", "ChangeRuns"]

_CHANGES = ("PUT", "PATCH", "DELETE")
_CREATED, _OK = 201, 200
_MOST_AT_ONCE = 25
# From then on, they are requests, for which the storage still reads the records together.
_MOST_USELESS = 2
# What the text of an answer has besides the record and the permissions.
_MOST_ADDED = 1000


class _Sample(NamedTuple):
    """An ordinary answer, for others with its status.

    Attributes
    ----------
    described : it in the form of the batch.
    event : tells of it.
    collection_url : the beginning of ``Location``, if it has some.
    """

    described: Mapping[str, Any]
    event: NewResponse
    collection_url: str


@dataclasses.dataclass
class _Known:
    """What is known of requests that only differ in the record.

    Attributes
    ----------
    samples : answers to them, by their status.
    useless : number of runs that have answered nothing, although they have read the records.
    """

    samples: dict[int, _Sample] = dataclasses.field(default_factory=dict)
    useless: int = 0


class ChangeRuns:
    """The answered changes of a batch, for those that follow.

    Parameters
    ----------
    likenesses : tells which items are alike.
    """

    def __init__(self, likenesses: Likenesses) -> None:
        self._likenesses = likenesses
        self._known: list[tuple[Place, _Known]] = []

    def begun_by(
        self,
        item: Mapping[str, Any],
        items: Items,
        answer: http.Answer,
        described: Mapping[str, Any],
    ) -> ChangeRun | None:
        """Return the run that an item begins; ``None`` if code of the application takes part.

        The log context must still be that of the item.

        Parameters
        ----------
        items : the remaining items, the next one at the end.
        """
        request, response = answer.request, answer.response
        status = response.status_code
        if request.method not in _CHANGES or status not in (_OK, _CREATED):
            return None
        place = self._likenesses.place_of(item)
        if place is None or "?" in item["path"] or not is_left_alone(request, response):
            return None
        _, resource = request.cornice_args
        if not isinstance(resource, UserResource) or resource.record_id != place.record_id:
            return None
        if "patch" in request.validated or "HTTP_RESPONSE_BEHAVIOR" in request.environ:
            return None
        url = described["headers"].get("Location", "").removesuffix(place.record_id)
        known = self._known_of(place)
        known.samples[status] = _Sample(described, NewResponse(request, response), url)
        run = ChangeRun(request, resource, place, known, self._likenesses)
        # The others are judged by what is cheap first.
        if known.useless >= _MOST_USELESS or not run.find_following(items):
            return None
        permission = permission_of_view(utils.current_service(request), request.method)
        rights = of_changes(request, resource.context, permission, has_created=status == _CREATED)
        if rights is None or not changing.changes_alike(resource, rights):
            return None
        run.rights = rights
        return run

    def _known_of(self, place: Place) -> _Known:
        for other, found in self._known:
            if other.is_beside(place):
                return found
        known = _Known()
        self._known.append((place, known))
        return known


class ChangeRun:
    """A change that was answered, for the next ones that differ in the record alone.

    Parameters
    ----------
    request : the request that was answered.
    place : where it leads.
    known : what is known of requests beside it.

    Attributes
    ----------
    rights : what the sender may do with other records.
    log_context : the log context at the end of its processing.
    """

    rights: ChangeRights

    def __init__(
        self,
        request: Request,
        resource: UserResource,
        place: Place,
        known: _Known,
        likenesses: Likenesses,
    ) -> None:
        self.request = request
        self.log_context = logs.current()
        self._resource = resource
        self._place = place
        self._known = known
        self._likenesses = likenesses
        self._following: list[tuple[Mapping[str, Any], Place]] = []

    def find_following(self, items: Items) -> bool:
        """Find the next items, as long as they only have another record in their body.

        Returns
        -------
        Whether there are several: a request of its own takes no more statements.
        """
        method, following = self.request.method, []
        for item, place in self._likenesses.beside(self._place, reversed(items[-_MOST_AT_ONCE:])):
            if not changing.is_plain(self._resource, method, item.get("body")):
                break
            following.append((item, place))
        self._following = following
        return len(following) > 1

    def answered_at_once(self, items: Items, budget: Budget) -> list[Told]:
        """Change the records of the next items together, as long as nothing can be wrong with them.

        Parameters
        ----------
        items : the remaining items, the next one at the end; those that are answered are removed.
        """
        if not self._following and not self.find_following(items):
            return []
        following, self._following = self._following, []
        # Code that validates may ask which request is served.
        made = self._likenesses.made_of(following[0][0])
        if made is None:
            return []
        seen = made[0]
        asked = []
        for item, place in following:
            text, data = None, {}
            if (body := item.get("body")) is not None:
                # It is a copy, because requests share their defaults.
                text = orjson.dumps(body)
                data = orjson.loads(text)["data"]
            asked.append(Asked(place.record_id, data, partial(_show, seen, place, text)))

        def has_room_for(number: int, values: Sequence[Any]) -> bool:
            return budget.has_room_for(len(jsonio.dumps(values)) + _MOST_ADDED * number)

        allowed = changing.Allowed(self.rights, self._known.samples.keys(), has_room_for)
        with lent(self.request), RequestContext(seen):
            self.request.validated = {}
            changed = changing.change_all(self._resource, asked, allowed)
        self._known.useless += not changed
        del items[len(items) - len(changed) :]
        pairs = zip(changed, following, strict=False)
        told = [self._told(one, place) for one, (_, place) in pairs]
        budget.spend_text(b"".join([one.text for one in told]))
        return told

    def _told(self, changed: Changed, place: Place) -> Told:
        sample = self._known.samples[changed.status]
        text = rendering.text_of(self.request, changed.body)
        own = dict(changed.headers)
        if changed.status == _CREATED:
            own["Location"] = f"{sample.collection_url}{changed.record_id}"
        described = {
            "path": place.path,
            "status": changed.status,
            "headers": {**sample.described["headers"], **own, "Content-Length": str(len(text))},
            "body": orjson.Fragment(text),
        }
        return Told(described, text, place.path, sample.event)


def _show(seen: Request, place: Place, text: bytes | None) -> None:
    """Make a request that nobody answers the one that is served."""
    seen.environ["PATH_INFO"] = place.path
    seen.matchdict = {**place.variables, "id": place.record_id}
    if text is not None:
        give_own_body(seen, text)
