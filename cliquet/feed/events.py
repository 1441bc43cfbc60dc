"""The text of a stream: server-sent events (WHATWG HTML, 9.2), one line of JSON each."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from cliquet.core import jsonio

__all__ = [
    "CONTENT_TYPE",
    "KEEP_ALIVE",
    "Item",
    "beginning",
    "checkpoint",
    "end",
    "items_of",
    "reset",
]

CONTENT_TYPE: Final = "text/event-stream"

KEEP_ALIVE: Final = b": keep-alive\n\n"
"""A comment, which clients ignore, and which finds out whether they are still there."""


class Item(NamedTuple):
    """A change as it is sent.

    Attributes
    ----------
    id : id of the record.
    last_modified : timestamp of the item, in ms; 0 if the fields that were asked for lack it.
    """

    id: Any
    last_modified: int
    text: bytes


def items_of(
    records: Iterable[dict[str, Any]], *, id_field: str, modified_field: str
) -> list[Item]:
    """Return the events of the items of a list."""
    return [
        Item(
            record.get(id_field),
            record.get(modified_field, 0),
            b"event: change\ndata: %b\n\n" % jsonio.dumps(record),
        )
        for record in records
    ]


def beginning() -> bytes:
    """Return what a stream begins with: when to come back after it, not all at the same moment."""
    return b"retry: %d\n\n" % random.randint(500, 2500)  # noqa: S311 - no secret


@functools.lru_cache(maxsize=16)
def checkpoint(token: str) -> bytes:
    """Return the event after all changes up to a token.

    Its ``id`` is what browsers send as ``Last-Event-ID`` when they come back.
    """
    return b"event: checkpoint\nid: %b\ndata: %b\n\n" % (
        token.encode("ascii"),
        jsonio.dumps({"token": token}),
    )


def reset(details: Any) -> bytes:
    """Return the event for a client that must begin again from the whole list (E-11.5).

    The empty ``id`` makes browsers forget the token that is of no use any more.
    """
    return b"event: reset\nid\ndata: %b\n\n" % jsonio.dumps(details)


def end(error: bytes) -> bytes:
    """Return the last event, with the JSON text of an error."""
    return b"event: end\ndata: %b\n\n" % error.replace(b"\n", b" ")
