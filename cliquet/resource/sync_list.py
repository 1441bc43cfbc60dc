"""The list of a collection for a client that synchronises with tokens: ``?_sync=`` (E-11).

:mod:`cliquet.resource.syncing` finds the pages. This module reads the request, and makes the
response.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pyramid.request import Request

from cliquet import errors, settings, utils
from cliquet.core.globs import is_pattern
from cliquet.monitoring import logs
from cliquet.resource import (
    headers,
    horizon,
    listing,
    listing_query,
    live,
    pagination,
    refusals,
)
from cliquet.resource.hook_results import as_body
from cliquet.resource.sync_token import SyncToken, digest
from cliquet.resource.syncing import Source, SyncOutdatedError, SyncPage, next_page

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = ["get_page", "is_asked", "read_token", "refuse_deletion", "source_of"]

# The position says which page it is, so that there is only one order.
_REFUSED: Final = ("_sort", "_since", "_to", "_before", "_token")


def is_asked(resource: UserResource) -> bool:
    """Return whether ``_sync`` in the query string has a meaning for a resource."""
    request = resource.request
    return bool(
        settings.has_sync_tokens(
            request.registry.settings, getattr(request, "current_resource_name", None)
        )
        and resource.model.storage.keeps_departures
        and not is_pattern(resource.model.parent_id)
    )


def get_page(resource: UserResource) -> dict[str, Any]:
    """Answer a page of the start of a client, or a page of the changes since its token."""
    request, response = resource.request, resource.request.response
    partial_fields = _partial_fields(resource)
    limit = resource._extract_limit()
    live.leave_to_feed(resource, request.GET["_sync"])
    token = read_token(request)
    source = source_of(resource)
    _raise_if_current(resource, source)
    try:
        page = listing.read_timestamp(request, partial(next_page, source, token, limit))
    except SyncOutdatedError as error:
        raise horizon.gone(request, error.reason, error.history) from None
    except ValueError:
        refuse_token(request)
    if resource._timestamp is None:
        resource._timestamp = page.timestamp
        logs.bind(collection_timestamp=page.timestamp)
        resource._add_timestamp_header(response)
        resource._add_cache_header(response)
    _add_continuation(request, page, limit)
    records = page.items
    logs.bind(nb_records=len(records), limit=limit)
    if partial_fields is not None:
        records = [utils.dict_subset(record, partial_fields) for record in records]
    return as_body(resource, resource.postprocess(records))


def _raise_if_current(resource: UserResource, source: Source) -> None:
    """Judge the conditions of the request, which compare the timestamp of the collection.

    Of a part of the collection, this does not tell whether the user has got or lost records.
    """
    conditions = resource.request.headers
    if conditions.get("If-Match") or (source.view.is_whole and conditions.get("If-None-Match")):
        response = resource.request.response
        resource._add_timestamp_header(response)
        resource._add_cache_header(response)
        if source.view.is_whole:
            resource._raise_304_if_not_modified()
        resource._raise_412_if_modified()


def read_token(request: Request) -> SyncToken | None:
    """Read ``_sync``, and refuse the parameters that cannot be beside it.

    Returns
    -------
    The token, or ``None`` if the client starts.

    Raises
    ------
    HTTPBadRequest : the token is damaged, or there are two; or another parameter is refused.
    """
    for name in request.GET:
        if name.strip() in _REFUSED:
            description = f"{name} cannot be used with _sync"
            errors.raise_invalid(
                request, location="querystring", name=name, description=description
            )
    values = request.GET.getall("_sync")
    if len(values) > 1:
        refuse_token(request)
    if not values[0]:
        return None
    try:
        return SyncToken.decode(values[0])
    except ValueError:
        refuse_token(request)


def refuse_token(request: Request) -> NoReturn:
    """Answer 400 for a token that is damaged, or of another list."""
    errors.raise_invalid(
        request,
        location="querystring",
        name="_sync",
        description="_sync is no token of this list",
    )


def refuse_deletion(request: Request) -> NoReturn:
    """Answer 400 to a deletion with a token, which would delete everything."""
    description = "_sync is for GET; a deletion takes filters"
    errors.raise_invalid(request, location="querystring", name="_sync", description=description)


def source_of(resource: UserResource) -> Source:
    """Return what a request synchronises: the collection, the filters, and the view of its user."""
    request, model = resource.request, resource.model
    asked = sorted(item for item in request.GET.items() if not item[0].strip().startswith("_"))
    texts = (text for item in asked for text in item)
    return Source(
        model,
        digest([model.collection_id, str(model.parent_id), *texts]),
        listing_query.own_filters(resource),
        resource._view(),
        is_readonly=settings.read(request.registry.settings, "readonly"),
    )


def _add_continuation(request: Request, page: SyncPage, limit: int | None) -> None:
    """Send the token of the next page in its URL, or that of the next time."""
    token = page.token.encode()
    response_headers = request.response.headers
    if page.is_last:
        headers.add_sync_token(response_headers, token)
        return
    kept = [item for item in request.GET.items() if item[0] not in ("_sync", "_limit")]
    query = pagination.query_of([*kept, ("_limit", str(limit)), ("_sync", token)])
    url = f"{request.path_url}?{query}"
    refusals.raise_414_if_outgrown(request, url)
    headers.add_next_page(response_headers, url)


def _partial_fields(resource: UserResource) -> list[str] | None:
    """Read ``_fields``, to which those are added that a client needs to keep its copy."""
    fields = resource._extract_partial_fields()
    if fields is None:
        return None
    model = resource.model
    needed = (model.id_field, model.modified_field, model.deleted_field)
    return list(dict.fromkeys((*fields, *needed)))
