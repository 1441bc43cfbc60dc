"""What a client that polls with ``_since`` is told of deletions that were forgotten (E-13.2).

A tombstone that was purged is in no list. The collection remembers the timestamp of the latest one,
its horizon, and a client whose ``_since`` is earlier may keep a record that was deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from pyramid.httpexceptions import HTTPGone
from pyramid.request import Request

from cliquet import errors
from cliquet.resource import headers
from cliquet.resource.preferences import STRICT
from cliquet.storage import Filter
from cliquet.storage.history import History
from cliquet.storage.query import COMPARISON

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = ["gone", "tell"]

# The parameters that say which changes are wanted, in which order and from which page on. A list of
# everything has none of them.
_OF_CHANGES: Final = frozenset(("_since", "_to", "_before", "_token", "_sort", "_sync"))


def tell(resource: UserResource, filters: Sequence[Filter], history: History) -> None:
    """Send the horizon with a list of changes, or refuse what can no longer be told in full.

    Parameters
    ----------
    history : that of the collection, which came with the page.

    Raises
    ------
    HTTPGone : the client wants strict handling, and its ``_since`` is before the horizon.
    """
    request = resource.request
    if not any(name.strip() == "_since" for name in request.GET):
        return
    is_strict = STRICT.is_in(request.headers.get("Prefer", ""))
    if history.purged and is_strict:
        field = resource.model.modified_field
        since = [
            item.value
            for item in filters
            if item.field == field and item.operator is COMPARISON.GT and type(item.value) is int
        ]
        if since and max(since) < history.purged:
            response = gone(request, "horizon", history)
            STRICT.add_applied(response.headers)
            raise response
    response_headers = request.response.headers
    if history.purged:
        headers.add_sync_horizon(response_headers, history.purged)
    if is_strict:
        STRICT.add_applied(response_headers)


def gone(request: Request, reason: str, history: History) -> HTTPGone:
    """Return the answer to a client that must start again from the whole list (E-11.5)."""
    response = errors.http_error(
        HTTPGone(),
        errno=errors.ERRORS.SYNC_TOKEN_OUTDATED,
        message=errors.ERRORS.SYNC_TOKEN_OUTDATED.sentence,
        details={"reason": reason},
    )
    if history.purged:
        headers.add_sync_horizon(response.headers, history.purged)
    response.headers["Link"] = f'<{_url_of_everything(request)}>; rel="full"'
    # Caches may keep this status (RFC 9110 15.5.11), and must not give it to other clients.
    response.headers["Cache-Control"] = "no-store"
    return response


def _url_of_everything(request: Request) -> str:
    """Return the URL of the same list, whose beginning is that of the collection."""
    kept = [(name, value) for name, value in request.GET.items() if name.strip() not in _OF_CHANGES]
    return f"{request.path_url}?{urlencode([*kept, ('_sync', '')])}"
