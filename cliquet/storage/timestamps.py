"""The rule that gives a change its timestamp, for the storages that apply it in Python (B-4.7)."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["MAX_TIMESTAMP", "next_timestamp", "next_timestamps", "require_timestamp"]

MAX_TIMESTAMP: Final = 2**53 - 1
"""The last timestamp that there is, in ms: the last integer that JSON carries to every client
(X-28).

Nothing later is stored or told. A collection that has come to it, which takes a server's own doing,
goes on from the clock: its next change is earlier than its last, once. Were it later, no client
could name it; were it the same, no client would see it, nor any change after it.
"""


def require_timestamp(supplied: Any) -> int | None:
    """Return the timestamp that a caller wants for a record, once sure that it is one.

    Raises
    ------
    TypeError : it is neither an integer nor ``None``.
    ValueError : it is before the Epoch or beyond :data:`MAX_TIMESTAMP`: the service would tell what
        it does not take back (X-28).
    """
    if supplied is None:
        return None
    if not isinstance(supplied, int) or isinstance(supplied, bool):
        raise TypeError(f"A timestamp is an integer, not {supplied!r}.")
    if not 0 <= supplied <= MAX_TIMESTAMP:
        raise ValueError(f"A timestamp is from 0 to {MAX_TIMESTAMP}, hence not {supplied}.")
    return supplied


def next_timestamp(previous: int | None, now: int, number: int = 1) -> int:
    """Return the first of a number of timestamps in a row, for changes of a collection.

    Parameters
    ----------
    previous : timestamp of the collection, or ``None`` if it was never touched.
    now : reading of the clock. Both in milliseconds since the Epoch.
    number : of changes made together.
    """
    if previous is None or previous > MAX_TIMESTAMP - number:
        return now
    return max(now, previous + 1)


def next_timestamps(previous: int | None, supplied: int | None, now: int) -> tuple[int, int]:
    """Choose the timestamps of a change.

    Parameters
    ----------
    previous : timestamp of the collection, or ``None`` if it was never touched.
    supplied : timestamp that the caller wants for the record.
    now : reading of the clock. All in milliseconds since the Epoch.

    Returns
    -------
    tuple : timestamp of the record, and the new one of the collection, which is always greater
        than the previous one (X-19), but for what :data:`MAX_TIMESTAMP` says.
    """
    if supplied is not None and (previous is None or supplied > previous):
        return supplied, supplied
    latest = next_timestamp(previous, now)
    # One equal to the collection's is not kept: it would hide the change (B-21.5).
    return latest if supplied is None or supplied == previous else supplied, latest
