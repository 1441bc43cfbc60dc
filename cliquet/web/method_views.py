"""Chooses the view of a service by the method of the request.

Pyramid tries the views of one URL in turn, and makes an error page for each that has another
method. It fills this collection of views instead of its own, because it finds it at the URL.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

from pyramid.config import Configurator
from pyramid.config.views import MultiView, attr_wrapped_view, predicated_view
from pyramid.interfaces import IMultiView, IRouteRequest, IViewClassifier
from pyramid.predicates import RequestMethodPredicate
from pyramid.request import Request
from zope.interface import Interface

from cliquet.web import registrations

__all__ = ["MethodViews", "add"]

# Pyramid makes the interface of a route at -10, and adds views at 0.
_AFTER_ROUTES = -5


class MethodViews(MultiView):  # type: ignore[misc]  # Pyramid has no types
    """The views of one URL, of which only those for the method of a request are tried.

    Their order, their other predicates, and views that the application adds, work as in Pyramid.

    Parameters
    ----------
    registry : registry of the application.

    Attributes
    ----------
    direct : the views that are the first to try for a method, and that ask for nothing else, so
        that nothing is left to choose.
    """

    def __init__(self, name: str, registry: Any) -> None:
        super().__init__(name)
        self._registry = registry

    def add(self, *args: Any, **kwargs: Any) -> None:
        """Add a view, as Pyramid does."""
        super().add(*args, **kwargs)
        # They are found anew when a request asks: a service adds its views one after the other.
        for name in ("_views_of", "direct"):
            self.__dict__.pop(name, None)

    @functools.cached_property
    def _views_of(self) -> dict[str, list[tuple[Any, ...]]]:
        # Methods that clients invent are not kept, because there is no limit of them.
        views = [(entry, _tested(entry[1])) for entry in self.views]
        methods = {method for _, admitted in views for tested in admitted for method in tested}
        return {
            method: [
                entry for entry, admitted in views if all(method in tested for tested in admitted)
            ]
            for method in methods
        }

    @functools.cached_property
    def direct(self) -> dict[str, Callable[..., Any]]:
        if self.accepts or not registrations.are_endpoints_compiled(self._registry):
            return {}
        found = {method: _without_choice(views[0][1]) for method, views in self._views_of.items()}
        return {method: view for method, view in found.items() if view is not None}

    def __call__(self, context: Any, request: Request) -> Any:
        """Answer a request."""
        view = self.direct.get(request.method)
        return super().__call__(context, request) if view is None else view(context, request)

    def get_views(self, request: Request) -> list[tuple[Any, ...]]:
        """Return the views to try for a request; Pyramid then asks all their predicates."""
        views = None if self.accepts else self._views_of.get(request.method)
        return super().get_views(request) if views is None else views


def _tested(view: Any) -> list[tuple[str, ...]]:
    """Return the methods that each predicate of a view on the method admits."""
    return [
        predicate.val
        for predicate in getattr(view, "__predicates__", ())
        if isinstance(predicate, RequestMethodPredicate)
    ]


def _without_choice(view: Any) -> Callable[..., Any] | None:
    """Return the part of a view that Pyramid calls when its method fits, if nothing else must."""
    if not all(isinstance(p, RequestMethodPredicate) for p in getattr(view, "__predicates__", ())):
        return None
    for layer in (attr_wrapped_view, predicated_view):
        # A tool that observes views has put a function of its own around it.
        if type(view) is not FunctionType or view.__code__ not in layer.__code__.co_consts:
            return None
        view = view.__wraps__  # type: ignore[attr-defined]  # Pyramid sets it
    return view  # type: ignore[no-any-return]  # as above


def add(config: Configurator, route_name: str) -> None:
    """Let the views of a route be chosen by the method of the request."""
    registry = config.registry

    def register() -> None:
        request_iface = registry.getUtility(IRouteRequest, name=route_name)
        place = (IViewClassifier, request_iface, Interface)
        if registry.adapters.registered(place, IMultiView) is None:
            registry.registerAdapter(MethodViews("", registry), place, IMultiView)

    config.action(None, register, order=_AFTER_ROUTES)
