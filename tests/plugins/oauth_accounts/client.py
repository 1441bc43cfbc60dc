"""Requests to the provider."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any


class ProviderError(Exception):
    """The provider does not answer, or says that it cannot."""


def call(url: Any, body: Any = None, timeout_seconds: Any = 3) -> Any:
    """Return the status and the JSON of an answer below 500 to a GET, or a POST with a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with _open(request, timeout_seconds) as response:
            if response.status >= 500:
                raise ProviderError(f"{url} answers {response.status}")
            return response.status, json.load(response)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ProviderError(url) from error


def _open(request: Any, timeout_seconds: Any) -> Any:
    try:
        return urllib.request.urlopen(request, timeout=timeout_seconds)
    except urllib.error.HTTPError as error:
        # A response as any other, which has to be closed as well.
        return error
