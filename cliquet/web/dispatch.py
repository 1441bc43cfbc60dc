"""The way of a request below the tweens: from its path to its route and its view.

It does what the router of Pyramid does, with the same events and attributes of the request. But
what the router asks the registry of the application for in each request is known here beforehand,
and so are the views of services. Of the routes, only those are tried, in the order of Pyramid, that
have the first two segments of the path, or that have variables there. Everything else goes the way
of Pyramid.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from pyramid import router as pyramid_router
from pyramid import view as pyramid_view
from pyramid.config import Configurator
from pyramid.events import BeforeTraversal, ContextFound, NewRequest
from pyramid.httpexceptions import HTTPNotFound, HTTPNotModified
from pyramid.interfaces import VH_ROOT_KEY, IRequest, IRouteRequest, ITraverser
from pyramid.request import Request
from pyramid.response import Response
from pyramid.router import Router
from pyramid.traversal import ResourceTreeTraverser
from pyramid.tweens import EXCVIEW, MAIN
from pyramid.urldispatch import RoutesMapper
from zope.interface import providedBy

from cliquet.web import answering, given_back, only_routes, registrations, urls
from cliquet.web.method_views import MethodViews

__all__ = ["Dispatcher", "KnownRoute", "Way", "dispatch_tween_factory", "includeme", "way_of"]

Handler = Callable[[Request], Response]

# With these variables in the URL, the context is looked for below the root.
_TRAVERSING = frozenset(("traverse", "subpath"))
# A pattern up to its first variable. With other characters, Pyramid compares something else than
# the text that is written in the pattern.
_LITERAL = re.compile(r"/[A-Za-z0-9_./-]*")
_VERSION = re.compile(r"/v[0-9]+(?:/|\Z)")
_WAY = "_cliquet_way"


def includeme(config: Configurator) -> None:
    """Let requests find their views by this module."""
    config.add_tween("cliquet.web.dispatch.dispatch_tween_factory", under=EXCVIEW, over=MAIN)


def dispatch_tween_factory(handler: Handler, registry: Any) -> Handler:
    """Return what stands for the router, if it would come next; otherwise what comes next."""
    router: Any = getattr(handler, "__self__", None)
    if (
        # An application may have its own router, or a tween between this one and the router.
        type(router) is not Router
        or getattr(handler, "__func__", None) is not Router.handle_request
        # The router writes what it does into the log.
        or registry.settings.get("debug_routematch")
        or registry.settings.get("debug_notfound")
        or not registrations.are_endpoints_compiled(registry)
    ):
        return handler
    # Requests without tweens, such as those of a batch, come here too.
    router.orig_handle_request = dispatcher = Dispatcher(router, registry)
    router.invoke_request = answering.Answering(router, registry)
    return dispatcher


class Way(NamedTuple):
    """How a request has found its view, if nothing was left to choose.

    Attributes
    ----------
    view : is called with the context and the request.
    """

    dispatcher: Dispatcher
    route: KnownRoute
    view: Callable[[Any, Request], Any]


def way_of(request: Request) -> Way | None:
    """Return the way of a request that was answered, ``None`` if Pyramid has found the view."""
    found = request.__dict__.get(_WAY)
    return None if found is None else Way(*found)


class Dispatcher:
    """Answers requests below the tweens.

    Parameters
    ----------
    router : the router of the application.
    registry : registry of the application.

    Attributes
    ----------
    returns_raised : whether the tween for exceptions comes next, and that of the transaction after
        it, so that nobody sees what is raised before it is answered.
    """

    returns_raised = False

    def __init__(self, router: Router, registry: Any) -> None:
        self._router = router
        self._registry = registry
        self._registrations: registrations.Registrations = registry.registrations
        self._registrations.bring_up_to_date()
        self._generation = self._registrations.generation
        self._routes = Routes(router, registry)

    def __call__(self, request: Request) -> Response:
        """Return the response, or raise the error that exception views will answer."""
        registered = self._registrations
        registered.bring_up_to_date()
        # This is `_present_routes`.
        routes = (
            self._routes if registered.generation == self._generation else self._present_routes()
        )
        attributes = request.__dict__
        attributes["request_iface"] = IRequest
        if registered.on_new_request:
            event = NewRequest(request)
            for subscriber in registered.on_new_request:
                subscriber(event)

        route, match = routes.find(request)
        if route.route is not None:
            attributes["matchdict"] = match
            attributes["matched_route"] = route.route
            attributes["request_iface"] = route.request_iface
        if registered.on_traversal:
            _tell(registered.on_traversal, BeforeTraversal(request))
        attributes["root"] = root = route.root_factory(request)
        views = None
        if match is not None and _TRAVERSING.isdisjoint(match):
            views = route.views(providedBy(root))
        if views is None or VH_ROOT_KEY in request.environ:
            return self._traverse(request, root)
        # The root is the context, because no view is looked for below it.
        attributes["context"] = attributes["virtual_root"] = root
        attributes["view_name"] = ""
        attributes["subpath"] = attributes["traversed"] = attributes["virtual_root_path"] = ()
        if registered.on_context:
            _tell(registered.on_context, ContextFound(request))
        view = views.direct.get(request.environ.get("REQUEST_METHOD", "GET"))
        if view is None or pyramid_router._call_view is not pyramid_view._call_view:
            # Sentry has put a function of its own there, which notes the name of the route.
            return self._call_view(request, root, "")
        attributes[_WAY] = (self, route, view)
        try:
            return view(root, request)
        except HTTPNotModified as raised:
            if not self._is_given_back(request, route, raised):
                raise
            # The attribute `exc_info` would say that the transaction fails.
            attributes["exception"] = raised
            attributes[answering.GIVEN_BACK] = raised
            return raised

    def _is_given_back(self, request: Request, route: KnownRoute, raised: Response) -> bool:
        """Return whether the tween for exceptions would return what was raised."""
        return (
            self.returns_raised
            and request.__dict__.get(answering.HAS_TWEENS) is True
            and given_back.are_views_asked(request)
            and route.gives_back(providedBy(raised))
        )

    def _present_routes(self) -> Routes:
        registered = self._registrations
        registered.bring_up_to_date()
        if registered.generation != self._generation:
            self._routes = Routes(self._router, self._registry)
            self._generation = registered.generation
        return self._routes

    def route_of(self, request: Request) -> tuple[KnownRoute, dict[str, Any] | None]:
        """Return the present route of a request, and the variables of its URL."""
        return self._present_routes().find(request)

    def is_only_route(self, route: KnownRoute, start: str) -> bool:
        """Return whether each path that is a text and one more segment leads to a route."""
        before = self._present_routes().before(route, start)
        return before is not None and only_routes.is_only_route(route.route, before, start)

    def finish(self, request: Request) -> None:
        """Call what wants to know of the end of a request."""
        self._router.finish_request(request)

    def _traverse(self, request: Request, root: Any) -> Response:
        """Look for the context and its view from the root, as Pyramid does."""
        traverser = self._registry.adapters.queryAdapter(root, ITraverser)
        found = (ResourceTreeTraverser(root) if traverser is None else traverser)(request)
        request.__dict__.update(found)
        on_context = self._registrations.on_context
        if on_context:
            _tell(on_context, ContextFound(request))
        return self._call_view(request, found["context"], found["view_name"])

    def _call_view(self, request: Request, context: Any, view_name: str) -> Response:
        response: Response | None = pyramid_router._call_view(
            self._registry, request, context, providedBy(context), view_name
        )
        if response is None:
            raise HTTPNotFound(request.path_info)
        return response


def _tell(subscribers: registrations.Subscribers, event: Any) -> None:
    for subscriber in subscribers:
        subscriber(event)


class KnownRoute:
    """A route, with what Pyramid looks up for it in each request.

    Parameters
    ----------
    route : the route of Pyramid; ``None`` stands for URLs without one.

    Attributes
    ----------
    request_iface : the interface that requests have by their route, which views are found by.
    root_factory : makes the context, or the root from which it is found.
    only_path : path of a route without variables; ``None`` for others.
    """

    only_path: str | None = None

    def __init__(self, router: Router, registry: Any, route: Any = None) -> None:
        self._registry = registry
        self.route = route
        self.request_iface = IRequest
        self.root_factory = router.root_factory
        if route is not None:
            self.request_iface = registry.queryUtility(
                IRouteRequest, name=route.name, default=IRequest
            )
            self.root_factory = route.factory or self.root_factory
        self._views: dict[Any, MethodViews | None] = {}
        self._given_back: dict[Any, bool] = {}

    def gives_back(self, kind: Any) -> bool:
        """Return whether raised responses below 400 are answered with themselves.

        Parameters
        ----------
        kind : what a response provides (``zope.interface.providedBy``).
        """
        known = self._given_back.get(kind)
        if known is None:
            known = given_back.is_for(self._registry, self.request_iface, kind)
            self._given_back[kind] = known
        return known

    def views(self, kind: Any) -> MethodViews | None:
        """Return the views of a service, if a request can have no others.

        Parameters
        ----------
        kind : what the context provides (``zope.interface.providedBy``).
        """
        try:
            return self._views[kind]
        except KeyError:
            adapters = self._registry.adapters
            found = pyramid_view._find_views(self._registry, self.request_iface, kind, "")
            is_only = len(found) == 1 and type(found[0]) is MethodViews
            is_context = adapters.lookup1(kind, ITraverser) is None
            views = found[0] if is_only and is_context else None
            if found:
                self._views[kind] = views
            return views


class Routes:
    """The routes of an application at one moment.

    Parameters
    ----------
    router : the router of the application.
    registry : registry of the application.
    """

    def __init__(self, router: Router, registry: Any) -> None:
        self._router, self._registry = router, registry
        self._mapper = router.routes_mapper
        self._nowhere = KnownRoute(router, registry)
        routes = [] if self._mapper is None else self._mapper.get_routes()
        self._known = {id(route): KnownRoute(router, registry, route) for route in routes}
        known = list(self._known.values())
        starts = [_start(route.pattern) for route in routes]
        self._elsewhere = [one for one, start in zip(known, starts, strict=True) if start is None]
        self._by_start = {
            start: [
                one
                for one, other in zip(known, starts, strict=True)
                if other == start or (other is None and not _leads_away(one, start))
            ]
            for start in starts
            if start is not None
        }
        self._has_own_mapper = type(self._mapper) is not RoutesMapper
        self._by_path: dict[str, KnownRoute] = {}
        for known_route in () if self._has_own_mapper else known:
            self._add_fixed(known_route)

    def _add_fixed(self, known: KnownRoute) -> None:
        """Note the only path of a route without variables, if no route before it has this path."""
        route = known.route
        path = route.pattern if route.pattern.startswith("/") else f"/{route.pattern}"
        if not _LITERAL.fullmatch(path):
            return
        known.only_path = path
        for other in self._by_start[_first_segments(path)]:
            if other.route.match(path) is not None:
                if other is known and not route.predicates:
                    self._by_path[path] = known
                return

    def find(self, request: Request) -> tuple[KnownRoute, dict[str, Any] | None]:
        """Return the route of a request, and the variables of its URL; ``None`` without a route."""
        path = request.environ.get("PATH_INFO") or "/"
        fixed = self._by_path.get(path)
        if fixed is not None:
            return fixed, {}
        # Other characters are decoded first. The expressions of Pyramid ignore a line end at the
        # end.
        if self._has_own_mapper or not path.isascii() or not path.isprintable():
            return self._ask_mapper(request)
        for known in self._by_start.get(_first_segments(path), self._elsewhere):
            route = known.route
            match = route.match(path) if known.only_path in (None, path) else None
            if match is None:
                continue
            if route.predicates:
                info = {"match": match, "route": route}
                if not all(predicate(info, request) for predicate in route.predicates):
                    continue
            return known, match
        return self._nowhere, None

    def before(self, route: KnownRoute, start: str) -> list[Any] | None:
        """Return which routes are tried before one for paths that begin with a text.

        ``None`` stands for a mapper of the application, and for other routes.
        """
        beginning = _first_segments(start)
        tried = self._by_start.get(beginning, self._elsewhere)
        if self._has_own_mapper or beginning == start or route not in tried:
            # The paths may begin differently.
            return None
        return [one.route for one in tried[: tried.index(route)]]

    def _ask_mapper(self, request: Request) -> tuple[KnownRoute, dict[str, Any] | None]:
        if self._mapper is None:
            return self._nowhere, None
        found = self._mapper(request)
        if found["route"] is None:
            return self._nowhere, None
        route = found["route"]
        known = self._known.get(id(route)) or KnownRoute(self._router, self._registry, route)
        return known, found["match"]


def _leads_away(known: KnownRoute, start: str) -> bool:
    """Return whether a route is that from URLs without a version, for paths with one."""
    return known.route.name == urls.REDIRECT_ROUTE and _VERSION.match(start) is not None


def _first_segments(path: str) -> str:
    second = path.find("/", 1)
    third = path.find("/", second + 1)
    return path if second == -1 or third == -1 else path[:third]


def _start(pattern: str) -> str | None:
    """Return the first two segments of all paths that a route has; ``None`` if they differ."""
    pattern = pattern if pattern.startswith("/") else f"/{pattern}"
    literal = _LITERAL.match(pattern)
    if literal is None:
        return None
    text = literal.group()
    if text == pattern:
        return _first_segments(text)
    return _first_segments(text) if text.count("/") > 2 else None
