"""The headers of responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cliquet import settings
from cliquet.openapi.components import Components, Described

__all__ = ["LIST", "RECORD", "VALIDATORS", "of_all", "of_writes", "references"]

_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "integer"}
_TAG: Final = {"type": "string", "pattern": '^"[0-9]+"$', "examples": ['"1430140411480"']}

_OF_ALL: Final = ("Alert", "Backoff", "Deprecation", "Sunset", "X-Request-Id")

VALIDATORS: Final = ("ETag", "Last-Modified")
"""Headers that say which version a response shows."""

RECORD: Final = (*VALIDATORS, "Cache-Control", "Expires")
"""Headers of a record, and of a 304."""

LIST: Final = (
    *RECORD,
    "Total-Records",
    "Next-Page",
    "Link",
    "Sync-Horizon",
    "Sync-Token",
    "Preference-Applied",
)
"""Headers of a list."""

_KNOWN: Final[dict[str, tuple[str, Described]]] = {
    "Accept-Patch": ("The media types that PATCH accepts (RFC 5789).", _TEXT),
    "Alert": (
        "A message for the users of the client, as JSON with `code`, `message`, `url`.",
        _TEXT,
    ),
    "Backoff": ("The seconds that the client should wait between requests.", _TEXT),
    "Cache-Control": ("How long caches may keep the response.", _TEXT),
    "Deprecation": ("When the service ends, in seconds since 1970 after `@` (RFC 9745).", _TEXT),
    "ETag": ("The timestamp of the record or list in milliseconds, in quotes.", _TAG),
    "Expires": ("The end of the time that caches may keep the response.", _TEXT),
    "Last-Modified": ("The same as `ETag`, as an HTTP date.", _TEXT),
    "Link": ("Related addresses (RFC 8288).", _TEXT),
    "Location": ("The address of the new record.", _TEXT),
    "Next-Page": ("The address of the next page; without it, this is the last one.", _TEXT),
    "Preference-Applied": ("The preferences of `Prefer` that the response follows.", _TEXT),
    "Retry-After": ("The seconds to wait before the request is sent again.", _NUMBER),
    "Sunset": ("When the service ends, as an HTTP date (RFC 8594).", _TEXT),
    "Sync-Bookmark": (
        "What to send with later reads, to see what this request wrote.",
        {"type": "string", "pattern": "^[0-9]+$"},
    ),
    "Sync-Horizon": ("The timestamp of the latest deletion that was forgotten.", _TAG),
    "Sync-Token": ("What to ask for changes with, as `_sync`, the next time.", _TEXT),
    "Total-Records": ("The number of matching records on all pages.", _NUMBER),
    "WWW-Authenticate": ("How to authenticate.", _TEXT),
    "X-Request-Id": ("The id of the request in the logs.", _TEXT),
}


def references(components: Components, *names: str) -> Described:
    """Return the headers of a response by their names; none of them is always there."""
    return {name: components.refer("headers", name, lambda n=name: _header(n)) for name in names}  # type: ignore[misc]


def of_all(components: Components) -> Described:
    """Return the headers that every response may have."""
    return references(components, *_OF_ALL)


def of_writes(components: Components, configured: Mapping[str, Any]) -> Described:
    """Return the headers that a response has because something was written."""
    return references(
        components, *(("Sync-Bookmark",) if settings.has_bookmarks(configured) else ())
    )


def _header(name: str) -> Described:
    description, schema = _KNOWN[name]
    return {"description": description, "schema": schema}
