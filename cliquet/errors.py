"""The errors that clients get: numbers, JSON bodies, and the helpers that raise them.

A member of :class:`ERRORS` has the number, the usual status and the usual sentence of an error.
Code and documentation read them there. Every error body has at least the members ``code``,
``errno`` and ``error``.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, TypeVar

from pyramid import httpexceptions
from pyramid.request import Request

from cliquet import settings
from cliquet.core import jsonio
from cliquet.monitoring import logs
from cliquet.web import faults

__all__ = [
    "ERRORS",
    "JSON_CONTENT_TYPE",
    "has_json_body",
    "http_error",
    "json_error_handler",
    "raise_invalid",
    "send_alert",
    "too_large",
]

JSON_CONTENT_TYPE = "application/json; charset=UTF-8"

# Clients refuse a whole response if a header has more than 8 kB. A character takes up to 12 bytes.
_MAX_ALERT_CHARACTERS = 500

HTTPError = TypeVar("HTTPError", bound=httpexceptions.HTTPException)


class ERRORS(enum.Enum):
    """Error numbers: the value is the ``errno`` of the body (H-26.2).

    Attributes
    ----------
    status : the HTTP status that belongs to the number.
    sentence : the default ``message``; ``None`` if the message depends on the case.
    """

    status: int
    sentence: str | None

    def __new__(cls, errno: int, status: int, sentence: str | None = None) -> ERRORS:
        member = object.__new__(cls)
        member._value_ = errno
        member.status = status
        member.sentence = sentence
        return member

    MISSING_AUTH_TOKEN = 104, 401, "Please authenticate yourself to use this endpoint."
    INVALID_AUTH_TOKEN = 105, 401
    BADJSON = 106, 400
    INVALID_PARAMETERS = 107, 400
    MISSING_PARAMETERS = 108, 400
    INVALID_POSTED_DATA = 109, 400
    # The library never sends it: a record that does not exist is a MISSING_RESOURCE (H-7.10).
    INVALID_RESOURCE_ID = 110, 404
    MISSING_RESOURCE = 111, 404, "The resource you are looking for could not be found."
    MISSING_CONTENT_LENGTH = 112, 411
    REQUEST_TOO_LARGE = 113, 413
    MODIFIED_MEANWHILE = 114, 412, "Resource was modified meanwhile"
    METHOD_NOT_ALLOWED = 115, 405, "Method not allowed on this endpoint."
    VERSION_NOT_AVAILABLE = (
        116,
        404,
        "The requested protocol version is not available on this server.",
    )
    CLIENT_REACHED_CAPACITY = 117, 429
    FORBIDDEN = 121, 403, "This user cannot access this resource."
    CONSTRAINT_VIOLATED = 122, 409
    SYNC_TOKEN_OUTDATED = (
        131,
        410,
        "The changes since then can no longer be told in full: start again from the whole list.",
    )
    BACKEND = (
        201,
        503,
        "Service temporary unavailable due to overloading or maintenance, please retry later.",
    )
    SERVICE_DEPRECATED = (
        202,
        410,
        "The service you are trying to connect no longer exists at this location.",
    )
    UNDEFINED = 999, 500, "A programmatic error occured, developers have been informed."


def http_error(
    httpexception: HTTPError,
    errno: ERRORS | int | None = None,
    code: int | None = None,
    error: str | None = None,
    message: str | None = None,
    info: str | None = None,
    details: Any = None,
) -> HTTPError:
    """Give an HTTP exception the JSON body of errors, and return the same exception (P-19.2).

    Parameters
    ----------
    httpexception : the exception, which the caller raises or returns.
    errno : a member of :class:`ERRORS` or a number; ``None`` or 0 means ``ERRORS.UNDEFINED``.
    code : ``code`` member; default the status of `httpexception`.
    error : ``error`` member; default the title of `httpexception`.
    message, info, details : members of the same names, left out when ``None``.
    """
    number = errno.value if isinstance(errno, ERRORS) else (errno or ERRORS.UNDEFINED.value)
    body: dict[str, Any] = {
        "code": code or httpexception.code,
        "errno": number,
        "error": error or httpexception.title,
    }
    optional = {"message": message, "info": info, "details": details}
    body.update((member, value) for member, value in optional.items() if value is not None)
    httpexception.body = jsonio.dumps(body)
    httpexception.headers["Content-Type"] = JSON_CONTENT_TYPE
    logs.bind(errno=number)
    return httpexception


def has_json_body(response: httpexceptions.HTTPException) -> bool:
    """Return whether the application has given the error a JSON body, which is kept (H-26.10)."""
    return bool(response.body) and "json" in (response.content_type or "")


def json_error_handler(errors: Request | Iterable[Mapping[str, Any]]) -> Any:
    """Return the error response of a request that did not validate (P-19.6).

    Parameters
    ----------
    errors : the request, whose ``errors`` are used, or a Cornice list of errors with at least one
        item, which has ``location``, ``name``, ``description`` and perhaps further members.
    """
    found = getattr(errors, "errors", errors)
    told, note = faults.told(errors, found)
    first = min(told or note, key=lambda error: str(error["name"]))
    status = getattr(found, "status", 400)
    return http_error(
        httpexceptions.status_map[status](),
        errno=ERRORS.INVALID_PARAMETERS,
        code=status,
        error="Invalid parameters",
        message=_summary(**{k: first[k] for k in ("location", "name", "description")}),
        details=[*told, *note],
    )


def _summary(location: str, name: str | None, description: str) -> str:
    """Describe one error in a sentence."""
    if name is None:
        return f"{location}: {description}"
    if description and name in description:
        return description
    return f"{name} in {location}: {description}" if description else f"{name} in {location}"


def too_large(request: Request, subject: str, setting: str) -> httpexceptions.HTTPException:
    """Return the refusal of something that is larger than a setting allows (RFC 9110 15.5.14).

    Parameters
    ----------
    subject : beginning of the message, with its verb.
    setting : name of the setting, whose unit is bytes.
    """
    limit = settings.read(request.registry.settings, setting)
    return http_error(
        httpexceptions.HTTPRequestEntityTooLarge(),
        errno=ERRORS.REQUEST_TOO_LARGE,
        message=f"{subject} larger than {limit} bytes (setting {setting})",
    )


def raise_invalid(
    request: Request,
    location: str = "body",
    name: str | None = None,
    description: str | bytes | None = None,
    **kwargs: Any,
) -> NoReturn:
    """Refuse the request with a 400 that describes one fault in its input (P-19.3).

    Parameters
    ----------
    location : ``body``, ``querystring``, ``path``, ``header``, ``headers`` or any other word.
    name : the name of the wrong field, parameter or header, if it has one.
    kwargs : further members of the item in ``details``.

    Raises
    ------
    pyramid.httpexceptions.HTTPBadRequest : always.
    """
    # `errors.add()` is not used: Cornice 6 refuses locations that the original library accepted
    # (P-35.5).
    request.errors.append(
        {"location": location, "name": name, "description": description, **kwargs}
    )
    raise json_error_handler(request)


def send_alert(
    request: Request,
    message: str | None = None,
    url: str | None = None,
    code: str = "soft-eol",
) -> None:
    """Send the client, in the header ``Alert``, a message for its users (P-19.4).

    Parameters
    ----------
    url : page with more information; the default is the setting ``project_docs``.
    """
    request.response.headers["Alert"] = alert_header(
        request.registry.settings, message=message, url=url, code=code
    )


def alert_header(
    configured: Mapping[str, Any], *, message: str | None, url: str | None, code: str
) -> str:
    """Return the value of an ``Alert`` header (H-28.2)."""
    if url is None:
        url = settings.read(configured, "project_docs")
    if isinstance(message, str) and len(message) > _MAX_ALERT_CHARACTERS:
        message = f"{message[:_MAX_ALERT_CHARACTERS]}…"
    # Header values are sent as latin-1, so that the JSON only has ASCII.
    return json.dumps({"code": code, "message": message, "url": url})
