"""The way of a request below the tweens: from its path to its view.

It does what the router of Pyramid does, with the same events and attributes of the request. But
what the router asks the registry of the application for in each request is known here beforehand,
and so are the views of services. Everything else goes the way of Pyramid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid import router as pyramid_router
from pyramid import view as pyramid_view
from pyramid.config import Configurator
from pyramid.events import BeforeTraversal, ContextFound, NewRequest
from pyramid.httpexceptions import HTTPNotFound
from pyramid.interfaces import VH_ROOT_KEY, IRequest, ITraverser
from pyramid.request import Request
from pyramid.response import Response
from pyramid.router import Router
from pyramid.traversal import ResourceTreeTraverser
from pyramid.tweens import EXCVIEW, MAIN
from zope.interface import providedBy

from cliquet.web import registrations
from cliquet.web.routes import Routes

__all__ = ["Dispatcher", "dispatch_tween_factory", "includeme"]

Handler = Callable[[Request], Response]

# With these variables in the URL, the context is looked for below the root.
_TRAVERSING = frozenset(("traverse", "subpath"))


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
    return dispatcher


class Dispatcher:
    """Answers requests below the tweens.

    Parameters
    ----------
    router : the router of the application.
    registry : registry of the application.
    """

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
        if registered.generation != self._generation:
            self._routes = Routes(self._router, self._registry)
            self._generation = registered.generation
        attributes = request.__dict__
        attributes["request_iface"] = IRequest
        if registered.on_new_request:
            _tell(registered.on_new_request, NewRequest(request))

        route, match = self._routes.find(request)
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
        view = views.direct.get(request.method)
        if view is None or pyramid_router._call_view is not pyramid_view._call_view:
            # Sentry has put a function of its own there, which notes the name of the route.
            return self._call_view(request, root, "")
        return view(root, request)

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
