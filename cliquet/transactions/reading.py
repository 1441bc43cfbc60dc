"""Whether the request that is being processed may read from a replica, and what it must see there.

A replica of a database is a little late. A request may read from it what its client cannot tell
from the answer to an earlier request. Where a request begins, the layer above says whether that is
so, and each backend asks here. Without such a request, everything is read from the primary.
"""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["Reading", "begin", "end", "need", "present"]


class Reading:
    """The earliest state that a request may see.

    Parameters
    ----------
    known : the latest timestamp of the collection that the client has shown to know, in ms; 0 if it
        knows nothing.

    Attributes
    ----------
    needed : the latest timestamp that the client or the request itself knows: what is read later is
        never older than what was read before.
    """

    __slots__ = ("known", "needed")

    def __init__(self, known: int) -> None:
        self.known = known
        self.needed = known


_reading: ContextVar[Reading | None] = ContextVar("cliquet_reading", default=None)


def begin(known: int) -> None:
    """Let the present request read from replicas that have what its client knows."""
    _reading.set(Reading(known))


def end() -> None:
    """Let the present request read from the primary from now on."""
    _reading.set(None)


def present() -> Reading | None:
    """Return what the request must see; ``None`` if it has to read from the primary."""
    return _reading.get()


def need(timestamp: int | None) -> None:
    """Let what is read later be no older than a timestamp of the collection, in ms."""
    found = _reading.get()
    if found is not None and timestamp is not None and timestamp > found.needed:
        found.needed = timestamp
