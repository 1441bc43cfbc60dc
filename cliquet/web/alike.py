"""Requests within another one that are like one that was answered.

Requests of one sender with one method to one route, such as many updates in a batch, differ in the
id in their path and in their body. What follows from their headers is the same: who the user is,
whether the service has what they accept, most headers of the answer. The first of them goes the way
of all requests. For the others, only what follows from their paths and their bodies is done, if
nobody but the library listens to the events on that way.

The module does not know what the views do: they get a request of their own each, as always.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import orjson
from pyramid.events import NewResponse
from pyramid.interfaces import ISecurityPolicy
from pyramid.request import Request
from pyramid.response import Response
from pyramid.threadlocal import manager

from cliquet.monitoring import logs
from cliquet.security.authentication import SecurityPolicy
from cliquet.web import answering, dispatch, inherited, registrations, urls
from cliquet.web.bodies import give_body
from cliquet.web.plain_responses import PLAIN_CLASSES

__all__ = ["Likeness", "Likenesses", "Place"]

# A path in which nothing is escaped, and that has none of the segments `.` and `..`.
_PLAIN_PATH: Final = re.compile(r"/[A-Za-z0-9/_-]*")

# What the library puts into a request before its view, and what depends on sender and route alone.
_OF_ROUTE: Final = (
    "registry",
    "parent",
    "invoke_subrequest",
    "request_iface",
    "matched_route",
    "view_name",
    "subpath",
    "traversed",
    "virtual_root_path",
)
_OF_USER: Final = ("authn_type", "selected_userid", "_multiauth_identity")
# What policies keep of the headers, with the text from which it follows.
_READ_BY_POLICIES: Final = ("_cliquet_basicauth",)


class Likeness:
    """A request that was answered with success, for others that are like it.

    Parameters
    ----------
    way : how it has found its view.
    registered : what the application has registered.
    """

    def __init__(
        self, way: dispatch.Way, request: Request, registered: registrations.Registrations
    ) -> None:
        self._way = way
        self._registered = registered
        attributes = request.__dict__
        self._attributes = {name: attributes[name] for name in _OF_ROUTE if name in attributes}
        self._of_log: dict[str, Any] = {}
        if "authn_type" in attributes and _recognises_by_headers(request.registry):
            names = (*_OF_USER, *_READ_BY_POLICIES)
            self._attributes |= {name: attributes[name] for name in names if name in attributes}
            self._of_log = {"uid": request.selected_userid, "authn_type": request.authn_type}
        # What was added to the headers of a response, by its status and the names of its headers.
        self._added: dict[Any, list[tuple[str, str]]] = {}

    def prepare(self, request: Request, match: dict[str, Any]) -> None:
        """Give a new request what it would get on its way to the view.

        Parameters
        ----------
        match : the variables of its URL.
        """
        attributes = request.__dict__
        attributes.update(self._attributes)
        attributes["matchdict"] = match
        answering.give_attributes(request)

    def answer(self, request: Request) -> Response:
        """Answer such a request, as ``request.invoke_subrequest`` would.

        Raises
        ------
        Exception : what the view raises.
        """
        attributes, way = request.__dict__, self._way
        manager.push({"registry": request.registry, "request": request})
        try:
            if self._of_log:
                logs.bind(**self._of_log)
            root = way.route.root_factory(request)
            attributes["root"] = attributes["context"] = attributes["virtual_root"] = root
            response: Response = way.view(root, request)
            self._complete(request, response)
        finally:
            way.dispatcher.finish(request)
            manager.pop()
        return response

    def _complete(self, request: Request, response: Response) -> None:
        """Tell those who want to know of the response, and add the headers that all have."""
        registered = self._registered
        registered.bring_up_to_date()
        event = NewResponse(request, response)
        headers = response.headerlist
        kind = (response.status, *[name for name, _ in headers])
        is_usual = registered.tells_once and not answering.has_callbacks(request)
        added = self._added.get(kind) if is_usual else None
        if added is not None:
            headers += added
            for subscriber in registered.told_again:
                subscriber(event)
            return
        before = list(headers)
        answering.call_back(request, response)
        for subscriber in registered.on_new_response:
            subscriber(event)
        headers = response.headerlist
        # Another value of these headers may make another one necessary.
        if is_usual and headers[: len(before)] == before and "Vary" not in kind:
            self._added[kind] = headers[len(before) :]


class Likenesses:
    """The requests within one that were answered, to make others like them.

    Parameters
    ----------
    parent : the request in which all of them are.
    """

    def __init__(self, parent: Request) -> None:
        self._parent = parent
        registry = parent.registry
        self._registered: registrations.Registrations | None = getattr(
            registry, "registrations", None
        )
        self._prefix = f"/{registry.route_prefix}"
        self._is_mounted = bool(parent.environ.get("SCRIPT_NAME"))
        self._known: dict[Any, _Kind] = {}

    def learn(self, item: Mapping[str, Any], request: Request, response: Response) -> None:
        """Remember a request that was answered with success.

        Parameters
        ----------
        item : what the request was made of (``web.requests.build_request``).
        """
        way, kind, registered = dispatch.way_of(request), _kind(item), self._registered
        if (
            way is None
            or kind is None
            or registered is None
            or not registered.tells_once
            or response.__class__ not in PLAIN_CLASSES
            or way.route.route.predicates
            or self._is_mounted
        ):
            return
        known = self._known.get(kind)
        if known is None:
            environ = self._environ(item, request)
            probe = Request(dict(environ))
            known = self._known[kind] = _Kind(environ, request.__class__, way.dispatcher, {}, probe)
        if way.route not in known.likenesses:
            known.likenesses[way.route] = Likeness(way, request, registered)

    def made_of(self, item: Mapping[str, Any]) -> tuple[Request, Likeness] | None:
        """Return a request that is like one that was answered; ``None`` if there is none like it.

        The registrations of the application must be those of that time.
        """
        known = self._known.get(_kind(item)) if self._known else None
        if known is None:
            return None
        body, text = item.get("body"), b""
        if body is not None:
            try:
                text = orjson.dumps(body)
            except TypeError:
                # It has values that few can write, such as halves of characters.
                return None
        path: str = item["path"].partition("?")[0]
        environ = {
            **known.environ,
            "PATH_INFO": path if urls.is_at(self._prefix, path) else self._prefix + path,
            "CONTENT_LENGTH": str(len(text)),
            "wsgi.input": io.BytesIO(text),
        }
        request = known.request_class(environ)
        route, match = known.dispatcher.route_of(request)
        likeness = known.likenesses.get(route)
        if likeness is None or match is None:
            return None
        likeness.prepare(request, match)
        if body is not None:
            # It is a copy, because requests share their defaults.
            give_body(request, orjson.loads(text))
        return request, likeness

    def place_of(self, item: Mapping[str, Any]) -> Place | None:
        """Return to which record an item leads, if a request like it was answered."""
        kind = _kind(item) if self._known else None
        known = self._known.get(kind)
        if known is None:
            return None
        path: str = item["path"].partition("?")[0]
        path = path if urls.is_at(self._prefix, path) else self._prefix + path
        # Only the predicates of routes look at the request, and keep none.
        known.probe.environ["PATH_INFO"] = path
        route, match = known.dispatcher.route_of(known.probe)
        if route not in known.likenesses or match is None or "id" not in match:
            return None
        others = {name: value for name, value in match.items() if name != "id"}
        return Place(kind, route, others, match["id"], path)

    def beside(
        self, place: Place, items: Iterable[tuple[Mapping[str, Any], object]]
    ) -> list[tuple[Mapping[str, Any], Place]]:
        """Return the first items that lead to other records beside one, each to another record.

        Parameters
        ----------
        items : items with their refusals.
        """
        start = place.path.removesuffix(place.record_id)
        prefix = self._prefix
        # Paths that lead there without the version. If they look as if they had it, they are not
        # told apart.
        short = None if urls.is_at(prefix, start.removeprefix(prefix)) else prefix
        is_only = self._known[place.kind].dispatcher.is_only_route(place.route, start)
        alike = place[:3]
        found: dict[str, tuple[Mapping[str, Any], Place]] = {}
        for item, refusal in items:
            if refusal is not None:
                break
            path: str = item["path"].partition("?")[0]
            if short is not None and not path.startswith(start):
                path = short + path
            record_id = path[len(start) :]
            other: Place | None
            if is_only and record_id and "/" not in record_id and path.startswith(start):
                if _kind(item) != place.kind:
                    break
                other = Place(*alike, record_id, path)
            else:
                other = self.place_of(item)
                if other is None or not place.is_beside(other):
                    break
            if other.record_id in found:
                break
            found[other.record_id] = item, other
        return list(found.values())

    def _environ(self, item: Mapping[str, Any], request: Request) -> dict[str, Any]:
        """Return the environment that a request had before its view, for others like it."""
        made = inherited.environ(
            self._parent,
            method=request.method,
            path="/",
            query_string="",
            own_headers=item.get("headers") or {},
            body=b"",
            content_type=None,
        )
        # The values now have the form in which all read them. Other variables were added by those
        # who have read them.
        present = request.environ
        return {name: present[name] for name in (*made, "CONTENT_TYPE") if name in present}


class Place(NamedTuple):
    """Where an item of a batch leads.

    Attributes
    ----------
    kind : its method, headers, query string, and whether it has a body.
    variables : those of the URL but the id.
    path : path of the URL, in which nothing is escaped.
    """

    kind: Any
    route: dispatch.KnownRoute
    variables: dict[str, Any]
    record_id: str
    path: str

    def is_beside(self, other: Place | None) -> bool:
        """Return whether another item only differs in the record."""
        return other is not None and self[:3] == other[:3]


class _Kind(NamedTuple):
    """What is known of requests with the same method, headers and query string.

    Attributes
    ----------
    environ : environment of each of them, but for the path and the body.
    probe : a request whose path asks for a route.
    """

    environ: dict[str, Any]
    request_class: type[Request]
    dispatcher: dispatch.Dispatcher
    likenesses: dict[dispatch.KnownRoute, Likeness]
    probe: Request


def _kind(item: Mapping[str, Any]) -> Any:
    """Return what is equal for requests that are alike, ``None`` for one like which there is none.

    Lists and texts in place of bodies are formats of their own.
    """
    path, _, query = item["path"].partition("?")
    body, headers = item.get("body"), item.get("headers")
    if (body is not None and type(body) is not dict) or not _PLAIN_PATH.fullmatch(path):
        return None
    named = tuple(headers.items()) if headers else ()
    return item.get("method") or "GET", query, body is None, named


def _recognises_by_headers(registry: Any) -> bool:
    """Return whether the user follows from the headers, and not from the URL or the body."""
    policy = registry.queryUtility(ISecurityPolicy)
    return type(policy) is SecurityPolicy and policy.has_built_in_policies
