"""One result of a check."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Finding"]


class Finding(NamedTuple):
    """Something in the code of an application that is probably a mistake.

    Attributes
    ----------
    text : what was given, what is allowed, and the nearest name.
    is_certain : whether no application can mean it, so that the service must not start.
    """

    text: str
    is_certain: bool = True
