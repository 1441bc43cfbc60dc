"""The time of a log line as text, of which all but the fraction is made once for each second."""

from __future__ import annotations

import functools
import time
from datetime import datetime, timezone
from typing import Final

__all__ = ["local_now", "utc_now"]

_SECOND: Final = 1_000_000_000
_MILLISECOND: Final = 1_000_000
_MICROSECOND: Final = 1_000


def local_now() -> str:
    """Return the local time in ISO 8601 as ``datetime.now().isoformat()`` does."""
    second, rest = divmod(time.time_ns(), _SECOND)
    microseconds = rest // _MICROSECOND
    whole = _local(second)
    return f"{whole}.{microseconds:06}" if microseconds else whole


def utc_now() -> str:
    """Return the time in ISO 8601, in UTC, with milliseconds and ``Z``."""
    second, rest = divmod(time.time_ns(), _SECOND)
    return f"{_utc(second)}.{rest // _MILLISECOND:03}Z"


# Threads may be at the turn of a second.
@functools.lru_cache(maxsize=2)
def _local(second: int) -> str:
    return datetime.fromtimestamp(second).isoformat()


@functools.lru_cache(maxsize=2)
def _utc(second: int) -> str:
    return datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
