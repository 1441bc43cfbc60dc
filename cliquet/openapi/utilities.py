"""The operations of the endpoints that every service has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cliquet import settings
from cliquet.openapi import error_responses, headers
from cliquet.openapi.components import Components, Described
from cliquet.openapi.security import Schemes

__all__ = ["operation"]

_OPEN: Final[Described] = {"type": "object", "additionalProperties": True}


def operation(
    components: Components,
    schemes: Schemes,
    service: Any,
    method: str,
    configured: Mapping[str, Any],
) -> Described | None:
    """Return the description of a method of such an endpoint; ``None`` for any other service."""
    found = _KNOWN.get((service.name, service.path, method))
    if found is None:
        return None
    summary, statuses, describe = found
    knows_user = (service.name) in ("hello", "batch")
    described: Described = {
        "operationId": components.operation_id(service.name),
        "tags": ["service"],
        "summary": summary,
        "security": schemes.required(is_public=True) if knows_user else [],
        **describe(components, configured),
    }
    # The heartbeat has a 503 of its own.
    described["responses"] = {
        **error_responses.responses(components, *statuses),
        **described["responses"],
    }
    return described


def _answer(components: Components, description: str, schema: Described) -> Described:
    return {
        "description": description,
        "headers": headers.of_all(components),
        "content": {"application/json": {"schema": schema}},
    }


def _hello(components: Components, configured: Mapping[str, Any]) -> Described:
    text = {"type": "string"}
    properties = {
        "project_name": text,
        "project_version": text,
        "http_api_version": text,
        "project_docs": text,
        "cliquet_protocol_version": text,
        "url": {**text, "description": "The address of this endpoint."},
        "settings": {**_OPEN, "description": "The settings that clients may know."},
        "capabilities": {**_OPEN, "description": "What this service can do besides."},
        "eos": {**text, "description": "When the service ends."},
        "user": {**_OPEN, "properties": {"id": text}, "description": "The user, if known."},
    }
    required = ["http_api_version", "cliquet_protocol_version", "url", "settings", "capabilities"]
    schema = {"type": "object", "properties": properties, "required": required}
    body = components.schema("Hello", lambda: schema)
    return {"responses": {"200": _answer(components, "The service.", body)}}


def _heartbeat(components: Components, configured: Mapping[str, Any]) -> Described:
    schema = {"type": "object", "additionalProperties": {"type": ["boolean", "null"]}}
    body = components.schema("Heartbeat", lambda: schema)
    return {
        "responses": {
            "200": _answer(components, "All backends answer.", body),
            "503": _answer(components, "One of them does not: its value is `false`.", body),
        }
    }


def _lbheartbeat(components: Components, configured: Mapping[str, Any]) -> Described:
    return {"responses": {"200": _answer(components, "The process answers.", {"type": "object"})}}


def _version(components: Components, configured: Mapping[str, Any]) -> Described:
    return {"responses": {"200": _answer(components, "The deployed version.", {})}}


def _api(components: Components, configured: Mapping[str, Any]) -> Described:
    answer = _answer(components, "This document.", _OPEN)
    tag = {"description": "The version of the document.", "schema": {"type": "string"}}
    answer["headers"].update(ETag=tag, **headers.references(components, "Cache-Control"))
    not_modified = {
        "description": "The client has the present document already.",
        "headers": answer["headers"],
    }
    version = {
        "name": "version",
        "in": "query",
        "description": "The version of OpenAPI.",
        "schema": {"type": "string", "enum": ["3.1", "3.2"], "default": "3.1"},
    }
    return {"parameters": [version], "responses": {"200": answer, "304": not_modified}}


def _docs(components: Components, configured: Mapping[str, Any]) -> Described:
    answer = _answer(components, "The page, or a file of it.", {"type": "string"})
    schema = answer["content"]["application/json"]
    answer["content"] = dict.fromkeys(("text/html", "text/javascript", "text/css"), schema)
    tag = {"description": "The version of the file.", "schema": {"type": "string"}}
    answer["headers"].update(ETag=tag, **headers.references(components, "Cache-Control"))
    not_modified = {"description": "The client has the file already.", "headers": answer["headers"]}
    return {"responses": {"200": answer, "304": not_modified}}


def _error_page(components: Components, configured: Mapping[str, Any]) -> Described:
    answer = _answer(components, "The page.", {})
    answer["content"] = {"text/html": {"schema": {"type": "string"}}}
    answer["headers"].update(headers.references(components, "Cache-Control"))
    return {"responses": {"200": answer}}


def _batch(components: Components, configured: Mapping[str, Any]) -> Described:
    limit = settings.read(configured, "batch_max_requests")
    item = components.schema("BatchRequest", lambda: _sub_request(is_default=False))
    default = components.schema("BatchDefaults", lambda: _sub_request(is_default=True))
    requests: Described = {"type": "array", "items": item}
    if limit is not None:
        requests["maxItems"] = limit
    answer = _answer(
        components,
        "The answers, in the order of the requests.",
        components.schema("BatchResponse", _sub_responses),
    )
    answer["headers"].update(headers.of_writes(components, configured))
    body = {
        "type": "object",
        "required": ["requests"],
        "properties": {"defaults": default, "requests": requests},
        "additionalProperties": True,
    }
    return {
        "description": (
            "The requests are processed in their order, in one transaction. One that is refused "
            "undoes what it did alone; one that fails with 500 or more undoes all of them."
        ),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": components.schema("Batch", lambda: body)}},
        },
        "responses": {"200": answer},
    }


def _sub_request(*, is_default: bool) -> Described:
    methods = ["GET", "HEAD", "DELETE", "TRACE", "POST", "PUT", "PATCH"]
    return {
        "type": "object",
        "required": [] if is_default else ["path"],
        "properties": {
            # Generators of clients take a member with a default for one that must be sent.
            "method": {"type": "string", "enum": methods, "description": "By default GET."},
            "path": {"type": "string", "pattern": "^/"},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "body": {
                "description": "An object, or the operations of a JSON patch.",
                "anyOf": [_OPEN, {"type": "array", "items": _OPEN}],
            },
        },
    }


def _sub_responses() -> Described:
    answer = {
        "type": "object",
        "required": ["status", "path", "headers", "body"],
        "properties": {
            "status": {"type": "integer"},
            "path": {"type": "string"},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "body": {"description": "The body as JSON, or as a text if it is none."},
        },
    }
    return {
        "type": "object",
        "required": ["responses"],
        "properties": {"responses": {"type": "array", "items": answer}},
    }


_Describe = Callable[[Components, Mapping[str, Any]], Described]
# Name, path and method, because a service of an application may have one of the names.
_KNOWN: Final[dict[tuple[str, str, str], tuple[str, tuple[int, ...], _Describe]]] = {
    ("hello", "/", "GET"): ("Describe the service", (), _hello),
    ("heartbeat", "/__heartbeat__", "GET"): ("Check the backends", (), _heartbeat),
    ("lbheartbeat", "/__lbheartbeat__", "GET"): ("Check the process", (), _lbheartbeat),
    ("version", "/__version__", "GET"): ("Show the deployed version", (404,), _version),
    ("api-description", "/__api__", "GET"): ("Describe the API", (), _api),
    ("api-docs", "/__docs__", "GET"): ("Show the documentation of the API", (), _docs),
    ("api-docs-assets", "/__docs__/{name}", "GET"): ("Get a file of that page", (404,), _docs),
    ("error-page", "/__errors__/{errno}", "GET"): ("Explain an error", (404,), _error_page),
    ("admin", "/__admin__", "GET"): ("Show the page to look at records and edit them", (), _docs),
    ("admin-assets", "/__admin__/{name}", "GET"): ("Get a file of that page", (404,), _docs),
    ("batch", "/batch", "POST"): ("Process several requests", (404, 415), _batch),
}
