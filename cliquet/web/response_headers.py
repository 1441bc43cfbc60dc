"""Headers of all responses, which several functions compute, and which are written at once.

A step of the initialization adds such a function; those that have no module of their own are at the
end of this one. They are called in the order in which they were
added, before any subscriber of the application to ``NewResponse``, which may change the result.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from pyramid.config import Configurator
from pyramid.events import NewResponse
from pyramid.request import Request
from pyramid.response import Response

from cliquet import settings
from cliquet.core.announcing import told_once
from cliquet.security.authentication import is_private
from cliquet.web import problems, streams

__all__ = [
    "NewHeaders",
    "Part",
    "Value",
    "add_part",
    "add_value",
    "backoff",
    "keep_private",
    "vary_of",
    "write",
]

# Most responses of a service are of few cases. Clients choose methods and origins, so that the
# number of cases and their size are limited.
_MAX_CASES = 256
_MAX_ORIGIN_CHARACTERS = 200
# The headers of OPTIONS depend on more of the request.
_METHODS_WITH_CASES = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"))
_NAME = itemgetter(0)


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
"""Adds its headers to the new ones; it must not change the response itself.

They may depend on nothing but the *case* of the response (see :func:`_case`).
"""

Value = Callable[[Request], str | None]
"""Returns the value of a header that differs from response to response, if it has one."""


def add_part(config: Configurator, part: Part) -> None:
    """Add a function that adds headers to all responses of an application."""
    _writer_of(config).parts.append(part)


def add_value(config: Configurator, name: str, value_of: Value) -> None:
    """Add a header to all responses of an application, whose value differs."""
    _writer_of(config).values.append((name, value_of))


def _writer_of(config: Configurator) -> _Writer:
    registry = config.registry
    writer: _Writer | None = getattr(registry, "response_headers", None)
    if writer is None:
        writer = registry.response_headers = told_once(_Writer())
        config.add_subscriber(writer, NewResponse)
    return writer


class _Lines(NamedTuple):
    """The headers for one case.

    Attributes
    ----------
    replaced : names of the headers that they replace, in lower case.
    """

    replaced: frozenset[str]
    added: Sequence[tuple[str, str]]


class _Writer:
    """Writes the headers of all responses of an application, as a subscriber to ``NewResponse``.

    Attributes
    ----------
    parts : functions that add headers.
    values : headers whose values differ from response to response.
    """

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.values: list[tuple[str, Value]] = []
        self._known: dict[Hashable, _Lines] = {}

    def __call__(self, event: NewResponse) -> None:
        request, response = event.request, event.response
        headers: list[tuple[str, str]] = response.headerlist
        status: str = response.status
        case = _case(request, headers, status)
        try:
            lines = self._known.get(case)
        except TypeError:
            # Code of the application has changed a setting to a list.
            case = lines = None
        if lines is None:
            self._work_out(request, response, case)
        else:
            if lines.replaced:
                headers[:] = [item for item in headers if item[0].lower() not in lines.replaced]
            headers += lines.added
            for name, value_of in self.values:
                value = value_of(request)
                if value is not None:
                    headers.append((name, value))
        if status >= "4":
            # It comes last, because no header but its own depends on the form of an error.
            problems.rewrite(request.registry, request.environ, response)

    def _work_out(self, request: Request, response: Response, case: Hashable) -> None:
        """Add the headers to a response, and remember them for its case."""
        new = NewHeaders(response)
        for part in self.parts:
            part(request, response, new)
        own = {name.lower() for name, _ in self.values}
        # What a response already says in these headers is a part of the new ones.
        if case is not None and new.present.isdisjoint(("vary", *own)):
            if len(self._known) >= _MAX_CASES:
                self._known.clear()
            replaced = new.present.intersection(map(str.lower, new))
            self._known[case] = _Lines(frozenset(replaced), (*new.before, *new.items()))
        for name, value_of in self.values:
            value = value_of(request)
            if value is not None:
                new[name] = value
        new.write(response)


def _case(request: Request, headers: Sequence[tuple[str, str]], status: str) -> Hashable:
    """Return what the headers of a response depend on; ``None`` if they are worked out anew."""
    environ = request.environ
    method = environ.get("REQUEST_METHOD", "GET")
    query_string = environ.get("QUERY_STRING")
    origin = environ.get("HTTP_ORIGIN")
    if (
        method not in _METHODS_WITH_CASES
        or (query_string and "_sync" in query_string)
        or (origin and len(origin) > _MAX_ORIGIN_CHARACTERS)
    ):
        return None
    # An operator may change these in a running service.
    configured: Any = request.registry.settings
    return (
        # A route has one service.
        request.__dict__.get("matched_route"),
        method,
        status,
        origin,
        "HTTP_AUTHORIZATION" not in environ and is_private(request),
        configured.get("backoff"),
        configured.get("cors_origins"),
        *map(_NAME, headers),
    )


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
