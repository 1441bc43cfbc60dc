"""What a client wants that does not only ask for changes, but waits for them (E-14.1, E-14.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cliquet.core.lazy import LazyModule
from cliquet.resource.model import ShareableModel
from cliquet.resource.preferences import value_of
from cliquet.resource.user_model import Model
from cliquet.storage.selection import CollectionKey
from cliquet.web import streams

if TYPE_CHECKING:
    from cliquet.feed import answers as feed_answers
    from cliquet.feed import hub as feed_hub
    from cliquet.feed import source as feed_source
    from cliquet.resource.user import UserResource
else:
    # Nothing of the feed is loaded before a client waits.
    feed_answers = LazyModule("cliquet.feed.answers")
    feed_hub = LazyModule("cliquet.feed.hub")
    feed_source = LazyModule("cliquet.feed.source")

__all__ = ["leave_to_feed", "wanted_seconds"]

# A stream reads so many items at once, and no more before its client has taken them.
_MAX_ITEMS: Final = 200
_SECONDS: Final = re.compile("[0-9]{1,9}")
# If an application has none of these of its own, the answers depend on nothing but the token.
_METHODS: Final = ("collection_get", "postprocess", "_extract_filters", "_extract_partial_fields")
_OWN: Final = frozenset(("cliquet.resource.user", "cliquet.resource.shareable"))


def leave_to_feed(resource: UserResource, token: str) -> None:
    """Leave a request for changes to the feed, if its client waits; otherwise return.

    Requests within another one, such as those of a batch, never wait.

    Parameters
    ----------
    token : text of ``_sync``.

    Raises
    ------
    cliquet.feed.answers.Answer : the response.
    """
    request = resource.request
    if request.method != "GET" or getattr(request, "parent", None) is not None:
        return
    if streams.is_preferred(request):
        hub = feed_hub.hub_of(request.registry)
        source = _source(resource, max_items=_MAX_ITEMS)
        raise feed_answers.EventStream(hub, source, request.headers.get("Last-Event-ID") or token)
    wanted = wanted_seconds(request.headers.get("Prefer", "")) if token else 0
    if wanted:
        hub = feed_hub.hub_of(request.registry)
        seconds = min(wanted, hub.max_wait_seconds)
        if seconds:
            source = _source(resource, max_items=None)
            raise feed_answers.LongPoll(hub, source, token, seconds=seconds)


def wanted_seconds(prefer: str) -> int:
    """Return how long a client wants to wait at most; 0 if it does not.

    Parameters
    ----------
    prefer : value of the header ``Prefer``.
    """
    value = value_of(prefer, "wait") or ""
    return int(value) if _SECONDS.fullmatch(value) else 0


def _source(resource: UserResource, *, max_items: int | None) -> feed_source.Source:
    model = resource.model
    return feed_source.Source(
        resource.request,
        CollectionKey(collection_id=model.collection_id, parent_id=str(model.parent_id)),
        id_field=model.id_field,
        modified_field=model.modified_field,
        is_alike=_is_as_published(type(resource)) and type(model) in (Model, ShareableModel),
        max_items=max_items,
    )


def _is_as_published(resource_class: type) -> bool:
    return all(getattr(resource_class, name).__module__ in _OWN for name in _METHODS)
