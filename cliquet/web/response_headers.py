"""Headers of all responses, which several functions compute, and which are written at once.

A step of the initialization adds such a function; those that have no module of their own are at the
end of this one. They are called in the order in which they were
added, before any subscriber of the application to ``NewResponse``, which may change the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pyramid.config import Configurator
from pyramid.events import NewResponse
from pyramid.request import Request
from pyramid.response import Response

from cliquet import settings
from cliquet.core.announcing import told_once
from cliquet.security.authentication import is_private
from cliquet.web import problems, streams

__all__ = ["NewHeaders", "Part", "add_part", "backoff", "keep_private", "vary_of", "write"]


class NewHeaders(dict[str, str]):
    """The headers that will be written: values by name, which replace those of the response.

    Parameters
    ----------
    response : response that gets the headers.

    Attributes
    ----------
    present : names of the headers that the response already has, in lower case.
    before : further lines of headers that are among the new ones, which come before these.
    """

    __slots__ = ("before", "present")

    def __init__(self, response: Response) -> None:
        self.before: list[tuple[str, str]] = []
        self.present = {name.lower() for name, _ in response.headerlist}

    def write(self, response: Response) -> None:
        """Write the headers to the response."""
        headers: list[tuple[str, str]] = response.headerlist
        if not self.present.isdisjoint(map(str.lower, self)):
            replaced = {name.lower() for name in self}
            headers[:] = [item for item in headers if item[0].lower() not in replaced]
        headers += self.before
        headers.extend(self.items())


Part = Callable[[Request, Response, NewHeaders], None]
"""Adds its headers to the new ones; it must not change the response itself."""


def add_part(config: Configurator, part: Part) -> None:
    """Add a function that adds headers to all responses of an application."""
    registry = config.registry
    parts: list[Part] | None = getattr(registry, "response_header_parts", None)
    if parts is None:
        parts = registry.response_header_parts = []
        config.add_subscriber(_write, NewResponse)
    parts.append(part)


@told_once
def _write(event: NewResponse) -> None:
    request, response = event.request, event.response
    write(request, response, request.registry.response_header_parts)
    if response.status >= "4":
        # It comes last, because no header but its own depends on the form of an error.
        problems.rewrite(request.registry, request.environ, response)


def write(request: Request, response: Response, parts: Iterable[Part]) -> None:
    """Add the headers of all parts to a response."""
    new = NewHeaders(response)
    for part in parts:
        part(request, response, new)
    new.write(response)


def vary_of(names: Sequence[str]) -> Part:
    """Return the part for ``Vary``, so that caches do not mix users."""
    text = ", ".join(dict.fromkeys(names))
    text_with_origin = ", ".join(dict.fromkeys((*names, "Origin")))
    may_vary = {"Accept", "*"}.isdisjoint(names)

    def vary(request: Request, response: Response, new: NewHeaders) -> None:
        # CORS may have added `Origin` already.
        has_origin = "vary" in new.present and "Origin" in (response.vary or ())
        new["Vary"] = text_with_origin if has_origin else text
        # A cache must not give a list of changes to those who want a stream (E-14.2).
        if "_sync" in request.environ.get("QUERY_STRING", "") and may_vary:
            new["Vary"] += ", Accept" if streams.is_offered(request) else ""

    return vary


def backoff(request: Request, response: Response, new: NewHeaders) -> None:
    """Add ``Backoff``, if the setting has a value."""
    # It is read at each response, because an operator may change it in a running service.
    seconds = settings.read(request.registry.settings, "backoff")
    if seconds is not None:
        new["Backoff"] = str(seconds)


def keep_private(request: Request, response: Response, new: NewHeaders) -> None:
    """Keep answers for one client out of shared caches if no ``Authorization`` header marks it.

    With that header, shared caches keep nothing unless a response allows it (RFC 9111 3.5), and
    ``Vary`` names it. But they do not know that an address, a cookie or the user of a proxy
    matters. If the application sends ``Cache-Control`` itself, that stays.
    """
    if (
        "HTTP_AUTHORIZATION" not in request.environ
        and "cache-control" not in new.present
        and request.method in ("GET", "HEAD")
        and is_private(request)
    ):
        new["Cache-Control"] = "private"
