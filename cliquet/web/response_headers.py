"""Headers that every response has, whoever made it: worked out in parts, and written at once.

A step of the initialization adds a part. The parts are asked in the order in which they were added,
before any subscriber to ``NewResponse`` of the application, which has the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pyramid.config import Configurator
from pyramid.events import NewResponse
from pyramid.request import Request
from pyramid.response import Response

__all__ = ["NewHeaders", "Part", "add_part", "write"]


class NewHeaders(dict[str, str]):
    """What is going to be written: values by name, which replace those of the response.

    Parameters
    ----------
    response : to be written to.

    Attributes
    ----------
    present : names of the headers that the response has already, in lower case.
    """

    __slots__ = ("present",)

    def __init__(self, response: Response) -> None:
        self.present = {name.lower() for name, _ in response.headerlist}

    def write(self, response: Response) -> None:
        """Put the headers on the response."""
        headers: list[tuple[str, str]] = response.headerlist
        if self.present:
            replaced = self.present.intersection(name.lower() for name in self)
            if replaced:
                headers[:] = [item for item in headers if item[0].lower() not in replaced]
        headers.extend(self.items())


Part = Callable[[Request, Response, NewHeaders], None]
"""Adds what it knows of to the new headers; the response is only looked at."""


def add_part(config: Configurator, part: Part) -> None:
    """Have the headers of all responses of an application completed by a function."""
    registry = config.registry
    parts: list[Part] | None = getattr(registry, "response_header_parts", None)
    if parts is None:
        parts = registry.response_header_parts = []
        config.add_subscriber(_write, NewResponse)
    parts.append(part)


def _write(event: NewResponse) -> None:
    write(event.request, event.response, event.request.registry.response_header_parts)


def write(request: Request, response: Response, parts: Iterable[Part]) -> None:
    """Complete a response by what the parts say."""
    new = NewHeaders(response)
    for part in parts:
        part(request, response, new)
    new.write(response)
