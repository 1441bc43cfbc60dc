"""Creations in one collection that follow each other in a batch, and differ in their bodies alone.

The first one is an ordinary sub-request. Of the next ones, only what depends on their bodies is
done: the schema, the creation, and the text of the answer. The URL, the user, the permission and
the headers are those of the first. Whatever is no plain success is left to an ordinary sub-request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from pyramid.events import NewResponse
from pyramid.httpexceptions import HTTPException
from pyramid.interfaces import IRootFactory, ISecurityPolicy
from pyramid.request import Request
from pyramid.response import Response
from pyramid.threadlocal import RequestContext
from pyramid.traversal import DefaultRootFactory

from cliquet.core import jsonio
from cliquet.core.shortcuts import Shortcut
from cliquet.monitoring import logs
from cliquet.resource import UserResource, creating
from cliquet.security.authentication import SecurityPolicy
from cliquet.security.authorization import RouteFactory
from cliquet.types import Record
from cliquet.views.batch_bounds import Budget, Items
from cliquet.views.batch_lent import give_own_body, lent
from cliquet.web import endpoints, registrations, rendering, urls
from cliquet.web import requests as http
from cliquet.web.bodies import give_body
from cliquet.web.plain_responses import PLAIN_CLASSES

__all__ = ["Run", "Told", "is_left_alone"]

# A resource that replaces one of these may do something else for each request.
_CREATES_ALIKE = Shortcut(
    "_creates_alike",
    "__init__",
    "collection_post",
    "default_model",
    "get_parent_id",
    "postprocess",
    "process_record",
    "timestamp",
    "_bare",
    "_body_data",
    "_creatable",
    "_disclosed",
    "_may_read",
    "_new_record",
    "_raise_400_if_invalid_id",
    "_raise_412_if_modified",
    "_raise_conflict",
    "_schema",
)
# With these headers, the answer depends on what the requests before have changed.
_CONDITIONS = frozenset(("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"))
_CREATED, _OTHER = 201, 200
_MOST_AT_ONCE = 25
# What the text of an answer has besides the attributes: id, timestamp, the permission of the user.
_MOST_ADDED = 1000


class Told(NamedTuple):
    """An answer that went a short way.

    Attributes
    ----------
    described : it in the form of the batch.
    text : its body.
    path : path of the request, for the log.
    event : tells of a response with the same status.
    """

    described: dict[str, Any]
    text: bytes
    path: str
    event: NewResponse


class Run:
    """A creation that was answered, for the next ones that differ in their bodies alone.

    Parameters
    ----------
    item : the item of the batch.
    answer : its answer.
    described : its answer in the form of the batch.
    value : what the view has returned.
    repeat : how the endpoint answers once more.

    Attributes
    ----------
    request : the request that is answered once more.
    log_context : the log context at the end of its processing.
    """

    def __init__(
        self,
        item: Mapping[str, Any],
        answer: http.Answer,
        described: Mapping[str, Any],
        value: Any,
        repeat: endpoints.Repeat,
    ) -> None:
        self.request = answer.request
        self.log_context = logs.current()
        self._alike = {name: value for name, value in item.items() if name != "body"}
        # What the resource writes to it is all that differs in the headers.
        self._response = Response(headerlist=[], app_iter=())
        self._described = described
        self._path = urls.escaped_path(answer.request)
        self._repeat = repeat
        self._event = NewResponse(answer.request, answer.response)
        _, self._resource = answer.request.cornice_args
        self._has_unique_fields = bool(self._resource.mapping.get_option("unique_fields"))
        # The URL of a record ends with its id.
        record_id = value["data"][self._resource.model.id_field]
        self._base_url = described["headers"].get("Location", "").removesuffix(record_id)

    @classmethod
    def begun_by(
        cls,
        item: Mapping[str, Any],
        answer: http.Answer,
        described: Mapping[str, Any],
        value: Any,
    ) -> Run | None:
        """Return the run that an item begins; ``None`` if code of the application takes part.

        The log context must still be that of the item.
        """
        request, response = answer.request, answer.response
        repeat = endpoints.repeat_of(request)
        if (
            repeat is None
            or request.method != "POST"
            or response.status_code != _CREATED
            or not is_left_alone(request, response)
        ):
            return None
        _, resource = request.cornice_args
        is_known = _CREATES_ALIKE.is_open(resource) and resource._schema is resource.mapping
        return cls(item, answer, described, value, repeat) if is_known else None

    def goes_on_with(self, item: Mapping[str, Any]) -> bool:
        """Return whether an item differs from the first one in its body alone."""
        return (
            type(item.get("body")) is dict
            and len(item) == len(self._alike) + 1
            and self._alike.items() <= item.items()
        )

    def answered_at_once(self, items: Items, budget: Budget) -> Iterable[Told]:
        """Create the records of the next items together, as long as nothing can be wrong with them.

        Parameters
        ----------
        items : the remaining items, the next one at the end; those that are answered are removed.
        """
        records: list[Record] = []
        if self._has_unique_fields or not self._base_url:
            return []
        request = self.request
        with lent(request), RequestContext(request):
            request.validated = {}
            read = creating.reader_of_plain(self._resource)
            for item, refusal in reversed(items[-_MOST_AT_ONCE:]):
                if refusal is not None or not self.goes_on_with(item):
                    break
                # Code that validates may ask which request is served. It gets a copy, because
                # requests share their defaults.
                text = orjson.dumps(item["body"])
                give_own_body(request, text)
                record = read(orjson.loads(text))
                if record is None:
                    break
                records.append(record)
            while records and not budget.has_room_for(_most_bytes(records)):
                records.pop()
            made = creating.create_all(self._resource, records) if records else []
        del items[len(items) - len(made) :]
        told = [
            self._describe(body, {"Location": f"{self._base_url}{record_id}"})
            for record_id, body in made
        ]
        budget.spend_text(b"".join([one.text for one in told]))
        return told

    def _describe(self, body: Any, headers: dict[str, str]) -> Told:
        text = rendering.text_of(self.request, body)
        described = {
            **self._described,
            "headers": {
                **self._described["headers"],
                **headers,
                "Content-Length": str(len(text)),
            },
            "body": orjson.Fragment(text),
        }
        return Told(described, text, self._path, self._event)

    def answered(self, item: Mapping[str, Any]) -> Told | None:
        """Create the record of an item.

        Returns
        -------
        The answer; ``None`` if nothing was created, so that its changes must be undone, and an
        ordinary sub-request must tell why.
        """
        request, response = self.request, self._response
        response.status_code = _OTHER
        response.headerlist.clear()
        with lent(request), RequestContext(request):
            text = orjson.dumps(item["body"])
            give_own_body(request, text)
            give_body(request, orjson.loads(text))
            request.validated = {}
            request.response = response
            try:
                value = self._repeat(request)
            except HTTPException:
                value = None
        if value is None or response.status_code != _CREATED:
            return None
        return self._describe(value, dict(response.headerlist))


def _most_bytes(records: Sequence[Record]) -> int:
    """Return the size of the answers with new records, or more."""
    return len(jsonio.dumps(records)) + _MOST_ADDED * len(records)


def is_left_alone(request: Request, response: Response) -> bool:
    """Return whether only the library takes part in a request, and it has no conditions."""
    registry = request.registry
    if endpoints.repeat_of(request) is None or response.__class__ not in PLAIN_CLASSES:
        return False
    _, resource = request.cornice_args
    return (
        isinstance(resource, UserResource)
        and _has_known_context(resource, registry)
        and _judges_alike(registry.queryUtility(ISecurityPolicy))
        and registrations.of(registry).tells_once
        and rendering.is_plain(registry)
        and _CONDITIONS.isdisjoint(request.environ)
    )


def _has_known_context(resource: UserResource, registry: Any) -> bool:
    if resource.context is None:
        # It belongs to the request alone.
        return registry.queryUtility(IRootFactory) in (None, DefaultRootFactory, RouteFactory)
    return type(resource.context) is RouteFactory


def _judges_alike(policy: Any) -> bool:
    return type(policy) is SecurityPolicy and policy.has_built_in_permissions
