"""The body of a request as JSON, which is read and parsed only once."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from pyramid.request import Request

from cliquet import settings
from cliquet.core import jsonio
from cliquet.web import faults

__all__ = [
    "forget_body",
    "forget_parsed",
    "give_body",
    "has_body",
    "json_body",
    "max_json_values",
    "parsed",
    "raw_body",
    "read_body",
]

_BODY = "_cliquet_json_body"
_GIVEN = "_cliquet_given_body"

_FEWEST_JSON_VALUES = 65_536
_BYTES_PER_JSON_VALUE = 160


def json_body(request: Request) -> Any:
    """Return the JSON body of a request, ``{}`` if it has none; it is parsed only once.

    Raises
    ------
    ValueError : the body is not JSON.
    """
    source, body = request.__dict__.get(_BODY, (None, None))
    if source is None or source is not request.environ["wsgi.input"]:
        # A test or an application has made the request, so that it was not validated, or the body
        # was replaced after the validation (P-35.13).
        body = request.json if request.body else {}
    return body


def raw_body(request: Request) -> bytes:
    """Return the body of a request, which WebOb reads by thirty functions."""
    environ = request.environ
    stream = environ["wsgi.input"]
    # The reception keeps bodies in memory, and so does WebOb those that code sets.
    if type(stream) is BytesIO and environ.get("webob.is_body_seekable") is True:
        body = stream.getvalue()
        if environ.get("CONTENT_LENGTH") == str(len(body)):
            return body
    whole: bytes = request.body
    return whole


def has_body(request: Request) -> bool:
    """Return whether a request has a body, which WebOb would read once more to know it."""
    source, body = request.__dict__.get(_BODY, (None, None))
    if body and source is request.environ["wsgi.input"]:
        return True
    return bool(raw_body(request))


def forget_body(request: Request) -> None:
    """Free a large body of a finished request, which may still wait for the collector."""
    # WebOb copies a smaller one in memory, without much cost.
    if (request.content_length or 0) > Request.request_body_tempfile_limit:
        request.__dict__.pop(_BODY, None)
        request.body = b""


def forget_parsed(request: Request) -> None:
    """Free what a body was parsed to; the next call that needs it parses the body again."""
    request.__dict__.pop(_BODY, None)


def give_body(request: Request, body: dict[str, Any]) -> None:
    """Give a request the value of its body, which need not be read again.

    Parameters
    ----------
    body : what reading the body would give; nobody else may have it.
    """
    request.__dict__[_GIVEN] = (request.environ["wsgi.input"], body)


def _remember(request: Request, body: Any) -> None:
    # The stream belongs to the body: it is another object after the body was set again.
    request.__dict__[_BODY] = (request.environ["wsgi.input"], body)


def read_body(request: Request) -> dict[str, Any] | None:
    """Parse the body, add its faults to ``request.errors``, and return it or ``{}``.

    ``None`` stands for an object with a wrong value (X-25): the object is neither known nor
    missing.
    """
    environ = request.environ
    if environ.get("CONTENT_LENGTH") == "0" and _GIVEN not in request.__dict__:
        # Most requests have no body. This is `_remember`.
        request.__dict__[_BODY] = (environ["wsgi.input"], {})
        return {}
    source, body = request.__dict__.pop(_GIVEN, (None, {}))
    # If an endpoint requires a type, negotiation has already refused bodies of other types. On
    # other endpoints, such as batch, they count as empty (H-25.6).
    if request.content_type.lower() != "application/json":
        body = {}
    elif (source is None or source is not environ["wsgi.input"]) and (raw := raw_body(request)):
        try:
            body = parsed(request, raw)
        except jsonio.JSONError as error:
            description = f"Invalid JSON request body: {error.message}"
            faults.add(request, "body", error.path, description)
            if error.path is not None:
                _remember(request, {})
                return None
            body = {}
        if not isinstance(body, dict):
            shown = jsonio.dumps(body).decode()
            if len(shown) > 100:
                shown = shown[:100] + "…"
            faults.add(
                request,
                "body",
                None,
                f"Invalid JSON: Should be a JSON object, got {shown}",
            )
            body = {}
    _remember(request, body)
    return body  # type: ignore[no-any-return]  # narrowed above


def parsed(request: Request, body: bytes) -> Any:
    """Parse a body within the limits of the settings.

    Raises
    ------
    JSONError : it is not JSON, or is too large.
    """
    configured = request.registry.settings
    return jsonio.loads_strict(
        body,
        max_values=max_json_values(configured),
        max_memory_bytes=settings.read(configured, "max_body_bytes"),
    )


def max_json_values(configured: Mapping[str, Any]) -> int | None:
    """Return how many values a JSON body may have; ``None`` for any number.

    A value may have only 2 bytes in the body, but takes up to 300 bytes when it is parsed, and half
    as much again until it is stored. The number of bytes alone therefore limits neither memory nor
    time. The limit grows with ``max_body_bytes``; without that setting there is none.
    """
    limit = settings.read(configured, "max_body_bytes")
    return None if limit is None else max(_FEWEST_JSON_VALUES, limit // _BYTES_PER_JSON_VALUE)
