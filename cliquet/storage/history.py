"""What a collection still knows of its past: the horizon behind which it has forgotten, the epoch.

A client that follows ``_since`` sees each change as a record or a tombstone. It does not see what
was removed without a tombstone, or whose tombstone was purged. These values tell when that is so.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

__all__ = ["History", "new_epoch"]


class History(NamedTuple):
    """What a collection still knows of its past.

    .. versionadded:: 3.2

    Attributes
    ----------
    purged : timestamp in ms of the latest deletion that was forgotten; 0 if there is none. A client
        with an earlier timestamp may have missed a deletion.
    epoch : 8 hexadecimal digits that name one life of the data of the collection, which ends with a
        flush, and when the data are set back. It is empty if the collection was never touched, or
        if the storage does not know it.
    """

    purged: int = 0
    epoch: str = ""


def new_epoch() -> str:
    """Return the name of a new epoch."""
    return secrets.token_hex(4)
