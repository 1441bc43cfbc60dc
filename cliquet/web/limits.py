"""Bounds on the size of a request, judged before anything is done for it (X-34).

A body is bounded before `pyramid_retry` copies it, which it does before anything of the application
runs; the refusal waits until the request is one that has CORS headers and a line in the log.
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
# Of lengths that are counted; longer ones exceed any limit.
_MAX_DIGITS = len(str(sys.maxsize)) - 1

SMALL_BYTES = Request.request_body_tempfile_limit
"""Up to here WebOb copies a body in memory; it would copy larger ones to a file, one for each."""

_LARGE_BYTES = 2**20

_PARAMETERS_PER_FILTER = 10
# So much is fine whatever the settings.
_FEW_PARAMETERS = 10
_FEW_BYTES = 1000

_FEWEST_JSON_VALUES = 65_536
_BYTES_PER_JSON_VALUE = 160


def includeme(config: Configurator) -> None:
    """Bound the bodies of all requests."""
    # Once the policy is there, which reads bodies.
    config.action(None, _bound_bodies, args=(config.registry,), order=PHASE3_CONFIG + 1)


def _bound_bodies(registry: Any) -> None:
    policy = registry.queryUtility(IExecutionPolicy, default=default_execution_policy)
    registry.registerUtility(_bounded_policy(policy), IExecutionPolicy)


def _bounded_policy(policy: ExecutionPolicy) -> ExecutionPolicy:
    """Return an execution policy whose requests have no more body than the settings allow."""

    def bounded_policy(environ: dict[str, Any], router: Any) -> Response:
        size = _bound_body(environ, settings.read(router.registry.settings, "max_body_bytes"))
        try:
            return policy(environ, router)
        finally:
            if size:
                _free_body(environ, size)

    return bounded_policy


def _free_body(environ: dict[str, Any], body_bytes: int) -> None:
    """Free what a large body has become, once its request is over.

    Pyramid's requests are cycles: they refer to methods of their own, and wait with all they hold
    for the collector, which counts objects and knows nothing of their size. A hundred requests of
    10 MB were a gigabyte. To collect everything takes some 50 ms, as long as the body itself.
    """
    # WebOb's cache of the query string refers to the environment, which has the body.
    environ.pop("webob._parsed_query_vars", None)
    gc.collect(1 if body_bytes < _LARGE_BYTES else 2)


def _bound_body(environ: dict[str, Any], limit: int | None) -> int:
    """Hold a body of at most `limit` bytes in memory; drop another, and mark the request.

    Returns
    -------
    The size of a body that is held, in bytes; 0 for small ones, which are not looked at.
    """
    bound = sys.maxsize - 1 if limit is None else limit
    length = environ.get("CONTENT_LENGTH")
    if length:
        # What is no number is no length to WebOb, which reads nothing then.
        if not (length.isascii() and length.isdigit()):
            return 0
        # Python refuses to convert thousands of digits, nearly all of which may be leading zeros.
        digits = length if len(length) <= _MAX_DIGITS else length.lstrip("0") or "0"
        size = int(digits) if len(digits) <= _MAX_DIGITS else sys.maxsize
        if size > bound:
            _drop_body(environ, bound)
            return 0
        if size <= SMALL_BYTES:
            return 0
    elif environ.get("wsgi.input_terminated"):
        # Sent in chunks: nobody knows how much there is before it has been read.
        size = bound + 1
    else:
        return 0
    body = b"".join(_pieces(environ["wsgi.input"], size))
    if len(body) > bound:
        _drop_body(environ, bound)
        return 0
    # A client that left before the end is found out by WebOb, which misses the rest.
    environ["webob.is_body_seekable"] = not length or len(body) == size
    _replace_body(environ, body, length or str(len(body)))
    return len(body)


def _drop_body(environ: dict[str, Any], bound: int) -> None:
    environ[_IS_TOO_LARGE] = True
    # A client that is still sending when the connection ends does not get to read the answer: some
    # of the rest is taken.
    for _ in _pieces(environ["wsgi.input"], bound * _DROPPED_BODIES):
        pass
    _replace_body(environ, b"", "0")


def _replace_body(environ: dict[str, Any], body: bytes, length: str) -> None:
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), length


def _pieces(stream: Any, size: int) -> Iterator[bytes]:
    """Read at most `size` bytes of a stream."""
    while size > 0 and (piece := stream.read(min(size, _PIECE_BYTES))):
        size -= len(piece)
        yield piece


def judge(request: Request) -> None:
    """Refuse a request whose body was taken away, or whose URL has many parameters.

    Raises
    ------
    HTTPRequestEntityTooLarge, HTTPRequestHeaderFieldsTooLarge, HTTPBadRequest : it is one.
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
    """Refuse the one header that is parsed to objects, a hundred times as large."""
    limit = settings.read(request.registry.settings, "max_url_bytes")
    if limit is None or len(request.environ["HTTP_ACCEPT"]) <= limit:
        return
    # Nobody reads it any more, the log included.
    del request.environ["HTTP_ACCEPT"]
    raise errors.http_error(
        HTTPRequestHeaderFieldsTooLarge(),
        errno=errors.ERRORS.INVALID_PARAMETERS,
        message=f"The header Accept is longer than {limit} bytes (setting max_url_bytes)",
    )


def body_too_large(request: Request, subject: str) -> HTTPRequestEntityTooLarge:
    """Return the refusal of what is larger than ``max_body_bytes`` (RFC 9110 15.5.14)."""
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
    """Return how many values a JSON body may hold; ``None`` for any number.

    A value takes up to 300 bytes once it is parsed, half as much again until it is stored, and 2 in
    the body: the bytes alone bound neither memory nor time. The limit grows with
    ``max_body_bytes``, and ends with it.
    """
    limit = settings.read(configured, "max_body_bytes")
    return None if limit is None else max(_FEWEST_JSON_VALUES, limit // _BYTES_PER_JSON_VALUE)
