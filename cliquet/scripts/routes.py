"""``cliquet routes``: list the URLs of a service, with the code and the permission of each."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from pyramid.interfaces import IRoutesMapper
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet.core.mistakes import place_of
from cliquet.scripts.command import Command, application, require_file
from cliquet.security.authorization import DYNAMIC, RouteFactory

__all__ = ["COMMAND", "Line", "lines_of"]

_PUBLIC: Final = "-"
# Pyramid and Cornice answer these themselves.
_OF_FRAMEWORKS: Final = ("pyramid.", "cornice.")


class Line(NamedTuple):
    """One method of one URL.

    Attributes
    ----------
    method : HTTP method; ``*`` for all.
    path : pattern of the route.
    code : name of the resource class, or of the view.
    permission : what the user needs; ``-`` if it is nothing.
    place : file and line of the code.
    """

    method: str
    path: str
    code: str
    permission: str
    place: str


_TITLES: Final = Line("METHOD", "PATH", "CODE", "PERMISSION", "PLACE")


def lines_of(registry: Any) -> Iterator[Line]:
    """Yield the methods of all URLs, in the order in which Pyramid tries them."""
    mapper = registry.queryUtility(IRoutesMapper)
    services = {
        service.pyramid_route or service.name: service
        for service in getattr(registry, "cornice_services", {}).values()
    }
    for route in () if mapper is None else mapper.get_routes():
        service = services.get(route.name)
        path = "/" + route.pattern.lstrip("/")
        if service is None:
            yield from _of_views(registry, route.name, path)
        else:
            yield from _of_service(service, path)


def _of_service(service: Any, path: str) -> Iterator[Line]:
    for method, view, arguments in service.definitions:
        if method == "OPTIONS" and arguments.get("permission") == NO_PERMISSION_REQUIRED:
            # Every service answers preflights of CORS.
            continue
        if method == "HEAD" and "GET" in service.defined_methods:
            # Cornice defines it with each GET.
            continue
        owner = arguments.get("klass")
        code = owner or view
        permission = _permission(service, method, arguments.get("permission"))
        yield Line(method, path, _name(code), permission, place_of(code))


def _permission(service: Any, method: str, permission: Any) -> str:
    if permission == DYNAMIC:
        if method == "PUT":
            return "create or write"
        return RouteFactory.method_permissions.get(method.lower(), DYNAMIC)
    return _shown(permission)


def _shown(permission: Any) -> str:
    return _PUBLIC if permission in (None, NO_PERMISSION_REQUIRED) else str(permission)


def _of_views(registry: Any, route_name: str, path: str) -> Iterator[Line]:
    """Yield the views of a route that is no service, as Pyramid has them in its introspection."""
    for found in registry.introspector.get_category("views", ()):
        view = found["introspectable"]
        if view["route_name"] != route_name or view["callable"] is None:
            continue
        code = view["callable"]
        if str(getattr(code, "__module__", "")).startswith(_OF_FRAMEWORKS):
            # The place of an object in the framework, such as the view of static files, says
            # nothing; the name of its class does.
            code = type(code) if not callable(getattr(code, "__name__", None)) else code
        permissions = [
            related["value"]
            for related in found["related"]
            if related.category_name == "permissions"
        ]
        methods: Iterable[str] = view["request_methods"] or ("*",)
        if isinstance(methods, str):
            methods = (methods,)
        for method in methods:
            yield Line(
                method, path, _name(code), _shown(next(iter(permissions), None)), place_of(code)
            )


def _name(code: Any) -> str:
    return getattr(code, "__qualname__", None) or type(code).__qualname__


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", metavar="TEXT", help="only URLs with this text")


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    with application(require_file(arguments, parser)) as registry:
        lines = [line for line in lines_of(registry) if (arguments.path or "") in line.path]
    table = [_TITLES, *lines]
    widths = [max(len(line[column]) for line in table) for column in range(len(_TITLES) - 1)]
    for line in table:
        cells = [f"{cell:<{width}}" for cell, width in zip(line, widths, strict=False)]
        print("  ".join([*cells, line.place]))


COMMAND = Command("routes", "list the URLs, with their code and permissions", _add_arguments, _run)
