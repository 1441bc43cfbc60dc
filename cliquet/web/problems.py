"""Errors in the form of RFC 9457, for clients that ask for it by name (E-20.3).

Nothing else knows this form: errors are made, logged and counted as JSON, and rewritten at the end.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final

from pyramid.response import Response
from webob.acceptparse import Accept

from cliquet import settings
from cliquet.core import jsonio
from cliquet.errors import ERRORS
from cliquet.web import wire
from cliquet.web.problem_types import TYPES

__all__ = ["MEDIA_TYPE", "PAGES_PATH", "problem", "rewrite", "type_of"]

MEDIA_TYPE: Final = "application/problem+json"

PAGES_PATH: Final = "/__errors__/"
"""Path of the pages of the service itself, below the version, before the number of the error."""

# Clients send few values of this header; a longer one is examined each time.
_MAX_KEPT_CHARACTERS: Final = 300
_KNOWN: Final = {error.value: TYPES[error] for error in ERRORS}
_NO_TYPE: Final = "about:blank"


def rewrite(registry: Any, environ: Mapping[str, Any], response: Response) -> None:
    """Give an error the form of RFC 9457, if the client prefers that to plain JSON.

    What is no error of the protocol, such as the 503 of a heartbeat, stays as it is.

    Parameters
    ----------
    environ : the environment of the request.
    response : a response whose status is 400 or greater.
    """
    accept: str = environ.get("HTTP_ACCEPT", "")
    # Very few clients name the type, and only their answers are parsed.
    if MEDIA_TYPE not in accept.lower() or not _prefers_problems(accept):
        return
    if response.content_type != "application/json":
        return
    try:
        body = jsonio.loads(response.body)
    except ValueError:
        return
    if not isinstance(body, dict) or type(body.get("errno")) is not int:
        return
    url = type_of(registry, environ, body["errno"])
    response.body = jsonio.dumps(problem(body, response.status_code, url))
    response.headers["Content-Type"] = MEDIA_TYPE
    vary = response.vary or ()
    if {"*", "accept"}.isdisjoint(map(str.lower, vary)):
        response.vary = (*vary, "Accept")


def problem(body: Mapping[str, Any], status: int, type_url: str) -> dict[str, Any]:
    """Return the body of an error in the form of RFC 9457.

    There is no ``instance``: what names the occurrence is the header ``X-Request-Id``.

    Parameters
    ----------
    body : the error as plain JSON (H-26.1); its further members stay.
    """
    kind = _KNOWN.get(body["errno"])
    known = {
        "type": type_url,
        "title": body.get("error") if kind is None else kind.title,
        "status": status,
        "detail": body.get("message"),
    }
    rest = {member: value for member, value in body.items() if member != "message"}
    described = {member: value for member, value in known.items() if value is not None}
    # The members of the standard come first, for people who read them.
    return {**described, **rest, **described}


def type_of(registry: Any, environ: Mapping[str, Any], errno: int) -> str:
    """Return the URL that names the kind of an error, where clients find its page.

    By default it is a path of the service itself, so that it works without any other host, and is
    the same under all names of the service. A number of the application has no page there.
    """
    base = settings.read(registry.settings, "problem_type_url")
    if base:
        return f"{base}{errno}"
    if errno not in _KNOWN:
        return _NO_TYPE
    # WSGI gives bytes as latin-1 text (PEP 3333).
    mount = wire.escaped(environ.get("SCRIPT_NAME", "").encode("latin-1"))
    return f"{mount}/{registry.route_prefix}{PAGES_PATH}{errno}"


def _prefers_problems(accept: str) -> bool:
    judge = _judged if len(accept) <= _MAX_KEPT_CHARACTERS else _judge
    return judge(accept)


def _judge(accept: str) -> bool:
    """Return whether a header names the type, with no lower weight than plain JSON."""
    try:
        ranges = [
            (media_range.partition(";")[0].strip().lower(), weight)
            for media_range, weight, _, _ in Accept.parse(accept)
        ]
    except ValueError:
        # The header is not a list of media ranges.
        return False
    weights: dict[str, float] = {}
    for name, weight in ranges:
        weights[name] = max(weight, weights.get(name, 0))
    # The most specific range counts (RFC 9110 12.5.1).
    plain = next(
        (weights[name] for name in ("application/json", "application/*", "*/*") if name in weights),
        0,
    )
    own = weights.get(MEDIA_TYPE, 0)
    return own > 0 and own >= plain


_judged = functools.lru_cache(maxsize=256)(_judge)
