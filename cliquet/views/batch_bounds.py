"""What one batch may cost: the size of its requests, and of answering them (X-34)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pyramid.httpexceptions import (
    HTTPException,
    HTTPRequestHeaderFieldsTooLarge,
    HTTPRequestURITooLong,
    HTTPServiceUnavailable,
)
from pyramid.request import Request
from pyramid.response import Response

from cliquet import errors, events, settings

__all__ = ["Budget", "Refusal", "refusal_of", "shortened"]

MAX_HEADERS: Final = 100
"""Most headers of one sub-request, as many as servers take."""

MAX_SHOWN_PATH: Final = 1000
"""Characters that the answer repeats of a path that is refused."""

_BEGAN = "cliquet.batch_began"


class Refusal(NamedTuple):
    """Why a sub-request is not processed.

    Attributes
    ----------
    kind : class of the error that it is answered.
    errno, message : of its body.
    retry_after_seconds : when it may be sent again, if it may.
    """

    kind: type[HTTPException]
    errno: errors.ERRORS
    message: str
    retry_after_seconds: int | None = None

    def error(self) -> HTTPException:
        """Return the error, and bind its number to the log of the sub-request."""
        error = errors.http_error(self.kind(), errno=self.errno, message=self.message)
        if self.retry_after_seconds is not None:
            error.headers["Retry-After"] = str(self.retry_after_seconds)
        return error


def refusal_of(request: Request, item: Mapping[str, Any]) -> Refusal | None:
    """Refuse what a server would not take of a direct request: long URLs and headers.

    Parameters
    ----------
    item : validated member of ``requests``.
    """
    limit = settings.read(request.registry.settings, "max_url_bytes")
    if limit is None:
        return None
    if _is_longer(item["path"], limit):
        # RFC 9110 15.5.15
        message = f"The URL is longer than {limit} bytes (setting max_url_bytes)"
        return Refusal(HTTPRequestURITooLong, errors.ERRORS.INVALID_PARAMETERS, message)
    headers = item.get("headers", {})
    if len(headers) > MAX_HEADERS:
        message = f"More than {MAX_HEADERS} headers"
    elif any(_is_longer(name, limit - len(value)) for name, value in headers.items()):
        message = f"A header is longer than {limit} bytes (setting max_url_bytes)"
    else:
        return None
    # RFC 6585 5
    return Refusal(HTTPRequestHeaderFieldsTooLarge, errors.ERRORS.INVALID_PARAMETERS, message)


def _is_longer(text: str, limit: int) -> bool:
    # No character has more than 4 bytes.
    return len(text) > limit or (4 * len(text) > limit and len(text.encode()) > limit)


def shortened(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands for an item that is refused: as much as its answer tells of it."""
    path = item["path"].partition("?")[0]
    return {"method": item.get("method"), "path": path[:MAX_SHOWN_PATH]}


class Budget:
    """Time and size that a batch has left: of its answer, and of the records that it replaces.

    Parameters
    ----------
    request : of the batch.
    """

    def __init__(self, request: Request) -> None:
        configured = request.registry.settings
        self._max_bytes: int | None = settings.read(configured, "max_response_bytes")
        self._max_seconds: float | None = settings.read(configured, "batch_timeout_seconds")
        self._retry_after_seconds: int = settings.read(configured, "retry_after_seconds")
        # The attempts at a request share their environment, and their time.
        self._began: float = request.environ.setdefault(_BEGAN, time.monotonic())
        self._bytes = 0
        self._request = request

    def spend(self, response: Response) -> None:
        """Count the body of a response, and what the events of its request hold beside it."""
        if self._max_bytes is not None:
            self._bytes += len(response.body) + events.weigh_replaced(self._request)

    def refusal(self) -> Refusal | None:
        """Refuse to begin another sub-request, once nothing is left."""
        if self._max_bytes is not None and self._bytes > self._max_bytes:
            reason = (
                f"the answer, or the records replaced, have {self._max_bytes} bytes already"
                " (setting max_response_bytes)"
            )
        elif self._max_seconds is not None and (time.monotonic() - self._began > self._max_seconds):
            reason = f"{self._max_seconds} seconds are over (setting batch_timeout_seconds)"
        else:
            return None
        return Refusal(
            HTTPServiceUnavailable,
            errors.ERRORS.BACKEND,
            f"Not begun, since {reason}",
            self._retry_after_seconds,
        )
