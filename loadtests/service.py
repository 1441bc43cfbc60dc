"""Finds out what the load is for, and whether it can be run at all, before any user starts."""

from __future__ import annotations

import base64
import http.client
import json
import random
import urllib.error
import urllib.request
from typing import Any, NamedTuple

from loadtests.options import RecordTemplate

PROBE_TIMEOUT_SECONDS = 10
BATCH_SIZE = 10


class UnusableServiceError(Exception):
    """The load cannot be run; the message says why, in one line."""


class Service(NamedTuple):
    """The addresses to use."""

    url: str  # with the version prefix, without a trailing slash
    resource: str  # path of the collection, without the version prefix
    batch_size: int  # 10, or what the service allows

    @property
    def collection_url(self) -> str:
        return self.url + self.resource


def discover(server_url: str, resource: str) -> Service:
    """Ask the root view, which redirects to the version prefix when it is left out.

    Raises
    ------
    UnusableServiceError : nothing answers there, or nothing that has a root view.
    """
    root = server_url.rstrip("/") + "/"
    status, url, body = _send("GET", root)
    if status != 200 or not isinstance(body, dict) or "cliquet_protocol_version" not in body:
        raise UnusableServiceError(
            f"{root} is not the root of a cliquet service: it answers {_summary(status, body)}"
        )
    most = (body.get("settings") or {}).get("batch_max_requests") or BATCH_SIZE
    # Not the `url` of the body, which a proxy in front may make wrong.
    return Service(url.partition("?")[0].rstrip("/"), resource, min(BATCH_SIZE, int(most)))


def check_usable(service: Service, template: RecordTemplate, user: str) -> None:
    """Create one record, find it in the list, and delete it.

    Raises
    ------
    UnusableServiceError : one of the three fails.
    """
    url = service.collection_url
    data = template.render(random.Random())
    status, _, body = _send("POST", url, user, {"data": data})
    if status != 201:
        advice = {
            400: "RECORD=... gives a record that is valid for the service",
            200: "the record has a unique field, RECORD=... may use {unique} in it",
            401: "the load test authenticates with Basic Auth",
            404: "RESOURCE=... gives the path of a collection",
            405: "the load test creates records, and the service or this path does not allow it",
        }.get(status)
        raise UnusableServiceError(
            f"POST {url} answers {_summary(status, body)}" + (f" ({advice})" if advice else "")
        )
    try:
        record_url = f"{url}/{body['data']['id']}"
    except (KeyError, TypeError):
        raise UnusableServiceError(f"POST {url} answers without the record's id") from None
    for method, address in (("GET", url), ("DELETE", record_url)):
        status, _, body = _send(method, address, user)
        if status != 200:
            raise UnusableServiceError(f"{method} {address} answers {_summary(status, body)}")


def authorization(user: str) -> str:
    """Return the header of a user, who needs no account."""
    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


def message_of(body: Any) -> str:
    """Return what the body of an error says, or nothing."""
    return str(body.get("message", "")) if isinstance(body, dict) else ""


def _summary(status: int, body: Any) -> str:
    return f"{status} {http.client.responses.get(status, '')}: {message_of(body)}".rstrip(": ")


def _send(method: str, url: str, user: str | None = None, body: Any = None) -> tuple[int, str, Any]:
    """Return the status, the address after redirects, and the JSON body (``None`` if it is not)."""
    raw = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, raw, method=method)
    if user is not None:
        request.add_header("Authorization", authorization(user))
    if raw is not None:
        request.add_header("Content-Type", "application/json")
    # Straight to the service, as the load itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        try:
            response = opener.open(request, timeout=PROBE_TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            content = response.read()
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UnusableServiceError(
            f"{url} cannot be reached: {getattr(reason, 'strerror', None) or reason}"
        ) from error
    try:
        return response.status, response.url, json.loads(content)
    except ValueError:
        return response.status, response.url, None
