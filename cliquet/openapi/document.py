"""The whole document, of all that a running application serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pyramid.request import Request

from cliquet import settings
from cliquet.openapi import parameters, services, utilities
from cliquet.openapi.components import Components, Described
from cliquet.openapi.resources import Resource
from cliquet.openapi.security import Schemes

__all__ = ["VERSIONS", "as_document"]

_METHODS: Final = ("GET", "PUT", "POST", "DELETE", "PATCH")

_DESCRIPTION: Final = """\
An HTTP API of records that synchronise.

Each GET has a HEAD, which gives its headers alone, and each address answers OPTIONS. Timestamps are
milliseconds; `ETag` has that of a record or list, and `If-Match` and `If-None-Match` accept it.
"""


VERSIONS: Final = {"3.1": "3.1.1", "3.2": "3.2.0"}
"""The versions of OpenAPI that a client may ask for."""


def as_document(request: Request, version: str = "3.1") -> Described:
    """Return the description of the application that serves a request.

    The addresses are relative to that of the document, so that it is the same behind any proxy.

    Parameters
    ----------
    version : one of :data:`VERSIONS`.
    """
    registry = request.registry
    configured = registry.settings
    components = Components()
    schemes = Schemes(request)
    paths: dict[str, Described] = {}
    for service in _services(registry):
        path, variables = parameters.of_path(service.path, registry.id_generator)
        methods = [method for method in _METHODS if method in service.defined_methods]
        operations = {
            method.lower(): _operation(components, schemes, service, method, registry, version)
            for method in methods
        }
        if operations:
            known = paths.setdefault(path, {"parameters": variables} if variables else {})
            known.update(operations)
    if schemes.described:
        components.described["securitySchemes"] = dict(schemes.described)
    docs = settings.read(configured, "project_docs")
    return {
        "openapi": VERSIONS[version],
        "info": {
            "title": settings.read(configured, "project_name") or "Service",
            "version": str(settings.read(configured, "project_version") or "0"),
            "description": _DESCRIPTION,
        },
        **({"externalDocs": {"url": docs}} if docs else {}),
        "servers": [{"url": f"../{registry.route_prefix}"}],
        "paths": dict(sorted(paths.items())),
        "components": components.described,
    }


def _services(registry: Any) -> Iterator[Any]:
    """Give the services of the application, each once, but for those outside of its prefix."""
    seen = set()
    for path, service in getattr(registry, "cornice_services", {}).items():
        if id(service) not in seen and path.startswith(registry.route_prefix):
            seen.add(id(service))
            yield service


def _operation(
    components: Components,
    schemes: Schemes,
    service: Any,
    method: str,
    registry: Any,
    version: str,
) -> Described:
    if hasattr(service, "viewset") and hasattr(service, "resource"):
        described = Resource(components, schemes, service, registry, version).operation(method)
        if described is not None:
            return described
    own = utilities.operation(components, schemes, service, method, registry.settings)
    return own or services.operation(components, schemes, service, method)
