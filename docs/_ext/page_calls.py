"""Sends requests to an application within the examples of the pages, without a server."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from pyramid.request import Request
from pyramid.response import Response

MEMORY = {
    "cliquet.userid_hmac_secret": "a secret",
    "cliquet.storage_backend": "cliquet.storage.memory",
    "cliquet.cache_backend": "cliquet.cache.memory",
    "cliquet.permission_backend": "cliquet.permission.memory",
}


def caller(app: Any) -> Callable[..., Response]:
    """Return a function that sends a request as a user, whose password is their name."""

    def call(
        user: str | None, method: str, path: str, body: Any = None, **headers: str
    ) -> Response:
        request = Request.blank(path, method=method)
        if user is not None:
            credentials = base64.b64encode(f"{user}:{user}".encode()).decode()
            request.authorization = ("Basic", credentials)
        request.headers.update({name.replace("_", "-"): text for name, text in headers.items()})
        if body is not None:
            request.content_type = "application/json"
            request.body = json.dumps(body).encode()
        return request.get_response(app)

    return call
