"""The responses that the library makes, which cost less to make and to send than others.

They are responses of Pyramid. Only the work is left out that WebOb does for arguments that they
never have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from pyramid.response import Response

__all__ = ["PLAIN_CLASSES", "PlainResponse", "new_response", "send"]

_NAME = itemgetter(0)


def send(self: Any, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Send a response, as its method ``__call__``: that of a WSGI application."""
    headers: list[tuple[str, str]] = self._headerlist
    if (
        self.conditional_response
        or environ["REQUEST_METHOD"] == "HEAD"
        or "location" in map(str.lower, map(_NAME, headers))
    ):
        # Such a location becomes a whole URL.
        sent: Iterable[bytes] = Response.__call__(self, environ, start_response)
        return sent
    start_response(self._status, headers[:])
    pieces: Iterable[bytes] = self._app_iter
    return pieces


class PlainResponse(Response):  # type: ignore[misc]  # Pyramid has no types
    """A response, at first with the status 200."""

    # What WebOb makes of the arguments of a response. It asks for all that it knows of, each time.
    _status = "200 OK"
    _headers: Any = None
    conditional_response = False

    __call__ = send


def new_response(headers: list[tuple[str, str]], pieces: list[bytes]) -> PlainResponse:
    """Return a response with the status 200.

    Parameters
    ----------
    headers : all of its headers; those of its body too.
    """
    response = PlainResponse.__new__(PlainResponse)
    response._headerlist = headers
    response._app_iter = pieces
    return response


PLAIN_CLASSES = (PlainResponse, Response)
"""The classes of responses that are of Pyramid or the library, and of no application."""
