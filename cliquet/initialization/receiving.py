"""What every request goes through before anything reads it, also those within a batch.

Its size is checked first. A body is limited before `pyramid_retry` copies it, which happens before
any code of the application runs. The refusal comes later, when the answer can have CORS headers and
a line in the log. Then impossible URLs are refused, and all others are brought into one form.
"""

from __future__ import annotations

import gc
import io
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

from pyramid.config import PHASE3_CONFIG, Configurator
from pyramid.events import NewRequest
from pyramid.httpexceptions import HTTPRequestHeaderFieldsTooLarge
from pyramid.interfaces import IExecutionPolicy, IRoutesMapper
from pyramid.request import Request
from pyramid.response import Response
from pyramid.router import default_execution_policy

from cliquet import errors, settings
from cliquet.core import hosts
from cliquet.core.announcing import told_once
from cliquet.views import metrics
from cliquet.web import attempts, urls, wire

__all__ = ["allowed_hosts_tween_factory", "setup_reception"]

_HOST_FORM = "should be a name or an address, with or without port"
_OTHER_HOST = "should be one by which the service is known (setting allowed_hosts)"
_IS_OTHER_HOST = "cliquet.host_is_not_allowed"

# One redirection adds the version, another one changes the slashes: the service has no longer
# chain.
_MAX_REDIRECTIONS = 3

ExecutionPolicy = Callable[[dict[str, Any], Any], Response]

_IS_TOO_LARGE = "cliquet.body_is_too_large"
_PIECE_BYTES = 65536
_DROPPED_BODIES = 8
# Greatest number of digits of a length that is read as a number; a longer one exceeds any limit.
_MAX_DIGITS = len(str(sys.maxsize)) - 1

# Up to this size a body may wait for the collector: a hundred of them are 13 MB, and a collection
# takes a twentieth of the time of a batch.
_SMALL_BYTES = 2**17
_LARGE_BYTES = 2**20

_PARAMETERS_PER_FILTER = 10
# So few parameters are allowed whatever the settings say.
_FEW_PARAMETERS = 10
_FEW_BYTES = 1000


def setup_reception(config: Configurator) -> None:
    """Limit the size of requests, refuse impossible URLs, and bring all others into one form.

    This is called before the initialization steps, so that their subscribers come later.
    """
    # This runs after the registration of the execution policy, which reads bodies.
    config.action(None, _bound_bodies, args=(config.registry,), order=PHASE3_CONFIG + 1)
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


def _bound_bodies(registry: Any) -> None:
    policy = registry.queryUtility(IExecutionPolicy, default=default_execution_policy)
    policy = attempts.in_short(policy, registry)
    registry.registerUtility(_bounded_policy(policy), IExecutionPolicy)


def _bounded_policy(policy: ExecutionPolicy) -> ExecutionPolicy:
    """Return an execution policy whose requests have no larger body than the settings allow."""

    def bounded_policy(environ: dict[str, Any], router: Any) -> Response:
        length = environ.get("CONTENT_LENGTH")
        if length == "0" or not (length or environ.get("wsgi.input_terminated")):
            # Most requests have no body, which no limit concerns.
            environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(), "0"
            environ["webob.is_body_seekable"] = True
            return policy(environ, router)
        size = _bound_body(environ, settings.read(router.registry.settings, "max_body_bytes"))
        try:
            return policy(environ, router)
        finally:
            if size:
                _free_body(environ, size)

    return bounded_policy


def _free_body(environ: dict[str, Any], body_bytes: int) -> None:
    """Free a large body, and the objects made from it, after its request.

    Requests of Pyramid are reference cycles, because they refer to their own methods. They wait,
    with everything that they refer to, for the garbage collector, which counts objects and not
    their size: a hundred requests of 10 MB were a gigabyte. A full collection would take about 50
    ms, as long as the work for the body itself.
    """
    # The cache of the query string in WebOb refers to the environment, which has the body.
    environ.pop("webob._parsed_query_vars", None)
    gc.collect(1 if body_bytes < _LARGE_BYTES else 2)


def _bound_body(environ: dict[str, Any], limit: int | None) -> int:
    """Keep a body of at most `limit` bytes in memory; drop a larger one, and mark the request.

    The body has a length, or it is sent in chunks.

    Returns
    -------
    The size of a body that must be freed after the request, in bytes; 0 for small ones.
    """
    bound = sys.maxsize - 1 if limit is None else limit
    length = environ.get("CONTENT_LENGTH")
    if length:
        # If the length is not a number, WebOb does not read a body.
        if not (length.isascii() and length.isdigit()):
            return 0
        # Python refuses to convert thousands of digits, although nearly all may be leading zeros.
        digits = length if len(length) <= _MAX_DIGITS else length.lstrip("0") or "0"
        size = int(digits) if len(digits) <= _MAX_DIGITS else sys.maxsize
        if size > bound:
            _drop_body(environ, bound)
            return 0
    else:
        # The body is sent in chunks, so that its size is unknown before it has been read.
        size = bound + 1
    # A body of known length is read at once if the server has it: pieces would be a second copy.
    piece_bytes = size if length else _PIECE_BYTES
    body = b"".join(_pieces(environ["wsgi.input"], size, piece_bytes)) if size else b""
    if len(body) > bound:
        _drop_body(environ, bound)
        return 0
    # If a client has left before the end, WebOb notices that the rest is missing.
    environ["webob.is_body_seekable"] = not length or len(body) == size
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), length or str(len(body))
    return len(body) if len(body) > _SMALL_BYTES else 0


def _drop_body(environ: dict[str, Any], bound: int) -> None:
    environ[_IS_TOO_LARGE] = True
    # A client that is still sending when the connection ends cannot read the answer. Therefore a
    # part of the rest is read.
    for _ in _pieces(environ["wsgi.input"], bound * _DROPPED_BODIES):
        pass
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(), "0"


def _pieces(stream: Any, size: int, piece_bytes: int = _PIECE_BYTES) -> Iterator[bytes]:
    """Read at most `size` bytes of a stream."""
    while size > 0 and (piece := stream.read(min(size, piece_bytes))):
        size -= len(piece)
        yield piece


@told_once
def _receive(event: NewRequest) -> None:
    request = event.request
    environ = request.environ
    # This comes first, so that nothing is done for a request that is too large.
    query_string: str = environ.get("QUERY_STRING", "")
    if query_string or _IS_TOO_LARGE in environ or len(environ.get("HTTP_ACCEPT", "")) > _FEW_BYTES:
        _judge_size(request)
    if getattr(request, "parent", None) is not None:
        # This service or a plugin has made the request, and its headers may be anything.
        wire.decode_headers(environ)
    else:
        host = environ.get("HTTP_HOST")
        if not host or _IS_OTHER_HOST in environ or not hosts.is_authority(host):
            _check_host(request)
    path: str = environ.get("PATH_INFO", "")
    if not path.isascii() or "%" in query_string or not query_string.isascii():
        _check_encoding(request, path, query_string)
    if "/." in path:
        _check_segments(request, path)
    wire.normalize(environ)
    if environ.get("REQUEST_METHOD") == "OPTIONS":
        _address_preflight(request)


def _judge_size(request: Request) -> None:
    """Refuse a request whose body was dropped, or whose URL has too many parameters.

    Raises
    ------
    HTTPRequestEntityTooLarge, HTTPRequestHeaderFieldsTooLarge, HTTPBadRequest : the request is
        refused.
    """
    environ = request.environ
    if _IS_TOO_LARGE in environ:
        raise errors.too_large(request, "The body is", "max_body_bytes")
    if len(environ.get("HTTP_ACCEPT", "")) > _FEW_BYTES:
        _judge_accept(request)
    query_string = environ.get("QUERY_STRING")
    separators = query_string.count("&") if query_string else 0
    if separators < _FEW_PARAMETERS:
        return
    max_filters = settings.read(request.registry.settings, "max_filters")
    if max_filters is not None and separators >= max_filters * _PARAMETERS_PER_FILTER:
        errors.raise_invalid(
            request,
            location="querystring",
            description=f"More than {max_filters * _PARAMETERS_PER_FILTER} parameters, "
            f"{_PARAMETERS_PER_FILTER} times the setting max_filters",
        )


def _judge_accept(request: Request) -> None:
    """Refuse a long ``Accept``, the only header that is parsed to objects, 100 times as large."""
    limit = settings.read(request.registry.settings, "max_url_bytes")
    if limit is None or len(request.environ["HTTP_ACCEPT"]) <= limit:
        return
    # The header is removed, so that nothing reads it any more, not even the log.
    del request.environ["HTTP_ACCEPT"]
    raise errors.http_error(
        HTTPRequestHeaderFieldsTooLarge(),
        errno=errors.ERRORS.INVALID_PARAMETERS,
        message=f"The header Accept is longer than {limit} bytes (setting max_url_bytes)",
    )


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
