"""The checks of every request before anything reads it, also of those within a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from pyramid.config import Configurator
from pyramid.events import NewRequest
from pyramid.interfaces import IRoutesMapper
from pyramid.request import Request
from pyramid.response import Response

from cliquet import errors, settings
from cliquet.core import hosts
from cliquet.views import metrics
from cliquet.web import limits, urls, wire

__all__ = ["allowed_hosts_tween_factory", "setup_reception"]

_HOST_FORM = "should be a name or an address, with or without port"
_OTHER_HOST = "should be one by which the service is known (setting allowed_hosts)"
_IS_OTHER_HOST = "cliquet.host_is_not_allowed"

# One redirection adds the version, another one changes the slashes: the service has no longer
# chain.
_MAX_REDIRECTIONS = 3


def setup_reception(config: Configurator) -> None:
    """Refuse impossible URLs, and bring all others into one form.

    This is called before the initialization steps, so that their subscribers come later.
    """
    config.add_subscriber(_receive, NewRequest)
    if settings.read(config.get_settings(), "allowed_hosts"):
        # It is a tween, because an application may send requests to itself, with any host, and
        # tweens do not see these.
        config.add_tween("cliquet.initialization.receiving.allowed_hosts_tween_factory")


def allowed_hosts_tween_factory(
    handler: Callable[[Request], Response], registry: Any
) -> Callable[[Request], Response]:
    """Mark requests to a host that ``allowed_hosts`` does not have, so that they are refused later.

    Load balancers and collectors use the address of the server as the host. They may do so for
    endpoints without URLs in their answers.
    """
    allowed = hosts.allowed(settings.read(registry.settings, "allowed_hosts"))
    prefix = f"/{registry.route_prefix}"
    asked_by_address = {
        f"{prefix}/__heartbeat__",
        f"{prefix}/__lbheartbeat__",
        metrics.PATH,
    }

    def allowed_hosts_tween(request: Request) -> Response:
        environ = request.environ
        host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
        if (
            not allowed.fullmatch(hosts.comparable(host, environ["wsgi.url_scheme"]))
            and environ.get("PATH_INFO") not in asked_by_address
        ):
            environ[_IS_OTHER_HOST] = True
        return handler(request)

    return allowed_hosts_tween


def _receive(event: NewRequest) -> None:
    request = event.request
    environ = request.environ
    # This comes first, so that nothing is done for a request that is too large.
    limits.judge(request)
    if getattr(request, "parent", None) is not None:
        # This service or a plugin has made the request, and its headers may be anything.
        wire.decode_headers(environ)
    else:
        _check_host(request)
    path: str = environ.get("PATH_INFO", "")
    query_string: str = environ.get("QUERY_STRING", "")
    if not path.isascii() or "%" in query_string or not query_string.isascii():
        _check_encoding(request, path, query_string)
    if "/." in path:
        _check_segments(request, path)
    wire.normalize(environ)
    if environ.get("REQUEST_METHOD") == "OPTIONS":
        _address_preflight(request)


def _check_host(request: Request) -> None:
    """Refuse a host that no URL can have (RFC 9112 3.2), or that the service does not allow.

    Raises
    ------
    HTTPBadRequest : the header ``Host`` is missing, is not an authority, or is not allowed.
    """
    environ = request.environ
    host = environ.get("HTTP_HOST")
    # HTTP/1.0 does not have this header.
    is_valid = (
        environ.get("SERVER_PROTOCOL") != "HTTP/1.1" if host is None else hosts.is_authority(host)
    )
    if is_valid and _IS_OTHER_HOST not in environ:
        return
    description = _OTHER_HOST if is_valid else _HOST_FORM
    errors.raise_invalid(
        request, location="header", name="Host", description=f"Host header {description}"
    )


def _check_encoding(request: Request, path: str, query_string: str) -> None:
    """Refuse URLs whose bytes are not UTF-8 (D-14).

    Raises
    ------
    HTTPBadRequest : the path or the query string is not UTF-8.
    """
    # WSGI gives bytes as latin-1 text (PEP 3333).
    for location, value in (("path", path), ("querystring", query_string)):
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


def _check_segments(request: Request, path: str) -> None:
    """Refuse the segments ``.`` and ``..``, which clients normally resolve (RFC 3986 5.2.4).

    Only a client that does not resolve them can have sent them. Another client that followed a
    redirection to such a URL would get other records, or would leave the path where the service is
    mounted.

    Raises
    ------
    HTTPBadRequest : the path has such a segment, escaped or not.
    """
    if not {".", ".."}.isdisjoint(path.split("/")):
        description = "No segment of the URL may be '.' or '..'"
        errors.raise_invalid(request, location="path", description=description)


def _address_preflight(request: Request) -> None:
    """Answer a CORS preflight for the URL to which it would be redirected (X-32).

    Browsers follow the redirection of the request itself, but never that of its preflight (Fetch
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
