"""Headers of all responses, which several functions compute, and which are written at once.

A step of the initialization adds such a function. They are called in the order in which they were
added, before any subscriber of the application to ``NewResponse``, which may change the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pyramid.config import Configurator
from pyramid.events import NewResponse
from pyramid.request import Request
from pyramid.response import Response

__all__ = ["NewHeaders", "Part", "add_part", "write"]


class NewHeaders(dict[str, str]):
    """The headers that will be written: values by name, which replace those of the response.

    Parameters
    ----------
    response : response that gets the headers.

    Attributes
    ----------
    present : names of the headers that the response already has, in lower case.
    """

    __slots__ = ("present",)

    def __init__(self, response: Response) -> None:
        self.present = {name.lower() for name, _ in response.headerlist}

    def write(self, response: Response) -> None:
        """Write the headers to the response."""
        headers: list[tuple[str, str]] = response.headerlist
        if self.present:
            replaced = self.present.intersection(name.lower() for name in self)
            if replaced:
                headers[:] = [item for item in headers if item[0].lower() not in replaced]
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


def _write(event: NewResponse) -> None:
    write(event.request, event.response, event.request.registry.response_header_parts)


def write(request: Request, response: Response, parts: Iterable[Part]) -> None:
    """Add the headers of all parts to a response."""
    new = NewHeaders(response)
    for part in parts:
        part(request, response, new)
    new.write(response)
