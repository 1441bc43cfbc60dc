"""The headers of a request, read by one lookup."""

from __future__ import annotations

from typing import Any, Final

from webob.request import BaseRequest

__all__ = ["sends_condition", "sent"]

# How WSGI names the headers that the library asks for in most requests (PEP 3333).
_VARIABLES: Final = {
    "Authorization": "HTTP_AUTHORIZATION",
    "If-Match": "HTTP_IF_MATCH",
    "If-None-Match": "HTTP_IF_NONE_MATCH",
    "Prefer": "HTTP_PREFER",
    "Response-Behavior": "HTTP_RESPONSE_BEHAVIOR",
}


def sent(request: Any, name: str) -> str | None:
    """Return the value of a header, or ``None``.

    WebOb takes five functions to find a variable of the environment.

    Parameters
    ----------
    request : a request, or the mock of a test of an application.
    name : one of the names above.
    """
    if isinstance(request, BaseRequest):
        value: str | None = request.environ.get(_VARIABLES[name])
    else:
        value = request.headers.get(name)
    return value


def sends_condition(request: Any) -> bool:
    """Return whether a request has one of the headers that make it conditional."""
    if isinstance(request, BaseRequest):
        environ = request.environ
        return bool(environ.get("HTTP_IF_MATCH") or environ.get("HTTP_IF_NONE_MATCH"))
    return bool(request.headers.get("If-Match") or request.headers.get("If-None-Match"))
