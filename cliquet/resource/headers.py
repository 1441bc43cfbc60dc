"""Response headers of resources: validators, caching, lists.

This module defines how values are written in headers. It does not know the request: functions
return text, or write headers.
"""

from __future__ import annotations

import functools
from collections.abc import MutableMapping, Sequence
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any, Final

from webob.response import Response

from cliquet import utils

__all__ = [
    "add_next_page",
    "add_sync_horizon",
    "add_sync_token",
    "cache_control",
    "etag",
    "http_date",
    "of_next_page",
    "of_timestamp",
    "of_total",
    "write",
]

# 9999-12-31T23:59:59Z is the last second of dates in Python and in HTTP.
_LAST_SECOND: Final = 253402300799


def etag(timestamp: int) -> str:
    """Return the strong entity tag of a timestamp in milliseconds, with its quotes (H-9.5)."""
    return f'"{timestamp}"'


def http_date(timestamp: int) -> str:
    """Return the HTTP date of a timestamp in milliseconds, rounded down to the second (H-9.6).

    Names are English whatever the locale is (RFC 9110 5.6.7). For a time after the year 9999, it is
    the last second of that year: a collection whose timestamp a client has pushed so far must stay
    readable (D-4).
    """
    return _date_of(min(timestamp // 1000, _LAST_SECOND))


# The dates of recently read or written objects are needed many times.
@functools.lru_cache(maxsize=1024)
def _date_of(seconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, timezone.utc), usegmt=True)


def cache_control(expires_seconds: int | None, is_private: bool) -> list[tuple[str, str]]:
    """Return the headers that say how a successful GET, or its 304, may be cached (H-30.1).

    Parameters
    ----------
    expires_seconds : setting ``<resource>_cache_expires_seconds``; ``None`` or 0 if it is not set.
    is_private : whether the request has a user, or principals that not everybody has.

    Returns
    -------
    Names and values: either ``no-cache`` (with ``private`` for a private answer, which keeps it out
    of shared caches, RFC 9111 5.2.2.7), or a lifetime in seconds with its end by the clock of the
    server.
    """
    if is_private:
        return [("Cache-Control", "private, no-cache")]
    if not expires_seconds or expires_seconds < 0:
        return [("Cache-Control", "no-cache")]
    expires = http_date(utils.msec_time() + expires_seconds * 1000)
    return [("Cache-Control", f"max-age={expires_seconds}"), ("Expires", expires)]


def of_timestamp(timestamp: int) -> list[tuple[str, str]]:
    """Return ``ETag`` and ``Last-Modified`` for a timestamp in milliseconds (H-9.7)."""
    # These are `etag` and `http_date`: most responses have both headers.
    date = _date_of(min(timestamp // 1000, _LAST_SECOND))
    return [("ETag", f'"{timestamp}"'), ("Last-Modified", date)]


def write(response: Any, new: Sequence[tuple[str, str]]) -> None:
    """Set headers of a response, in place of those with the same names.

    The headers of WebOb are a mapping, which looks through all of them for each new one.

    Parameters
    ----------
    response : a response, or the mock of a test of an application.
    """
    if not isinstance(response, Response):
        response.headers.update(new)
        return
    # The property is a function of WebOb that returns it.
    lines: list[tuple[str, str]] = response._headerlist
    if len(lines) > 2:
        # A response begins with the two headers of its body. Most of the others are new.
        replaced = set()
        for name, _ in new:
            replaced.add(name.lower())
        for name, _ in lines:
            if name.lower() in replaced:
                lines[:] = [line for line in lines if line[0].lower() not in replaced]
                break
    lines.extend(new)


def of_total(total: int) -> list[tuple[str, str]]:
    """Return ``Total-Records``, the number of matching live records on all pages (H-11.3)."""
    return [("Total-Records", str(total))]


def add_sync_horizon(headers: MutableMapping[str, str], position: int) -> None:
    """Set ``Sync-Horizon``, the timestamp of the latest deletion that was forgotten (E-13.2)."""
    headers["Sync-Horizon"] = f'"{position}"'


def add_sync_token(headers: MutableMapping[str, str], token: str) -> None:
    """Set ``Sync-Token``, with which a client asks for what changes from now on (E-11.1)."""
    headers["Sync-Token"] = token


def of_next_page(url: str) -> list[tuple[str, str]]:
    """Return ``Next-Page``, the absolute URL of the page after a full page (H-14.5).

    ``Link`` says the same to programs that know RFC 8288 (E-20.2).
    """
    return [("Next-Page", url), ("Link", f'<{url}>; rel="next"')]


def add_next_page(headers: MutableMapping[str, str], url: str) -> None:
    """Set ``Next-Page`` and ``Link``."""
    headers.update(of_next_page(url))
