"""What the client of a request shows that it knows, so that a replica may serve it or not.

This module reads the request, and knows nothing of databases.
"""

from __future__ import annotations

import re
from typing import Final

from pyramid.request import Request

from cliquet import utils

__all__ = ["BOOKMARK", "known_to"]

BOOKMARK: Final = "Sync-Bookmark"
"""The header with the timestamp of a write, which clients send back to see what they wrote."""

_TIMESTAMP: Final = re.compile(r'\s*(?:"([0-9]{1,16})"|([0-9]{1,16}))\s*')
_HEADERS: Final = ("If-Match", "If-None-Match", BOOKMARK)
# They shape a list, and tell nothing of its state.
_HARMLESS: Final = frozenset(("_sort", "_limit", "_fields"))


def known_to(request: Request) -> int | None:
    """Return the latest timestamp that the client knows; 0 if it shows none.

    Returns
    -------
    ``None`` if the request has to see what is true now. This is so if it writes, is no list or
    record, or goes on with a list, whose pages belong together. It is also so if something is not
    understood here.
    """
    if request.method not in ("GET", "HEAD"):
        return None
    service = utils.current_service(request)
    resource = getattr(service, "resource", None)
    if resource is None:
        return None
    shown = [request.headers[name] for name in _HEADERS if name in request.headers]
    if request.query_string:
        modified_field = getattr(resource.default_model, "modified_field", "last_modified")
        for name, value in request.GET.items():
            parameter = name.strip()
            if parameter in ("_since", "_to", "_before") or parameter.endswith(modified_field):
                shown.append(value)
            elif parameter.startswith("_") and parameter not in _HARMLESS:
                return None
    matches = [_TIMESTAMP.fullmatch(text) for text in shown]
    if not all(matches):
        return None
    return max((int(match[1] or match[2]) for match in matches if match), default=0)
