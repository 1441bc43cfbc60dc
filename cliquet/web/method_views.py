"""Chooses the view of a service by the method of the request.

Pyramid tries the views of one URL in turn, and makes an error page for each that has another
method. It fills this collection of views instead of its own, because it finds it at the URL.
"""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.config.views import MultiView
from pyramid.interfaces import IMultiView, IRouteRequest, IViewClassifier
from pyramid.predicates import RequestMethodPredicate
from pyramid.request import Request
from zope.interface import Interface

__all__ = ["add"]

# Pyramid makes the interface of a route at -10, and adds views at 0.
_AFTER_ROUTES = -5


class MethodViews(MultiView):  # type: ignore[misc]  # Pyramid has no types
    """The views of one URL, of which only those for the method of a request are tried.

    Their order, their other predicates, and views that the application adds, work as in Pyramid.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._views_of: dict[str, list[tuple[Any, ...]]] = {}

    def add(self, *args: Any, **kwargs: Any) -> None:
        """Add a view, as Pyramid does."""
        super().add(*args, **kwargs)
        # Methods that clients invent are not kept, because there is no limit of them.
        methods = {
            method for _, view, _ in self.views for tested in _tested(view) for method in tested
        }
        self._views_of = {
            method: [
                entry
                for entry in self.views
                if all(method in tested for tested in _tested(entry[1]))
            ]
            for method in methods
        }

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


def add(config: Configurator, route_name: str) -> None:
    """Let the views of a route be chosen by the method of the request."""
    registry = config.registry

    def register() -> None:
        request_iface = registry.getUtility(IRouteRequest, name=route_name)
        place = (IViewClassifier, request_iface, Interface)
        if registry.adapters.registered(place, IMultiView) is None:
            registry.registerAdapter(MethodViews(""), place, IMultiView)

    config.action(None, register, order=_AFTER_ROUTES)
