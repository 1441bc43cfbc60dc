"""Finds the route of a request, without trying those that begin otherwise.

Pyramid tries the regular expressions of all routes in turn. Here only those are tried, in the same
order, that have the first two segments of the path, or that have variables there.
"""

from __future__ import annotations

import re
from typing import Any

from pyramid import view as pyramid_view
from pyramid.interfaces import IRequest, IRouteRequest, ITraverser
from pyramid.request import Request
from pyramid.router import Router
from pyramid.urldispatch import RoutesMapper

from cliquet.web.method_views import MethodViews

__all__ = ["KnownRoute", "Routes"]

# A pattern up to its first variable. With other characters, Pyramid compares something else than
# the text that is written in the pattern.
_LITERAL = re.compile(r"/[A-Za-z0-9_./-]*")


class KnownRoute:
    """A route, with what Pyramid looks up for it in each request.

    Parameters
    ----------
    route : the route of Pyramid; ``None`` stands for URLs without one.

    Attributes
    ----------
    request_iface : the interface that requests have by their route, which views are found by.
    root_factory : makes the context, or the root from which it is found.
    """

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
            start: [one for one, other in zip(known, starts, strict=True) if other in (None, start)]
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
            match = route.match(path)
            if match is None:
                continue
            if route.predicates:
                info = {"match": match, "route": route}
                if not all(predicate(info, request) for predicate in route.predicates):
                    continue
            return known, match
        return self._nowhere, None

    def _ask_mapper(self, request: Request) -> tuple[KnownRoute, dict[str, Any] | None]:
        if self._mapper is None:
            return self._nowhere, None
        found = self._mapper(request)
        if found["route"] is None:
            return self._nowhere, None
        route = found["route"]
        known = self._known.get(id(route)) or KnownRoute(self._router, self._registry, route)
        return known, found["match"]


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
