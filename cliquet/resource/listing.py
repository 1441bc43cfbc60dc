"""The endpoints of the list of a collection: GET, and DELETE of the matching records.

:mod:`cliquet.resource.listing_query` reads the query string.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pyramid.httpexceptions import (
    HTTPException,
    HTTPServiceUnavailable,
)
from pyramid.request import Request
from pyramid.response import Response

from cliquet import errors, events, settings, utils
from cliquet.core.shortcuts import Shortcut
from cliquet.events import ACTIONS
from cliquet.monitoring import logs
from cliquet.resource import anchors, departed_list, headers, horizon, pagination, refusals, totals
from cliquet.resource.hook_results import as_body
from cliquet.resource.listing_query import reserved_fields
from cliquet.resource.writing import atomically
from cliquet.security.sent_headers import sends_condition, sent
from cliquet.security.sent_parameters import sent_pairs, sent_parameters
from cliquet.storage import Filter, Sort
from cliquet.storage.base import Page
from cliquet.storage.exceptions import BackendError
from cliquet.storage.page_text import PageText
from cliquet.storage.query import COMPARISON, PaginationRule
from cliquet.types import Record
from cliquet.web import rendering, urls

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = [
    "delete_list",
    "get_list",
    "know_timestamp",
    "next_page_url",
    "page_token",
    "read_timestamp",
]

T = TypeVar("T")

_READONLY_TIMESTAMP = (
    "Collection timestamp cannot be written. "
    "Records endpoint must be hit at least once from a writable instance."
)
# Resources without this shortcut read the timestamp of the collection before the list.
_TIMESTAMP_WITH_PAGE = Shortcut(
    "_timestamp_comes_with_page",
    "timestamp",
    "_add_timestamp_header",
    "_raise_304_if_not_modified",
    "_raise_412_if_modified",
)


def get_list(resource: UserResource) -> Any:
    """List records (H-11)."""
    response = resource.request.response
    is_of_changes = False
    for name in sent_parameters(resource.request):
        is_of_changes = is_of_changes or name.strip() == "_since"
    departed = departed_list.begun(resource) if is_of_changes else None
    read_filters = resource._extract_filters if departed is None else departed.filters
    if departed is None:
        resource._fix_list()
    comes_with_page = departed is None and _timestamp_comes_with_page(resource)
    if not comes_with_page:
        # The timestamp is read before the records: it may be older than they are, but never newer
        # (H-9.8).
        resource._add_timestamp_header(response)
        resource._add_cache_header(response)
    resource._raise_304_if_not_modified()
    resource._raise_412_if_modified()

    try:
        filters = read_filters()
        limit = resource._extract_limit()
        sorting = resource._extract_sorting(limit)
        partial_fields = resource._extract_partial_fields()
        rules, offset = resource._extract_pagination_rules_from_token(limit, sorting)
    except HTTPException:
        # The first access gives a collection its timestamp, even if the request is refused.
        _ = resource.timestamp
        raise

    has_total = totals.is_wanted(resource)
    rules = totals.continued(resource, filters, rules, is_total_wanted=has_total)
    is_text = limit and departed is None and partial_fields is None and _may_be_text(resource)
    read_page = resource.model.text_of_records if is_text else resource.model.get_records
    wanted = _wanted(resource, filters, sorting, rules, limit)
    records, total = read_page(**wanted)
    if comes_with_page and not _take_timestamp(resource, records):
        _ = resource.timestamp
        records, total = read_page(**wanted)
    if isinstance(records, Page) and not records.is_current:
        # The user has joined a group. What it may see is found again, after the timestamp.
        resource._find_list_again()
        filters = read_filters()
        wanted = _wanted(resource, filters, sorting, rules, limit)
        records, total = read_page(**wanted)
    if comes_with_page:
        resource._add_timestamp_header(response)
        resource._add_cache_header(response)
    elif sent(resource.request, "If-Match"):
        _raise_412_if_page_is_newer(resource, records)
    # Only lists with tombstones have a history, if the storage knows it.
    history = records.history if isinstance(records, Page) else None
    if history is not None:
        horizon.tell(resource, filters, history)
    if departed is not None:
        records = departed.merged(records, sorting, rules, limit)
    resource._counted = None
    number = records.number if isinstance(records, PageText) else len(records)
    if has_total and limit is not None and number > limit:
        resource._counted = totals.counted(resource, filters, records, total)
    text = b""
    if isinstance(records, PageText) and limit is not None:
        text = _cut_text(resource, records, sorting, limit, offset)
        number = min(number, limit)
    else:
        records = _cut_page(resource, records, sorting, limit, offset)
        number = len(records)
    if departed is not None:
        records = departed.shown(records)
        number = len(records)
        if not records and history is not None:
            departed.leave_timestamp(history)
    if has_total:
        headers.write(response, headers.of_total(total))
    else:
        totals.add_preference(resource.request, response.headers)
    logs.bind(nb_records=number, limit=limit)
    if isinstance(records, PageText):
        return _shown(resource, records, text, number)
    if partial_fields is not None:
        records = [utils.dict_subset(record, partial_fields) for record in records]
    return as_body(resource, resource.postprocess(records))


def _raise_412_if_page_is_newer(resource: UserResource, records: list[Record]) -> None:
    """Judge the condition again, for the moment at which the page was read (H-14.13)."""
    judged = resource._timestamp
    if judged is None or not isinstance(records, Page) or records.timestamp in (None, judged):
        return
    if not _is_timestamp_of_page(resource):
        # What the client has got as a timestamp is another one, of the application.
        return
    resource._timestamp = records.timestamp
    resource._raise_412_if_modified()
    resource._timestamp = judged


# The answer of the first of these is the page as the storage gives it.
_AS_TEXT = Shortcut("_lists_as_text", "postprocess", "collection_get")


def _may_be_text(resource: UserResource) -> bool:
    """Return whether nobody but the client looks at the records of a list."""
    request = resource.request
    return (
        rendering.takes_json(request)
        and _AS_TEXT.is_open(resource)
        and resource.model.gives_texts
        and not events.are_reads_heard(request)
    )


def _cut_text(
    resource: UserResource, page: PageText, sorting: list[Sort], limit: int, offset: int
) -> bytes:
    """Return the text of a page, and send the URL of the next page, if there is one."""
    text, last = page.cut(limit)
    if last is not None:
        resource._page_text = page
        _tell_of_next(resource, sorting, limit, last, offset)
    return text


def _shown(resource: UserResource, page: PageText, text: bytes, number: int) -> Response:
    """Return the response with a page that is a text."""
    request = resource.request
    request.notify_resource_event(
        timestamp=lambda: resource.timestamp,
        data=events.Unread(lambda: page.parsed()[:number]),
        action=ACTIONS.READ,
        parent_id=resource.model.parent_id,
    )
    return rendering.with_json(request, b'{"data":[%b]}' % text)


def delete_list(resource: UserResource) -> dict[str, Any]:
    """Delete the records that match the filters (H-17)."""
    params = sent_parameters(resource.request)
    # A token asks for the rest of a paged deletion; without a limit, for all the rest.
    paged = bool(params.get("_limit") or params.get("_token"))

    def delete() -> list[Record]:
        resource._check_list()
        resource._raise_412_if_modified()
        filters = resource._extract_filters()
        if paged:
            return _delete_page(resource, filters)
        return resource.model.delete_records(filters=filters)

    deleted = atomically(resource, delete)
    return as_body(
        resource, resource.postprocess(deleted, action=ACTIONS.DELETE if deleted else ACTIONS.READ)
    )


def _delete_page(resource: UserResource, filters: list[Filter]) -> list[Record]:
    """Delete at most ``_limit`` records after ``_token``, in the order of ``_sort`` (X-15)."""
    model = resource.model
    limit = resource._extract_limit() if sent_parameters(resource.request).get("_limit") else None
    sorting = resource._extract_sorting(limit)
    rules, offset = resource._extract_pagination_rules_from_token(limit, sorting)
    records, _ = model.get_records(
        filters=filters,
        sorting=sorting,
        pagination_rules=rules,
        limit=None if limit is None else limit + 1,
    )
    records = _cut_page(resource, records, sorting, limit, offset)
    if not records:
        return []
    ids = [record[model.id_field] for record in records]
    return model.delete_records(filters=[Filter(model.id_field, ids, COMPARISON.IN)])


# Pages


def _wanted(
    resource: UserResource,
    filters: list[Filter],
    sorting: list[Sort],
    rules: list[PaginationRule],
    limit: int | None,
) -> dict[str, Any]:
    """Return what the model is asked for: a page, and one record more if there is a next page."""
    modified_field = resource.model.modified_field
    return {
        "filters": filters,
        "sorting": sorting,
        "pagination_rules": rules,
        "limit": None if limit is None else limit + 1,
        "include_deleted": modified_field in [item.field for item in filters],
    }


def _cut_page(
    resource: UserResource,
    records: list[Record],
    sorting: list[Sort],
    limit: int | None,
    offset: int,
) -> list[Record]:
    """Return the records of a page, and send the URL of the next page, if there is one."""
    if limit is None or len(records) <= limit:
        return records
    page, following = records[:limit], records[limit]
    resource._page_end = page, following
    _tell_of_next(resource, sorting, limit, page[-1], offset)
    return page


def _tell_of_next(
    resource: UserResource, sorting: list[Sort], limit: int, last: Record, offset: int
) -> None:
    url = resource._next_page_url(sorting, limit, last, offset + limit)
    refusals.raise_414_if_outgrown(resource.request, url)
    headers.write(resource.request.response, headers.of_next_page(url))


def page_token(
    resource: UserResource, sorting: list[Sort], last_record: Record, offset: int
) -> str:
    """Return the token of the page after `last_record`."""
    # A total is not worth a token that must look records up.
    for counted in dict.fromkeys((resource._counted, None)):
        token = pagination.encode_token(sorting, last_record, offset, counted)
        if anchors.fits(token):
            return token
    if resource._page_text is not None:
        *records, after = resource._page_text.parsed()
        return anchors.encode(sorting, records, after, offset, reserved_fields(resource))
    page, following = resource._page_end
    if not page or page[-1] is not last_record:
        page, following = [last_record], None
    return anchors.encode(sorting, page, following, offset, reserved_fields(resource))


def next_page_url(request: Request, *, limit: int, token: str) -> str:
    """Return the absolute URL of the page with a token (H-14.5)."""
    query = pagination.next_page_query(sent_pairs(request), limit=limit, token=token)
    return f"{urls.without_query(request)}?{query}"


# The timestamp of the collection


def read_timestamp(request: Request, read: Callable[[], T]) -> T:
    """Return the result of a function that reads the timestamp of a collection.

    Raises
    ------
    BackendError : the storage failed.
    HTTPServiceUnavailable : the same in read-only mode: a collection that was never read has no
        timestamp, and cannot get one (H-26.9).
    """
    try:
        return read()
    except BackendError as error:
        if not settings.read(request.registry.settings, "readonly"):
            raise
        logs.logger.exception(str(error))
        raise errors.http_error(
            HTTPServiceUnavailable(), errno=errors.ERRORS.BACKEND, message=_READONLY_TIMESTAMP
        ) from error


def know_timestamp(resource: UserResource, timestamp: int) -> None:
    """Let a timestamp, in ms, be that of the collection for the whole request."""
    resource._timestamp = timestamp
    logs.bind(collection_timestamp=timestamp)


def _timestamp_comes_with_page(resource: UserResource) -> bool:
    """Return whether a list does not need the timestamp before its records are read.

    It does if a condition may make the list unnecessary, or if the application has its own method,
    which may need the timestamp.
    """
    return not sends_condition(resource.request) and _is_timestamp_of_page(resource)


def _is_timestamp_of_page(resource: UserResource) -> bool:
    """Return whether clients get the timestamp of the storage, which comes with each page."""
    return resource.model.pages_have_timestamp and _TIMESTAMP_WITH_PAGE.is_open(resource)


def _take_timestamp(resource: UserResource, records: list[Record]) -> bool:
    """Use the timestamp that came with a page, unless one was read before.

    Returns
    -------
    Whether there is a timestamp. If there is none, the page may be older than a timestamp that is
    read from now on.
    """
    if resource._timestamp is None and isinstance(records, Page):
        timestamp = records.timestamp
        if timestamp is None and records.claim is not None:
            timestamp = read_timestamp(resource.request, records.claim)
        if timestamp is not None:
            know_timestamp(resource, timestamp)
    return resource._timestamp is not None
