"""Which clients want a stream of events in place of a list (E-14.2)."""

from __future__ import annotations

from typing import Final

from pyramid.request import Request
from webob.acceptparse import create_accept_header

from cliquet import settings, utils
from cliquet.security.sent_parameters import sent_parameters

__all__ = ["MEDIA_TYPE", "is_offered", "is_possible", "is_preferred", "why_not"]

MEDIA_TYPE: Final = "text/event-stream"


def is_preferred(request: Request) -> bool:
    """Return whether a client wants events rather than one JSON text."""
    accept: str = request.environ.get("HTTP_ACCEPT", "")
    if MEDIA_TYPE not in accept.lower():
        return False
    offers = create_accept_header(accept).acceptable_offers(["application/json", MEDIA_TYPE])
    return bool(offers) and offers[0][0] == MEDIA_TYPE


def is_offered(request: Request) -> bool:
    """Return whether the URL is that of a list of changes, which clients may have as a stream."""
    service = utils.current_service(request)
    return (
        getattr(service, "type", None) == "collection"
        and request.method in ("GET", "HEAD")
        and "_sync" in sent_parameters(request)
        and settings.has_sync_tokens(request.registry.settings, service.resource_name)
    )


def is_possible(request: Request) -> bool:
    """Return whether it is the list of a resource with tokens that a client wants as a stream."""
    return is_offered(request) and is_preferred(request)


def why_not(request: Request) -> str:
    """Return why a client who asks for a stream of changes gets none, or an empty text.

    Without this, the refusal of the header looks as if no service had streams.
    """
    service = utils.current_service(request)
    is_list = getattr(service, "type", None) == "collection" and request.method in ("GET", "HEAD")
    if not is_list or not is_preferred(request):
        return ""
    if not settings.has_sync_tokens(request.registry.settings, service.resource_name):
        return ". Streams are off here: sync_enabled is false"
    return "" if "_sync" in sent_parameters(request) else ". A stream needs the parameter _sync"
