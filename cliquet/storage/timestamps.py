"""The rule that gives a change its timestamp, for the storages that apply it in Python (B-4.7)."""

from __future__ import annotations

from typing import Any

__all__ = ["next_timestamps", "require_timestamp"]


def require_timestamp(supplied: Any) -> int | None:
    """Return the timestamp that a caller wants for a record, once sure that it is one.

    Raises
    ------
    TypeError : it is neither an integer nor ``None``.
    """
    if supplied is None or (isinstance(supplied, int) and not isinstance(supplied, bool)):
        return supplied
    raise TypeError(f"A timestamp is an integer, not {supplied!r}.")


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
        than the previous one (X-19).
    """
    if supplied is not None and (previous is None or supplied > previous):
        return supplied, supplied
    latest = now if previous is None else max(now, previous + 1)
    # One equal to the collection's is not kept: it would hide the change (B-21.5).
    return latest if supplied is None or supplied == previous else supplied, latest
