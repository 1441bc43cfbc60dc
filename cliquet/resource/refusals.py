"""The responses of a resource that refuses a request: 304, 400, 404, 409, 412 and 414.

:mod:`cliquet.resource.preconditions` decides on conditions. The methods of a resource that
applications override call these functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from pyramid.httpexceptions import (
    HTTPConflict,
    HTTPNotFound,
    HTTPNotModified,
    HTTPPreconditionFailed,
    HTTPRequestURITooLong,
)
from pyramid.request import Request
from pyramid.response import Response

from cliquet import errors, settings, utils
from cliquet.resource import preconditions
from cliquet.resource.parameters import InvalidParameter
from cliquet.security.sent_headers import sent
from cliquet.storage.exceptions import UnicityError
from cliquet.storage.generators import UUID4
from cliquet.storage.spreading import latest_of
from cliquet.types import Record
from cliquet.web.plain_responses import send

if TYPE_CHECKING:
    from cliquet.resource.user import UserResource

__all__ = [
    "not_found",
    "raise_304_if_not_modified",
    "raise_400_if_id_mismatch",
    "raise_400_if_invalid_id",
    "raise_412_if_modified",
    "raise_414_if_outgrown",
    "raise_conflict",
    "raise_invalid_parameter",
]

# A 304 repeats these headers of the response that it replaces (RFC 9110 15.4.5, D-40).
_VALIDATOR_HEADERS = frozenset(("etag", "last-modified", "cache-control", "expires"))
# The length of a request line without the URL, which servers count too.
_LINE_BYTES = len("DELETE  HTTP/1.1\r\n")


# What WebOb makes of the arguments of such a response, which takes longer than to read the
# condition.
_UNMODIFIED = {
    **vars(Response(status="304 Not Modified", headerlist=[], app_iter=[])),
    **dict.fromkeys(("detail", "message", "comment")),
}


class _NotModified(HTTPNotModified):  # type: ignore[misc]  # Pyramid has no types
    """A 304 with its headers.

    That of Pyramid first gets the headers of a body, which are then removed by ten functions.
    """

    def __init__(self, headers: list[tuple[str, str]]) -> None:
        self.__dict__.update(_UNMODIFIED)
        self.__dict__.update(_headerlist=headers, _app_iter=[])

    # It needs no page for its error.
    __call__ = send


def raise_invalid_parameter(request: Request, error: InvalidParameter) -> NoReturn:
    """Answer 400 for a parameter that a pure module has refused."""
    errors.raise_invalid(
        request, location=error.location, name=error.name, description=error.description
    )


def raise_304_if_not_modified(resource: UserResource, record: Record | None) -> None:
    """Answer 304 if the client already has this version (H-10.8).

    Raises
    ------
    HTTPNotModified : nothing is newer than the version of the client.
    """
    request = resource.request
    value = sent(request, "If-None-Match")
    try:
        is_not_modified = preconditions.is_not_modified(_timestamp_of(resource, record), value)
    except InvalidParameter as error:
        raise_invalid_parameter(request, error)
    if is_not_modified:
        headers = request.response.headerlist
        raise _NotModified([item for item in headers if item[0].lower() in _VALIDATOR_HEADERS])


def raise_412_if_modified(resource: UserResource, record: Record | None) -> None:
    """Answer 412 if a precondition is false (H-10.6).

    Parameters
    ----------
    record : the record or tombstone of the request; ``None`` if there is none, or for the
        collection.

    Raises
    ------
    HTTPPreconditionFailed : another client has changed it meanwhile.
    """
    request = resource.request
    try:
        is_modified = preconditions.is_modified_meanwhile(
            _subject(resource, record),
            if_match=sent(request, "If-Match"),
            if_none_match=sent(request, "If-None-Match"),
        )
    except InvalidParameter as error:
        raise_invalid_parameter(request, error)
    if is_modified:
        response = errors.http_error(
            HTTPPreconditionFailed(),
            errno=errors.ERRORS.MODIFIED_MEANWHILE,
            message=errors.ERRORS.MODIFIED_MEANWHILE.sentence,
            details={} if record is None else {"existing": resource._disclosed(record)},
        )
        if record is None:
            resource._add_timestamp_header(response)
        elif resource._may_read(record):
            resource._add_timestamp_header(response, record[resource.model.modified_field])
        raise response


def _timestamp_of(resource: UserResource, record: Record | None) -> Callable[[], int] | None:
    """Return what gives the timestamp of the object of the request; ``None`` without an object."""
    if record is not None:
        timestamp: int = record[resource.model.modified_field]
        return lambda: timestamp
    if resource.record_id is not None:
        return None
    # Whether anything has changed is another question than up to when a list is complete.
    return lambda: latest_of(resource.timestamp)


def _subject(resource: UserResource, record: Record | None) -> preconditions.Subject:
    """Return the object with which the conditions of the request are compared."""
    if record is not None:
        return preconditions.Subject.record(
            record,
            modified_field=resource.model.modified_field,
            deleted_field=resource.model.deleted_field,
        )
    read_timestamp = _timestamp_of(resource, None)
    if read_timestamp is None:
        return preconditions.Subject.absent()
    return preconditions.Subject.collection(read_timestamp)


def raise_400_if_invalid_id(resource: UserResource, record_id: Any) -> None:
    """Refuse an id that the generator could not have made (H-7.8).

    Raises
    ------
    HTTPBadRequest : `record_id` is not a text, or has another form.
    """
    generator: Any = resource.model.id_generator
    if (
        not isinstance(record_id, str)
        or not generator.match(record_id)
        # Other generators may accept longer ids than databases.
        or not (type(generator) is UUID4 or utils.is_storable_key(record_id))
    ):
        errors.raise_invalid(resource.request, location="path", description="Invalid record id")


def raise_400_if_id_mismatch(resource: UserResource, new_id: Any, record_id: Any) -> None:
    """Refuse a body whose id is not that of the URL (H-19.5).

    Raises
    ------
    HTTPBadRequest : the ids differ.
    """
    if new_id != record_id:
        errors.raise_invalid(
            resource.request,
            name=resource.model.id_field,
            description="Record id does not match existing record",
        )


def raise_conflict(resource: UserResource, exception: UnicityError) -> NoReturn:
    """Answer 409 for the value of a unique field that another record has (H-23.5).

    Raises
    ------
    HTTPConflict : always.
    """
    field, existing = exception.field, exception.record
    raise errors.http_error(
        HTTPConflict(),
        errno=errors.ERRORS.CONSTRAINT_VIOLATED,
        message=f"Conflict of field {field} on record {existing[resource.model.id_field]}",
        details={"field": field, "existing": resource._disclosed(existing)},
    )


def raise_414_if_outgrown(request: Request, url: str) -> None:
    """Refuse a request if the server could refuse the longer URL of its next page.

    If the request itself is longer than the setting allows, the server accepts longer ones.

    Raises
    ------
    HTTPRequestURITooLong : the client would get this error later, after some of the pages.
    """
    limit = settings.read(request.registry.settings, "max_url_bytes")
    if not limit or len(url) + _LINE_BYTES <= limit:
        return
    host_bytes = len(request.host_url)
    own_bytes, next_bytes = (len(u) - host_bytes + _LINE_BYTES for u in (request.url, url))
    if own_bytes <= limit < next_bytes:
        message = (
            f"The URL of the next page would be longer than {limit} bytes (setting "
            "max_url_bytes): ask for less at once"
        )
        raise errors.http_error(
            HTTPRequestURITooLong(), errno=errors.ERRORS.INVALID_PARAMETERS, message=message
        )


def not_found() -> HTTPNotFound:
    """Return the error for a record that does not exist."""
    return errors.http_error(
        HTTPNotFound(),
        errno=errors.ERRORS.MISSING_RESOURCE,
        message=errors.ERRORS.MISSING_RESOURCE.sentence,
    )
