"""The rule for the timestamp of a change, for the storages that apply it in Python (B-4.7)."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["MAX_TIMESTAMP", "next_timestamp", "next_timestamps", "require_timestamp"]

MAX_TIMESTAMP: Final = 2**53 - 1
"""The last timestamp, in ms: the greatest integer that all JSON clients read exactly (X-28).

No later timestamp is stored or sent. Only the server itself can bring a collection to it. Then the
collection goes on from the clock, so that its next change is, once, earlier than its last one. If
it were later, no client could name it; if it were equal, no client would see it, or any later
change.
"""


def require_timestamp(supplied: Any) -> int | None:
    """Return the timestamp that a caller wants for a record, after checking it.

    Raises
    ------
    TypeError : it is neither an integer nor ``None``.
    ValueError : it is before the Epoch or beyond :data:`MAX_TIMESTAMP`, so that the service would
        send a timestamp that it does not accept.
    """
    if supplied is None:
        return None
    if not isinstance(supplied, int) or isinstance(supplied, bool):
        raise TypeError(f"A timestamp is an integer, not {supplied!r}.")
    if not 0 <= supplied <= MAX_TIMESTAMP:
        raise ValueError(f"A timestamp is from 0 to {MAX_TIMESTAMP}, hence not {supplied}.")
    return supplied


def next_timestamp(previous: int | None, now: int, number: int = 1) -> int:
    """Return the first of several consecutive timestamps, for changes of a collection.

    Parameters
    ----------
    previous : timestamp of the collection, in ms since the Epoch, or ``None`` if it was never
        touched.
    now : time of the clock, in ms since the Epoch.
    number : number of changes that are made together.
    """
    if previous is None or previous > MAX_TIMESTAMP - number:
        return now
    return max(now, previous + 1)


def next_timestamps(previous: int | None, supplied: int | None, now: int) -> tuple[int, int]:
    """Choose the timestamps of a change.

    Parameters
    ----------
    previous : timestamp of the collection, in ms since the Epoch, or ``None`` if it was never
        touched.
    supplied : timestamp that the caller wants for the record, in ms since the Epoch.
    now : time of the clock, in ms since the Epoch.

    Returns
    -------
    tuple : timestamp of the record, and the new one of the collection, which is always greater than
        the previous one (X-19), except after :data:`MAX_TIMESTAMP`.
    """
    if supplied is not None and (previous is None or supplied > previous):
        return supplied, supplied
    latest = next_timestamp(previous, now)
    # A wanted timestamp that equals that of the collection is not used, because it would hide the
    # change (B-21.5).
    return latest if supplied is None or supplied == previous else supplied, latest
