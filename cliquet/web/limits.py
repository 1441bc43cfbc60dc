"""Limits of the size of a request, which are checked before any work is done for it.

A body is limited before `pyramid_retry` copies it, which happens before any code of the application
runs. The refusal comes later, when the answer can have CORS headers and a line in the log.
"""

from __future__ import annotations

import gc
import io
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pyramid.config import PHASE3_CONFIG, Configurator
from pyramid.httpexceptions import HTTPRequestEntityTooLarge, HTTPRequestHeaderFieldsTooLarge
from pyramid.interfaces import IExecutionPolicy
from pyramid.request import Request
from pyramid.response import Response
from pyramid.router import default_execution_policy

from cliquet import errors, settings

__all__ = ["SMALL_BYTES", "body_too_large", "includeme", "judge", "max_json_values"]

ExecutionPolicy = Callable[[dict[str, Any], Any], Response]

_IS_TOO_LARGE = "cliquet.body_is_too_large"
_PIECE_BYTES = 65536
_DROPPED_BODIES = 8
# Greatest number of digits of a length that is read as a number; a longer one exceeds any limit.
_MAX_DIGITS = len(str(sys.maxsize)) - 1

SMALL_BYTES = Request.request_body_tempfile_limit
"""Up to this size WebOb copies a body in memory; it would copy each larger one to a file."""

_LARGE_BYTES = 2**20

_PARAMETERS_PER_FILTER = 10
# So few parameters are allowed whatever the settings say.
_FEW_PARAMETERS = 10
_FEW_BYTES = 1000

_FEWEST_JSON_VALUES = 65_536
_BYTES_PER_JSON_VALUE = 160


def includeme(config: Configurator) -> None:
    """Limit the bodies of all requests."""
    # This runs after the registration of the execution policy, which reads bodies.
    config.action(None, _bound_bodies, args=(config.registry,), order=PHASE3_CONFIG + 1)


def _bound_bodies(registry: Any) -> None:
    policy = registry.queryUtility(IExecutionPolicy, default=default_execution_policy)
    registry.registerUtility(_bounded_policy(policy), IExecutionPolicy)


def _bounded_policy(policy: ExecutionPolicy) -> ExecutionPolicy:
    """Return an execution policy whose requests have no larger body than the settings allow."""

    def bounded_policy(environ: dict[str, Any], router: Any) -> Response:
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

    Returns
    -------
    The size of a body that is kept, in bytes; 0 for small ones, which are not examined.
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
        if size <= SMALL_BYTES:
            return 0
    elif environ.get("wsgi.input_terminated"):
        # The body is sent in chunks, so that its size is unknown before it has been read.
        size = bound + 1
    else:
        return 0
    # A body of known length is read at once if the server has it: pieces would be a second copy.
    piece_bytes = size if length else _PIECE_BYTES
    body = b"".join(_pieces(environ["wsgi.input"], size, piece_bytes))
    if len(body) > bound:
        _drop_body(environ, bound)
        return 0
    # If a client has left before the end, WebOb notices that the rest is missing.
    environ["webob.is_body_seekable"] = not length or len(body) == size
    _replace_body(environ, body, length or str(len(body)))
    return len(body)


def _drop_body(environ: dict[str, Any], bound: int) -> None:
    environ[_IS_TOO_LARGE] = True
    # A client that is still sending when the connection ends cannot read the answer. Therefore a
    # part of the rest is read.
    for _ in _pieces(environ["wsgi.input"], bound * _DROPPED_BODIES):
        pass
    _replace_body(environ, b"", "0")


def _replace_body(environ: dict[str, Any], body: bytes, length: str) -> None:
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), length


def _pieces(stream: Any, size: int, piece_bytes: int = _PIECE_BYTES) -> Iterator[bytes]:
    """Read at most `size` bytes of a stream."""
    while size > 0 and (piece := stream.read(min(size, piece_bytes))):
        size -= len(piece)
        yield piece


def judge(request: Request) -> None:
    """Refuse a request whose body was dropped, or whose URL has too many parameters.

    Raises
    ------
    HTTPRequestEntityTooLarge, HTTPRequestHeaderFieldsTooLarge, HTTPBadRequest : the request is
        refused.
    """
    environ = request.environ
    if _IS_TOO_LARGE in environ:
        raise body_too_large(request, "The body is")
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


def body_too_large(request: Request, subject: str) -> HTTPRequestEntityTooLarge:
    """Return the refusal of a subject larger than ``max_body_bytes`` (RFC 9110 15.5.14)."""
    limit = settings.read(request.registry.settings, "max_body_bytes")
    return errors.http_error(
        HTTPRequestEntityTooLarge(),
        errno=errors.ERRORS.REQUEST_TOO_LARGE,
        message=f"{subject} larger than {limit} bytes (setting max_body_bytes)",
    )


def record_too_large(request: Request) -> HTTPRequestEntityTooLarge:
    """Return the refusal of a record that is larger than ``max_record_bytes``."""
    limit = settings.read(request.registry.settings, "max_record_bytes")
    return errors.http_error(
        HTTPRequestEntityTooLarge(),
        errno=errors.ERRORS.REQUEST_TOO_LARGE,
        message=f"The record is larger than {limit} bytes (setting max_record_bytes)",
    )


def max_json_values(configured: Mapping[str, Any]) -> int | None:
    """Return how many values a JSON body may have; ``None`` for any number.

    A value may have only 2 bytes in the body, but takes up to 300 bytes when it is parsed, and half
    as much again until it is stored. The number of bytes alone therefore limits neither memory nor
    time. The limit grows with ``max_body_bytes``; without that setting there is none.
    """
    limit = settings.read(configured, "max_body_bytes")
    return None if limit is None else max(_FEWEST_JSON_VALUES, limit // _BYTES_PER_JSON_VALUE)
