"""What happens to every request before anything reads it, those within a batch included."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from pyramid.config import Configurator
from pyramid.events import NewRequest
from pyramid.interfaces import IRoutesMapper
from pyramid.request import Request

from cliquet import errors, urls, wire

__all__ = ["setup_reception"]

# To the version, to another number of slashes: no redirection of the service leads further.
_MAX_REDIRECTIONS = 3


def setup_reception(config: Configurator) -> None:
    """Refuse what no URL of the service can be, and read the rest in one form.

    Called before the initialization steps, whose subscribers come after.
    """
    config.add_subscriber(_receive, NewRequest)


def _receive(event: NewRequest) -> None:
    request = event.request
    if getattr(request, "parent", None) is not None:
        # Made by this service or its plug-ins: a header may be anything.
        wire.decode_headers(request.environ)
    _check_encoding(request)
    wire.normalize(request.environ)
    if request.method == "OPTIONS":
        _address_preflight(request)


def _check_encoding(request: Request) -> None:
    """Refuse URLs whose bytes are not UTF-8 (D-14, S-23.20).

    Raises
    ------
    HTTPBadRequest : the path or the query string is not UTF-8.
    """
    environ = request.environ
    path: str = environ.get("PATH_INFO", "")
    query_string: str = environ.get("QUERY_STRING", "")
    # WSGI hands over bytes as latin-1 text (PEP 3333).
    for location, value in (("path", path), ("querystring", query_string)):
        if value.isascii() and (location == "path" or "%" not in value):
            continue
        raw = value.encode("latin-1", "surrogateescape")
        try:
            (raw if location == "path" else unquote_to_bytes(raw)).decode()
        except UnicodeDecodeError:
            invalid = True
        else:
            invalid = False
        if invalid:
            errors.raise_invalid(
                request, location=location, description="The URL is not valid UTF-8"
            )


def _address_preflight(request: Request) -> None:
    """Let a CORS preflight be answered for the URL to which it would be redirected (X-32).

    Browsers follow the redirection of the request itself, and never that of its preflight (Fetch
    standard, 4.9 CORS-preflight fetch: the response needs a status of success).
    """
    headers = request.headers
    if not headers.get("Origin") or not headers.get("Access-Control-Request-Method"):
        return
    find_route = request.registry.getUtility(IRoutesMapper)
    for _ in range(_MAX_REDIRECTIONS):
        route = find_route(request)["route"]
        if route is None:
            path = urls.path_with_other_slashes(request)
        elif route.name == urls.REDIRECT_ROUTE:
            path = urls.path_with_version(request)
        else:
            path = None
        if path is None:
            return
        request.path_info = path
