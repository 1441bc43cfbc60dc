"""One result of a check, and the place that it is about."""

from __future__ import annotations

from typing import Any, NamedTuple

from cliquet.core.mistakes import Place

__all__ = ["Finding", "where"]


class Finding(NamedTuple):
    """Something in the code of an application that is probably a mistake.

    Attributes
    ----------
    text : what was given, what is allowed, and the nearest name.
    is_certain : whether no application can mean it, so that the service must not start.
    """

    text: str
    is_certain: bool = True


def where(schema: Any) -> object:
    """Return the place of a schema: an adapter knows where the application has made it.

    Its text is made only for a finding, because it reads the source.
    """
    return getattr(schema, "place", None) or Place(type(schema))
