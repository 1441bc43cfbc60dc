"""Requests to the service: tried again where that can help, and clear errors where it cannot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx

__all__ = ["ClientError", "Service"]

_ATTEMPTS: Final = 4
_MAX_PAUSE_SECONDS: Final = 30.0
_UNAVAILABLE: Final = frozenset({429, 502, 503, 504})


class ClientError(Exception):
    """The service refused a request.

    .. versionadded:: 3.2

    Attributes
    ----------
    status : HTTP status of the answer.
    body : the JSON error of the service (H-5); empty if the answer was something else.
    """

    def __init__(self, status: int, body: dict[str, Any], message: str) -> None:
        self.status = status
        self.body = body
        super().__init__(message)

    def names(self, parameter: str) -> bool:
        """Return whether the service found fault with a parameter."""
        details = self.body.get("details")
        listed = details if isinstance(details, list) else []
        return any(item.get("name") == parameter for item in listed if isinstance(item, dict))


class Service:
    """Sends requests to one collection.

    Parameters
    ----------
    http : client with the credentials; it may serve several collections.
    url : URL of the collection.
    sleep : waits for a number of seconds.
    """

    def __init__(
        self, http: httpx.Client, url: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.http = http
        self.url = url
        self._sleep = sleep

    def send(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Send a request that may be repeated without harm: its conditions see to that.

        Raises
        ------
        httpx.TransportError : the service cannot be reached.
        ClientError : it answers that it cannot serve now, again and again.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            pause = min(0.25 * 2**attempt, _MAX_PAUSE_SECONDS)
            try:
                response = self.http.request(method, url, **options)
            except httpx.TransportError:
                if attempt == _ATTEMPTS:
                    raise
            else:
                if response.status_code not in _UNAVAILABLE:
                    return response
                if attempt == _ATTEMPTS:
                    raise error_of(response)
                pause = pause_of(response, pause)
            self._sleep(pause)
        raise AssertionError("not reached")

    @contextmanager
    def stream(self, query: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """Open a stream of events, whose silence of a minute means that the connection is lost."""
        timeout = httpx.Timeout(10.0, read=60.0)
        url = f"{self.url}?{query}"
        with self.http.stream("GET", url, headers=headers, timeout=timeout) as response:
            yield response


def pause_of(response: httpx.Response, otherwise: float) -> float:
    """Return how many seconds the service asks its clients to wait."""
    asked = response.headers.get("Retry-After", "")
    return min(float(asked), _MAX_PAUSE_SECONDS) if asked.isdecimal() else otherwise


def error_of(response: httpx.Response) -> ClientError:
    """Return the error that an answer means, in the words of the service."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    body = body if isinstance(body, dict) else {}
    said = body.get("message") or body.get("error") or response.reason_phrase
    request = response.request
    message = f"{request.method} {request.url}: {response.status_code} {said}"
    return ClientError(response.status_code, body, message)
