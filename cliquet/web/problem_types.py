"""The kinds of errors in words: one entry for each number of :class:`cliquet.errors.ERRORS`.

The pages of the service and those of the documentation come from these texts. They have the markup
of reStructuredText for names: two backquotes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pyramid import httpexceptions

from cliquet.errors import ERRORS

__all__ = ["TYPES", "ProblemType", "example"]

_FAULT: Final = {
    "location": "body",
    "name": "name",
    "description": "Required",
}


class ProblemType(NamedTuple):
    """What is the same in all errors of one number.

    Attributes
    ----------
    title : the kind of error in a few words (RFC 9457 3.1.3).
    meaning : when the service answers with it.
    advice : what a client should do.
    message : message of the example, if the number has no usual one.
    details : details of the example.
    """

    title: str
    meaning: str
    advice: str
    message: str | None = None
    details: Any = None


TYPES: Final[Mapping[ERRORS, ProblemType]] = {
    ERRORS.MISSING_AUTH_TOKEN: ProblemType(
        "The request needs a user",
        "The endpoint is not open to everybody, and the request names no user that the service "
        "knows: it has no credentials, or none that a policy of the service accepts.",
        "Authenticate in one of the ways that ``WWW-Authenticate`` names, and send the request "
        "again. Sending the same credentials again does not help.",
    ),
    ERRORS.INVALID_AUTH_TOKEN: ProblemType(
        "The credentials are not valid",
        "The library does not send it. Applications may use it for credentials that have "
        "expired or were revoked.",
        "Get new credentials, and send the request again.",
        "The token has expired.",
    ),
    ERRORS.BADJSON: ProblemType(
        "The body is no JSON",
        "The library does not send it: it tells of such a body with 107. Applications may use it.",
        "Correct the body. Sending it again as it is does not help.",
        "The body is no JSON.",
    ),
    ERRORS.INVALID_PARAMETERS: ProblemType(
        "The request is not valid",
        "Something in the request is wrong: the body, the query string, the path or a header. "
        "With status 406 the client accepts no JSON, with 415 the body has another media type, "
        "with 414 the URL is too long, and with 431 a header is.",
        "Read ``details``: each item says where a fault is (``location``), of which field or "
        "parameter (``name``), and what is wrong (``description``). Correct the request. "
        "Sending it again as it is does not help.",
        "name in body: Required",
        [_FAULT],
    ),
    ERRORS.MISSING_PARAMETERS: ProblemType(
        "A parameter is missing",
        "The library does not send it: it tells of missing parameters with 107. Applications "
        "may use it.",
        "Add the parameter.",
        "The parameter from is missing.",
    ),
    ERRORS.INVALID_POSTED_DATA: ProblemType(
        "The data are not valid",
        "The library does not send it: it tells of such data with 107. Applications may use it "
        "for data of the right form that have no sense.",
        "Correct the data.",
        "The end lies before the beginning.",
    ),
    ERRORS.INVALID_RESOURCE_ID: ProblemType(
        "The id is not valid",
        "The library does not send it: an id of another form than the service makes is 107, and"
        " the id of no record is 111. Applications may use it.",
        "Use an id that the service has given.",
        "There is no such id.",
    ),
    ERRORS.MISSING_RESOURCE: ProblemType(
        "There is nothing at this URL",
        "The URL is none of the service, or its record does not exist, or was deleted.",
        "If it was a record, remove it from what the client shows. Otherwise correct the URL.",
    ),
    ERRORS.MISSING_CONTENT_LENGTH: ProblemType(
        "The length of the body is missing",
        "The library does not send it. Servers in front of the service and applications may.",
        "Send the request with ``Content-Length``.",
        "Content-Length is missing.",
    ),
    ERRORS.REQUEST_TOO_LARGE: ProblemType(
        "The body or the record is too large",
        "The body is larger than the setting ``max_body_bytes`` allows, or the record that it "
        "would make is larger than ``max_record_bytes``.",
        "Send less: several records in several requests, or a shorter record.",
        "The body is larger than 1048576 bytes (setting max_body_bytes)",
    ),
    ERRORS.MODIFIED_MEANWHILE: ProblemType(
        "Somebody else has changed it meanwhile",
        "The request has ``If-Match`` or ``If-None-Match``, and what the client knows is no "
        "longer the present state. Nothing was changed.",
        "Read ``details.existing``, which is the present record if the user may read it, or "
        "fetch it. Merge the change of the client into it, and send the result with the new "
        "``ETag`` in ``If-Match``.",
        details={"existing": {"id": "89f2", "last_modified": 1438168023000, "name": "Cep"}},
    ),
    ERRORS.METHOD_NOT_ALLOWED: ProblemType(
        "The URL does not have this method",
        "The URL exists, but not for this method; settings may have disabled the method, or the"
        " service only reads at present.",
        "Use one of the methods that ``Allow`` names.",
    ),
    ERRORS.VERSION_NOT_AVAILABLE: ProblemType(
        "The service does not have this version of the API",
        "The path begins with the number of another version than the service has.",
        "Use the version that ``url`` in the answer to ``GET /`` has. A new release of the "
        "client may be needed.",
    ),
    ERRORS.CLIENT_REACHED_CAPACITY: ProblemType(
        "The client asks too often",
        "The library does not send it. Applications may use it for clients that have used what "
        "they may.",
        "Wait as long as ``Retry-After`` says, if it is there, and then send the request again.",
        "At most 100 requests in a minute are allowed.",
    ),
    ERRORS.FORBIDDEN: ProblemType(
        "The user may not do this",
        "The service knows the user, who does not have the permission that is needed. It is the"
        " answer whether or not there is such a record.",
        "Tell the user, or ask the owner of the record for access. If the service explains it "
        "(setting ``explain_forbidden``), ``details.permissions`` names the permissions of "
        "which one would be enough.",
        details={"permissions": [{"permission": "write", "object": "/articles/89f2"}]},
    ),
    ERRORS.CONSTRAINT_VIOLATED: ProblemType(
        "Another record has this value",
        "The field that ``details.field`` names must be unique, and another record of the "
        "collection has its value. Nothing was changed.",
        "Use another value, or change the record in ``details.existing`` instead.",
        "Conflict of field email on record 89f2",
        {"field": "email", "existing": {"id": "89f2"}},
    ),
    ERRORS.SYNC_TOKEN_OUTDATED: ProblemType(
        "The client must synchronise from the beginning",
        "The changes since the token of the client can no longer be told in full: deletions "
        "were forgotten, the collection was restored, or the user now sees other records. "
        "``details.reason`` is ``horizon``, ``epoch`` or ``view``.",
        "Get the whole list from the address in ``Link`` (its ``rel`` is ``full``). Keep what "
        "was changed on the device and not sent yet, and delete what is not in the list.",
        details={"reason": "horizon"},
    ),
    ERRORS.BACKEND: ProblemType(
        "The service is not available for now",
        "A database cannot be reached, is too slow, or has too much to do, or the service is "
        "being maintained.",
        "Wait as long as ``Retry-After`` says, in seconds, and then send the request again. A "
        "write may have been done nevertheless, if the connection to the database was lost in "
        "the wrong moment: send it with ``If-Match`` or ``If-None-Match``, so that it is not "
        "done twice.",
    ),
    ERRORS.SERVICE_DEPRECATED: ProblemType(
        "The service has ended",
        "The day has come that ``Alert`` and ``Sunset`` had announced.",
        "Stop sending requests. ``Alert`` may have a message for the user, and an address with "
        "more.",
    ),
    ERRORS.UNDEFINED: ProblemType(
        "Something has failed",
        "With status 500 it is a mistake in the service, which its log has told to the "
        "developers. With another status, it is an error of the application that has no number "
        "of its own.",
        "Report a 500 with the header ``X-Request-Id``, at the address in ``info`` if it is "
        "there. The same request may succeed later.",
    ),
}
"""The kinds of errors."""


def example(error: ERRORS) -> dict[str, Any]:
    """Return a body that an error of this kind may have."""
    kind = TYPES[error]
    title = httpexceptions.status_map[error.status].title
    body = {
        "code": error.status,
        "errno": error.value,
        "error": "Invalid parameters" if error is ERRORS.INVALID_PARAMETERS else title,
        "message": error.sentence or kind.message,
        "details": kind.details,
    }
    return {member: value for member, value in body.items() if value is not None}
