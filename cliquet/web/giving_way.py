"""Endpoints of the library that give way to those of an application with the same address."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.interfaces import IRoutesMapper
from pyramid.request import Request

__all__ = ["GivesWay", "includeme"]


class GivesWay:
    """The route predicate ``gives_way``: no other route of the application has this pattern.

    The library adds its routes first, and the first route that matches is taken. An application may
    have used an address before the library did.
    """

    def __init__(self, value: Any, config: Configurator) -> None:
        self._value = value

    def text(self) -> str:
        """Return what Pyramid shows of the predicate."""
        return f"gives_way = {self._value}"

    phash = text

    def __call__(self, info: Any, request: Request) -> bool:
        """Return whether the route may be taken."""
        own = info["route"]
        routes = request.registry.getUtility(IRoutesMapper).get_routes()
        return all(route is own or route.pattern != own.pattern for route in routes)


def includeme(config: Configurator) -> None:
    """Add the predicate, which a service has as an argument."""
    config.add_route_predicate("gives_way", GivesWay)
