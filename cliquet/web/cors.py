"""CORS, with the settings of the application that serves the request.

The support for CORS in Cornice is not used. It keeps origins on the service, so that the
applications of a process would share them (D-47), and it does nothing for URLs that match no
service (D-42).
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Protocol

from pyramid.request import Request
from pyramid.response import Response
from webob.headers import ResponseHeaders

from cliquet import settings, utils
from cliquet.web import response_headers
from cliquet.web.response_headers import NewHeaders

__all__ = [
    "DEFAULT_EXPOSED_HEADERS",
    "CrossOriginService",
    "accept_patch",
    "add_headers",
    "allows_any",
    "check_origin",
    "complete",
    "expose_applied_preference",
    "exposed_text",
    "preflight",
]

DEFAULT_EXPOSED_HEADERS = ("Backoff", "Retry-After", "Alert", "Content-Length", "Vary")
"""Headers that scripts of other origins may read in any response (H-29.6)."""

# Only lists of changes have these: those of collections that have forgotten deletions, and those of
# clients that synchronise with tokens.
_OF_SYNCHRONISING = (
    ("sync-horizon", "Sync-Horizon, Preference-Applied, Link"),
    ("sync-token", "Sync-Token"),
    ("sync-bookmark", "Sync-Bookmark"),
)
# What scripts may read besides: in responses with `Preference-Applied`, and in those of a creation.
_FURTHER = {
    (False, False): "X-Request-Id",
    (True, False): "X-Request-Id, Preference-Applied",
    (False, True): "X-Request-Id, Location",
    (True, True): "X-Request-Id, Preference-Applied, Location",
}

# Responses with these statuses expose no headers, because there is no endpoint behind them.
_NOT_EXPOSED_STATUSES = ("405",)


class CrossOriginService(Protocol):
    """The properties of a service that matter for CORS.

    Attributes
    ----------
    cors_served : whether it answers requests of other origins at all.
    defined_methods : its HTTP methods.
    patch_content_types : media types of bodies of PATCH, besides ``application/json``.
    """

    cors_served: bool
    defined_methods: Any
    patch_content_types: tuple[str, ...]

    def own_origins(self, method: str) -> tuple[str, ...]:
        """Return the origins that the author of the service gave for a method, if any."""

    def own_max_age(self, method: str) -> int | None:
        """Return the lifetime of preflights, in seconds, that the author gave, if any."""

    def exposed_headers(self, method: str) -> tuple[str, ...]:
        """Return the headers that scripts may read in the responses to a method."""

    def exposed_text(self, method: str, *, has_tag: bool) -> str:
        """Return them as the value of a header, for a response with or without ``ETag``."""


def _requested_method(request: Request) -> str:
    environ = request.environ
    method: str = environ.get("REQUEST_METHOD", "GET")
    if method == "OPTIONS":
        method = environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD", method)
    return method


def _origins(request: Request, service: CrossOriginService | None) -> tuple[str, ...]:
    if service is not None:
        own = service.own_origins(_requested_method(request))
        if own:
            return own
    origins: tuple[str, ...] = settings.read(request.registry.settings, "cors_origins")
    return origins


def _is_allowed(origin: str, origins: tuple[str, ...]) -> bool:
    # The literal text counts too, because the brackets of an IPv6 address are not a pattern.
    return any(origin == pattern or fnmatchcase(origin, pattern) for pattern in origins)


def allows_any(configured: Mapping[str, Any]) -> bool:
    """Return whether the setting ``cors_origins`` allows pages of any site, even by a pattern."""
    origins = settings.read(configured, "cors_origins")
    # Nobody can have this name (RFC 6761 6.4).
    return any(_is_allowed(f"{scheme}://any.invalid", origins) for scheme in ("http", "https"))


def check_origin(request: Request, **kwargs: Any) -> None:
    """Refuse a request whose ``Origin`` is not allowed (H-29.4); this is a service validator."""
    origin = request.environ.get("HTTP_ORIGIN")
    if not origin:
        return
    service = utils.current_service(request)
    if service is not None and not service.cors_served:
        return
    if not _is_allowed(origin, _origins(request, service)):
        request.errors.add("header", "Origin", f"{origin} not allowed")


def add_headers(request: Request, response: Response) -> Response:
    """Add the CORS headers for its URL and its request to a response (H-29).

    It may be called several times for one response.
    """
    response_headers.write(request, response, (complete,))
    return response


def complete(request: Request, response: Response, new: NewHeaders) -> None:
    """Add the CORS headers; this is a part of the headers of all responses (H-29)."""
    service = utils.current_service(request)
    if service is not None and not getattr(service, "cors_served", False):
        return
    origins = _origins(request, service)
    # For URLs that match no service, the header repeats the origin, and is never `*` (H-29.9).
    echoes = service is None or "*" not in origins
    if echoes:
        # The response depends on the origin, even if the request has none: caches need `Vary`
        # always.
        vary = _names(new["Vary"]) if "Vary" in new else response.vary or ()
        if "Origin" not in vary and "*" not in vary:
            new["Vary"] = ", ".join((*vary, "Origin"))

    environ = request.environ
    origin = environ.get("HTTP_ORIGIN")
    if origin and _is_allowed(origin, origins):
        new["Access-Control-Allow-Origin"] = origin if echoes else "*"

    method = environ.get("REQUEST_METHOD", "GET")
    status = response.status[:3]
    if method != "OPTIONS" and status not in _NOT_EXPOSED_STATUSES:
        has_tag = "etag" in new.present
        exposed = (
            exposed_text(DEFAULT_EXPOSED_HEADERS, has_tag=has_tag)
            if service is None
            else service.exposed_text(method, has_tag=has_tag)
        )
        for name, more in _OF_SYNCHRONISING:
            if name in new.present:
                exposed = f"{exposed}, {more}"
        if status == "410" and "link" in new.present and "Link" not in exposed:
            # It leads a client that must start again to the beginning.
            exposed = f"{exposed}, Link"
        new["Access-Control-Expose-Headers"] = exposed
        # It is a line of its own: clients of the published protocol compare the other one as it is,
        # and browsers join both (E-17.2). The names are known, so that no text is made.
        key = ("preference-applied" in new.present, status == "201")
        new.before.append(("Access-Control-Expose-Headers", _FURTHER[key]))


def _names(header: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in header.split(",") if name.strip())


def exposed_text(exposed: tuple[str, ...], *, has_tag: bool) -> str:
    """Return the value of the header that names the headers that scripts may read."""
    # Conditional writes need the tag of the record that they wrote, or of the one that stopped
    # them.
    if has_tag and "ETag" not in exposed:
        exposed = (*exposed, "ETag", "Last-Modified")
    return ", ".join(exposed)


def expose_applied_preference(headers: ResponseHeaders) -> None:
    """Let scripts read ``Preference-Applied`` in a response that was complete before it got it."""
    lines = headers.getall("Access-Control-Expose-Headers")
    headers.pop("Access-Control-Expose-Headers", None)
    for line in lines:
        is_further = line == _FURTHER[False, False]
        headers.add("Access-Control-Expose-Headers", _FURTHER[True, False] if is_further else line)


def accept_patch(service: CrossOriginService) -> str | None:
    """Return the media types of bodies of PATCH (RFC 5789 3.1); ``None`` without PATCH."""
    if not service.patch_content_types or "PATCH" not in service.defined_methods:
        return None
    return ", ".join(("application/json", *service.patch_content_types))


def preflight(service: CrossOriginService, request: Request) -> Response | None:
    """Answer OPTIONS on a service, as a CORS preflight or as a plain request (H-29.10).

    Without ``Origin`` it is not a preflight: the answer is 200 with ``Allow`` and no body (X-13).
    """
    response = request.response
    if accepted := accept_patch(service):
        response.headers["Accept-Patch"] = accepted
    origin = request.headers.get("Origin")
    if not origin:
        plain = Response(status=200, headers={"Allow": ", ".join(service.defined_methods)})
        if accepted:
            plain.headers["Accept-Patch"] = accepted
        return plain
    method = request.headers.get("Access-Control-Request-Method")
    if not method:
        request.errors.add("header", "Access-Control-Request-Method", "this header is mandatory")
        return None
    if method not in service.defined_methods:
        request.errors.add("header", "Access-Control-Request-Method", "Method not allowed")
        return None

    requested = [
        name.strip()
        for name in request.headers.get("Access-Control-Request-Headers", "").split(",")
        if name.strip()
    ]
    exposed = service.exposed_headers(method)
    response.headers["Access-Control-Allow-Headers"] = ",".join(
        dict.fromkeys((*requested, *exposed))
    )
    response.headers["Access-Control-Allow-Methods"] = ",".join(service.defined_methods)
    max_age = service.own_max_age(method)
    if max_age is None:
        max_age = settings.read(request.registry.settings, "cors_max_age_seconds")
    if max_age:
        response.headers["Access-Control-Max-Age"] = str(max_age)
    return None
