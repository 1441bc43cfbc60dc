"""Response headers of resources: validators, caching, listings (sections 9, 14 and 30).

Owns how a value is written in a header. Knows neither the request nor the response: functions
give text, or write into a mapping of headers such as WebOb's.
"""

from __future__ import annotations

import functools
from collections.abc import MutableMapping
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Final

from cliquet import utils

__all__ = [
    "add_cache_headers",
    "add_next_page",
    "add_timestamp_headers",
    "add_total_records",
    "cache_control",
    "etag",
    "http_date",
]

# 9999-12-31T23:59:59Z: neither Python nor an HTTP date goes further.
_LAST_SECOND: Final = 253402300799


def etag(timestamp: int) -> str:
    """Give the entity tag of a timestamp in milliseconds: strong, quotes included (H-9.5)."""
    return f'"{timestamp}"'


def http_date(timestamp: int) -> str:
    """Give the HTTP date of a timestamp in milliseconds, floored to the second (H-9.6).

    Names are English whatever the locale (RFC 9110 5.6.7). A time beyond the year 9999 gives its
    last second: a collection whose timestamp a client pushed to the end must stay readable (D-4).
    """
    return _date_of(min(timestamp // 1000, _LAST_SECOND))


# The dates of what was read or written last are asked for again and again.
@functools.lru_cache(maxsize=1024)
def _date_of(seconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, timezone.utc), usegmt=True)


def cache_control(expires_seconds: int | None, is_private: bool) -> list[tuple[str, str]]:
    """Decide how a successful GET, or its 304, may be cached (H-30.1 to H-30.4, D-40, D-69).

    Parameters
    ----------
    expires_seconds : setting ``<resource>_cache_expires_seconds``; none or 0 when unset.
    is_private : the request has a user, or principals that not everybody has.

    Returns
    -------
    Names and values: ``no-cache``, for a private answer with ``private``, which keeps it out of
    shared caches altogether (RFC 9111 5.2.2.7); or a lifetime in seconds with its end by the
    server's clock.
    """
    if is_private:
        return [("Cache-Control", "private, no-cache")]
    if not expires_seconds or expires_seconds < 0:
        return [("Cache-Control", "no-cache")]
    expires = http_date(utils.msec_time() + expires_seconds * 1000)
    return [("Cache-Control", f"max-age={expires_seconds}"), ("Expires", expires)]


def add_timestamp_headers(headers: MutableMapping[str, str], timestamp: int) -> None:
    """Set ``ETag`` and ``Last-Modified`` from a timestamp in milliseconds (H-9.7)."""
    headers["ETag"] = etag(timestamp)
    headers["Last-Modified"] = http_date(timestamp)


def add_cache_headers(
    headers: MutableMapping[str, str], expires_seconds: int | None, is_private: bool
) -> None:
    """Set what :func:`cache_control` decides."""
    for name, value in cache_control(expires_seconds, is_private):
        headers[name] = value


def add_total_records(headers: MutableMapping[str, str], total: int) -> None:
    """Set ``Total-Records``: live records that match, whatever the page (H-11.3)."""
    headers["Total-Records"] = str(total)


def add_next_page(headers: MutableMapping[str, str], url: str) -> None:
    """Set ``Next-Page``: the absolute URL of what follows a full page (H-14.5)."""
    headers["Next-Page"] = url
