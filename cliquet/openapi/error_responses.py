"""The responses that are errors, with their numbers (``errno``)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from cliquet.errors import ERRORS
from cliquet.openapi import headers
from cliquet.openapi.components import Components, Described, identifier
from cliquet.web import problems

__all__ = ["NUMBERS", "OF_ALL", "error_schema", "responses"]

OF_ALL: Final = (400, 401, 403, 410, 413, 431, 500, 503)
"""Statuses that any request may be answered with."""

# Refusals of these statuses have one number: the request contains something wrong.
_INVALID: Final = (400, 406, 414, 415, 431)


def _numbers(status: int) -> tuple[ERRORS, ...]:
    found = [error for error in ERRORS if error.status == status]
    if status in _INVALID and ERRORS.INVALID_PARAMETERS not in found:
        found.append(ERRORS.INVALID_PARAMETERS)
    if ERRORS.UNDEFINED not in found:
        # An error that the application itself raises has this number, unless it gives another one.
        found.append(ERRORS.UNDEFINED)
    return tuple(found)


_MEANINGS: Final = {
    400: "The request is not valid.",
    401: "The request needs a user.",
    403: "The user may not do this.",
    404: "There is no such object.",
    406: "The client accepts no JSON.",
    409: "Another record has the value of a unique field.",
    410: "The service, or what the client knows of the list, is no longer current.",
    412: "The object was modified meanwhile; the body has its present state.",
    413: "The body, or the record that it would make, is too large.",
    414: "The URL, or the one of the next page, is too long.",
    415: "The body has a media type that the endpoint does not accept.",
    431: "There are too many headers, or one of them is too long.",
    500: "The service has failed.",
    503: "A backend cannot be reached or is too slow; come back after `Retry-After` seconds.",
}
NUMBERS: Final = {status: _numbers(status) for status in _MEANINGS}
"""The errors of each status."""

_HEADERS: Final = {
    401: ("WWW-Authenticate",),
    410: ("Sync-Horizon", "Link", "Preference-Applied"),
    412: ("ETag", "Last-Modified"),
    415: ("Accept-Patch",),
    503: ("Retry-After",),
}

_FAULT: Final[Described] = {
    "type": "object",
    "description": "One fault of the request.",
    "required": ["location", "name", "description"],
    "properties": {
        "location": {
            "type": "string",
            "description": "Where it is: `body`, `querystring`, `path`, `header` or `headers`.",
        },
        "name": {"type": ["string", "null"], "description": "Name of the field or parameter."},
        "description": {"type": "string"},
    },
}


def responses(components: Components, *statuses: int) -> Described:
    """Return the errors of an operation: those of all, and further ones.

    The last one stands for what an application raises itself (``default``).
    """
    found: Described = {
        str(status): _response(components, status) for status in sorted({*OF_ALL, *statuses})
    }
    found["default"] = components.refer(
        "responses",
        "OtherError",
        lambda: {
            "description": "An error that only this service has.",
            "headers": headers.of_all(components),
            "content": {
                "application/json": {"schema": error_schema(components)},
                problems.MEDIA_TYPE: {"schema": _problem_schema(components)},
            },
        },
    )
    return found


def error_schema(components: Components, status: int | None = None) -> Described:
    """Return the schema of the body of an error."""
    name, details = _details(components, status)
    return components.schema(name or "Error", lambda: _with_details(details))


def _problem_schema(components: Components, status: int | None = None) -> Described:
    """Return the schema of the same body in the form of RFC 9457."""
    name, details = _details(components, status)
    return components.schema(f"{name}Problem", lambda: _as_problem(_with_details(details)))


def _details(components: Components, status: int | None) -> tuple[str, Described]:
    """Return the name of the errors of a status that have details of their own, and these."""
    if status in (400, 406, 415):
        return "InvalidRequest", _faults(components)
    if status == 403:
        return "Forbidden", _NEEDED
    if status in (409, 412):
        return "Conflict", _CONFLICT
    if status == 410:
        return "Gone", _REASON
    return "", {}


def _response(components: Components, status: int) -> Described:
    name = identifier(HTTPStatus(status).phrase.title()).replace("_", "")
    return components.refer("responses", name, lambda: _described(components, status))


def _described(components: Components, status: int) -> Described:
    numbers = NUMBERS[status]
    lines = [f"- `{error.value}` {error.name}: {error.sentence or '…'}" for error in numbers]
    return {
        "description": "\n".join((_MEANINGS[status], "", "Values of `errno`:", "", *lines)),
        "headers": {
            **headers.of_all(components),
            **headers.references(components, *_HEADERS.get(status, ())),
        },
        "content": {
            "application/json": {
                "schema": error_schema(components, status),
                "examples": {error.name: {"value": _example(error, status)} for error in numbers},
            },
            problems.MEDIA_TYPE: {"schema": _problem_schema(components, status)},
        },
    }


def _example(error: ERRORS, status: int) -> Described:
    body: Described = {
        "code": status,
        "errno": error.value,
        "error": HTTPStatus(status).phrase,
    }
    if error is ERRORS.INVALID_PARAMETERS:
        body["error"] = "Invalid parameters"
    if error.sentence is not None:
        body["message"] = error.sentence
    return body


def _with_details(details: Described) -> Described:
    return {
        "type": "object",
        "description": "The body of an error.",
        "required": ["code", "errno", "error"],
        "properties": {
            "code": {"type": "integer", "description": "The status of the response."},
            "errno": {"type": "integer", "description": "The number of the error."},
            "error": {"type": "string", "description": "The name of the status."},
            "message": {"type": "string", "description": "A sentence for developers."},
            "info": {"type": "string", "description": "An address with more about it."},
            "details": details,
        },
    }


def _as_problem(error: Described) -> Described:
    properties = dict(error["properties"])
    del properties["message"]
    return {
        **error,
        "description": "The body of an error, for clients that accept it in this form (RFC 9457).",
        "required": ["type", "title", "status", *error["required"]],
        "properties": {
            "type": {
                "type": "string",
                "format": "uri-reference",
                "description": "The kind of the error: the address of a page about it.",
            },
            "title": {"type": "string", "description": "The kind of the error in words."},
            "status": {"type": "integer", "description": "The status of the response."},
            "detail": {"type": "string", "description": "A sentence for developers."},
            **properties,
        },
    }


def _faults(components: Components) -> Described:
    return {"type": "array", "items": components.schema("Fault", lambda: dict(_FAULT))}


_CONFLICT: Final[Described] = {
    "type": "object",
    "properties": {
        "existing": {
            "type": "object",
            "description": "The present record, or its id alone if the user may not read it.",
        },
        "field": {"type": "string", "description": "The field whose value must be unique."},
    },
}
_NEEDED: Final[Described] = {
    "type": "object",
    "description": "It is there if the service explains refusals (setting `explain_forbidden`).",
    "properties": {
        "permissions": {
            "type": "array",
            "description": "One of these permissions would be enough.",
            "items": {
                "type": "object",
                "required": ["permission", "object"],
                "properties": {
                    "permission": {"type": "string"},
                    "object": {"type": "string", "description": "The URI of the object."},
                },
            },
        },
    },
}
_REASON: Final[Described] = {
    "type": "object",
    "description": "It is there if the client has to begin again from the whole list.",
    "properties": {"reason": {"type": "string", "enum": ["horizon", "epoch", "view"]}},
}
