"""The headers of a request, read by one lookup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["sent"]

# How WSGI names the headers that the library asks for in most requests (PEP 3333).
_VARIABLES: Final = {
    "Authorization": "HTTP_AUTHORIZATION",
    "If-Match": "HTTP_IF_MATCH",
    "If-None-Match": "HTTP_IF_NONE_MATCH",
}


def sent(headers: Mapping[str, str], name: str) -> str | None:
    """Return the value of a header, or ``None``.

    WebOb takes three functions to find a variable of the environment.

    Parameters
    ----------
    headers : headers of a request, or of the mock of a test of an application.
    name : one of the names above.
    """
    environ = getattr(headers, "environ", None)
    return environ.get(_VARIABLES[name]) if type(environ) is dict else headers.get(name)
