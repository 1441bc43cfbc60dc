"""Responses that are compared with the description of the service that answered (`/__api__`)."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator
from pyramid.interfaces import IRoutesMapper
from pyramid.request import Request
from pyramid.router import Router

from cliquet.openapi import as_document
from cliquet.openapi.error_responses import NUMBERS
from cliquet.openapi.parameters import of_path

# The texts of the schemas are few, but the applications of the tests are many.
_VALIDATORS: dict[str, Draft202012Validator] = {}
_DOCUMENTS: weakref.WeakKeyDictionary[Router, Document] = weakref.WeakKeyDictionary()


class Document:
    """The description of an application, with the validators of its schemas.

    Attributes
    ----------
    described : the document.
    """

    def __init__(self, app: Router) -> None:
        request = Request.blank("/")
        request.registry = app.registry
        self.described = as_document(request, "3.2")
        self._validators: dict[int, Draft202012Validator] = {}

    def faults(self, schema: Any, value: Any, place: str) -> Iterator[str]:
        """Give what is wrong with a value, by a schema of the document."""
        validator = self._validators.get(id(schema))
        if validator is None:
            whole = self._inlined(schema)
            text = json.dumps(whole, sort_keys=True)
            validator = _VALIDATORS.setdefault(text, Draft202012Validator(whole))
            self._validators[id(schema)] = validator
        for error in validator.iter_errors(value):
            yield f"{place}: {error.json_path} {error.message[:300]}"

    def resolved(self, described: dict[str, Any]) -> dict[str, Any]:
        """Return what a reference refers to, or the same."""
        reference = described.get("$ref")
        if reference is None:
            return described
        _, _, kind, name = reference.split("/")
        found: dict[str, Any] = self.described["components"][kind][name]
        return found

    def _inlined(self, schema: Any) -> Any:
        """Return a schema with those that it refers to in the place of the references."""
        if isinstance(schema, list):
            return [self._inlined(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            return self._inlined(self.resolved(schema))
        return {name: self._inlined(item) for name, item in schema.items()}


class Exchange(NamedTuple):
    """One request with its response, alone or within a batch.

    Attributes
    ----------
    path : as in the environment of WSGI, without mount point and query string.
    headers : names in lower case.
    body : value of JSON; ``None`` without a body, the bytes of another one.
    """

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: Any


def deviations(app: Any, request: Any, response: Any) -> list[str]:
    """Return what a response has that the description of its service does not.

    Parameters
    ----------
    app : the application, of which only a service of the library has a description.
    request, response : those of WebTest.
    """
    if not isinstance(app, Router) or not hasattr(app.registry, "cornice_services"):
        return []
    is_json = "json" in (response.content_type or "")
    is_text = (response.content_type or "").startswith("text/")
    content = response.text if is_text else response.body
    body = json.loads(response.body) if is_json and response.body else content or None
    headers = {name.lower(): value for name, value in response.headers.items()}
    status = response.status_int
    path = request.environ["PATH_INFO"]
    exchange = Exchange(request.method, path, status, headers, body)
    found = [*_deviations(app, exchange)]
    if status == 200 and request.method == "POST" and path.endswith("/batch"):
        found.extend(_of_batch(app, json.loads(request.body), body))
    return found


def _of_batch(app: Router, sent: Any, body: Any) -> Iterator[str]:
    default = (sent.get("defaults") or {}).get("method") or "GET"
    for item, answer in zip(sent["requests"], body.get("responses", ()), strict=True):
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        # A redirection was followed, and its path is the one of the answer.
        method = item.get("method") or default
        path = answer["path"].encode().decode("latin-1")
        exchange = Exchange(method, path, answer["status"], headers, answer["body"])
        yield from _deviations(app, exchange)


def _deviations(app: Router, exchange: Exchange) -> Iterator[str]:
    document = _DOCUMENTS.get(app)
    if document is None:
        document = _DOCUMENTS[app] = Document(app)
    operation = _operation(app, document.described, exchange)
    if operation is None:
        return
    place = f"{exchange.method} {exchange.path} {exchange.status}"
    is_own = operation["tags"] == ["service"] and operation["operationId"] not in _OF_LIBRARY
    described = operation["responses"].get(str(exchange.status))
    if is_own or (described is None and operation["operationId"] == "batch"):
        # The library only describes how a service of the application is called, which may fail the
        # batch with any error.
        return
    if described is None:
        yield f"{place}: the status is not described"
        return
    described = document.resolved(described)
    for name, header in described.get("headers", {}).items():
        value = exchange.headers.get(name.lower())
        if value is not None:
            schema = document.resolved(header)["schema"]
            typed = int(value) if schema.get("type") == "integer" else value
            yield from document.faults(schema, typed, f"{place}: {name}")
    for name in exchange.headers.keys() & _TOLD:
        if name not in map(str.lower, described.get("headers", {})):
            yield f"{place}: the header {name} is not described"
    if exchange.method == "HEAD" or exchange.status == 304:
        return
    media_type = exchange.headers.get("content-type", "").partition(";")[0]
    content = described.get("content", {}).get(media_type)
    if content is None:
        yield f"{place}: {media_type!r} is not described"
        return
    if "schema" not in content:
        # It is a stream, whose items are described one by one.
        return
    schema = document.resolved(content["schema"])
    yield from document.faults(schema, exchange.body, place)
    if exchange.status >= 400 and "errno" in schema.get("properties", {}):
        numbers = [error.value for error in NUMBERS[exchange.status]]
        if exchange.body.get("errno") not in numbers:
            yield f"{place}: errno {exchange.body.get('errno')} is none of {numbers}"


# Headers that are only in responses which say so.
_OF_LIBRARY = (
    *("hello", "heartbeat", "lbheartbeat", "version", "api_description", "error_page", "batch"),
)

_TOLD = frozenset(
    (
        *("etag", "last-modified", "next-page", "total-records", "sync-horizon", "retry-after"),
        *(
            "preference-applied",
            "sync-token",
            "location",
            "accept-patch",
            "link",
            "www-authenticate",
            "alert",
            "backoff",
        ),
    )
)


def _operation(app: Router, document: dict[str, Any], exchange: Exchange) -> Any:
    """Return the described operation of a request, if its address and method have one."""
    request = Request.blank("/", method=exchange.method)
    request.environ["PATH_INFO"] = exchange.path
    request.registry = app.registry
    try:
        route = app.registry.getUtility(IRoutesMapper)(request)["route"]
    except UnicodeDecodeError:
        return None
    if route is None:
        return None
    prefix = app.registry.route_prefix
    path = of_path(route.pattern)[0].lstrip("/")
    if not path.startswith(prefix):
        return None
    method = "get" if exchange.method == "HEAD" else exchange.method.lower()
    return document["paths"].get(path.removeprefix(prefix) or "/", {}).get(method)
