"""The header ``Location`` of a creation: the URL of the new record (E-17.1).

The URL is made of that of the request, because the route would take ten times as long.
"""

from __future__ import annotations

import re
from typing import Any, Final

from pyramid.request import Request
from webob.request import BaseRequest

from cliquet import utils
from cliquet.web import wire

__all__ = ["add_created", "add_put", "describe"]

# Without other characters, a path is the same with and without escapes.
_PLAIN: Final = re.compile(rf"[A-Za-z0-9_.{re.escape(wire.PATH_SAFE)}-]*")
_PORTS: Final = {"http": ":80", "https": ":443"}


def describe(collection: Any, record: Any) -> None:
    """Let the service of a collection know where its records are.

    Parameters
    ----------
    collection, record : the services of one resource.
    """
    # Without a method for records, their URL would lead nowhere.
    name = getattr(record, "pyramid_route", None) or record.name
    collection.record_route = name if record.defined_methods else None
    collection.has_records_below = record.path == f"{collection.path}/{{id}}"


def add_created(request: Request, record_id: str) -> None:
    """Add the URL of a record that a POST on its collection has created."""
    service = utils.current_service(request)
    route = getattr(service, "record_route", None)
    if route is None or not isinstance(request, BaseRequest):
        # The request or the service is a mock of a test of the application (P-31.1).
        return
    if service.has_records_below:
        _add(request, _url(request, record_id))
    else:
        _add(request, request.route_url(route, **{**request.matchdict, "id": record_id}))


def add_put(request: Request) -> None:
    """Add the URL of a record that a PUT has created, which is its own."""
    if isinstance(request, BaseRequest):
        _add(request, _url(request))


def _add(request: Request, url: str) -> None:
    headers: list[tuple[str, str]] = request.response.headerlist
    for name, _ in headers:
        if name.lower() == "location":
            # A hook of the application has written another one.
            return
    headers.append(("Location", url))


def _url(request: Request, record_id: str | None = None) -> str:
    """Return the URL of a request without its query string, like ``request.path_url``.

    Parameters
    ----------
    record_id : becomes one more segment of the path.
    """
    environ = request.environ
    scheme, host = environ["wsgi.url_scheme"], environ.get("HTTP_HOST")
    if host is None:
        site = request.host_url
    else:
        # The port of the scheme is left out, and so is an empty one.
        site = f"{scheme}://{host.removesuffix(_PORTS.get(scheme, '')).removesuffix(':')}"
    path = environ["PATH_INFO"]
    if mount := environ.get("SCRIPT_NAME"):
        path = f"{mount}{path}"
    if record_id is None:
        return f"{site}{_escaped(path)}"
    whole = f"{path}/{record_id}"
    if "/" not in record_id and _PLAIN.fullmatch(whole):
        return f"{site}{whole}"
    return f"{site}{_escaped(path)}/{wire.escaped(record_id).replace('/', '%2F')}"


def _escaped(path: str) -> str:
    # WSGI gives bytes as latin-1 text (PEP 3333).
    return path if _PLAIN.fullmatch(path) else wire.escaped(path.encode("latin-1"))
