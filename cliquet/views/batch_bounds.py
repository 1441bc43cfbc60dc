"""The limits of one batch: the size of its requests, and the cost of their answers."""

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

from cliquet import errors, events, settings
from cliquet.core import jsonio

__all__ = ["MAX_BYTES_OF_CHARACTER", "Budget", "Items", "Refusal", "refusal_of", "shortened"]

MAX_BYTES_OF_CHARACTER: Final = 4
"""Those of UTF-8."""


MAX_HEADERS: Final = 100
"""Greatest number of headers of one sub-request, the same as in servers."""

MAX_SHOWN_PATH: Final = 1000
"""Number of characters of a refused path that the answer repeats."""

_BEGAN = "cliquet.batch_began"


class Refusal(NamedTuple):
    """The reason why a sub-request is not processed.

    Attributes
    ----------
    kind : class of the error with which it is answered.
    errno, message : members of the body of the error.
    retry_after_seconds : time after which it may be sent again; ``None`` if it may not.
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


Items = list[tuple[dict[str, Any], Refusal | None]]
"""Items of a batch, each with its refusal, if it has one."""


def refusal_of(item: Mapping[str, Any], limit: int | None) -> Refusal | None:
    """Refuse long URLs and headers, which a server would not accept in a direct request.

    Parameters
    ----------
    item : validated member of ``requests``.
    limit : setting ``max_url_bytes``.
    """
    if limit is None:
        return None
    if _is_longer(item["path"], limit):
        # RFC 9110 15.5.15
        message = f"The URL is longer than {limit} bytes (setting max_url_bytes)"
        return Refusal(HTTPRequestURITooLong, errors.ERRORS.INVALID_PARAMETERS, message)
    headers = item.get("headers")
    if not headers:
        return None
    if len(headers) > MAX_HEADERS:
        message = f"More than {MAX_HEADERS} headers"
    elif any(_is_longer(name, limit - len(value)) for name, value in headers.items()):
        message = f"A header is longer than {limit} bytes (setting max_url_bytes)"
    else:
        return None
    # RFC 6585 5
    return Refusal(HTTPRequestHeaderFieldsTooLarge, errors.ERRORS.INVALID_PARAMETERS, message)


def _is_longer(text: str, limit: int) -> bool:
    if MAX_BYTES_OF_CHARACTER * len(text) <= limit:
        return False
    return len(text) > limit or len(text.encode()) > limit


def shortened(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a refused item with only the parts that its answer shows."""
    path = item["path"].partition("?")[0]
    # What remains of the headers says in which form the client wants the refusal.
    headers = {
        name: value
        for name, value in item.get("headers", {}).items()
        if name.lower() == "accept" and len(value) <= MAX_SHOWN_PATH
    }
    return {"method": item.get("method"), "path": path[:MAX_SHOWN_PATH], "headers": headers}


class Budget:
    """The remaining time of a batch, and the remaining size of its answer and replaced records.

    Parameters
    ----------
    request : request of the batch.
    """

    def __init__(self, request: Request) -> None:
        configured = request.registry.settings
        self._max_bytes: int | None = settings.read(configured, "max_response_bytes")
        self._max_seconds: float | None = settings.read(configured, "batch_timeout_seconds")
        self._retry_after_seconds: int = settings.read(configured, "retry_after_seconds")
        # The attempts of a request share their environment, and therefore their time.
        self._began: float = request.environ.setdefault(_BEGAN, time.monotonic())
        self._bytes = 0
        self._request = request

    def spend_text(self, body: bytes) -> None:
        """Count the body of a response."""
        if self._max_bytes is not None:
            self._bytes += jsonio.memory_bytes(body)

    def spend_replaced(self) -> None:
        """Count the further data in the events of requests since the last call."""
        if self._max_bytes is not None:
            self._bytes += events.weigh_replaced(self._request)

    def has_room_for(self, size: int) -> bool:
        """Return whether so many bytes of JSON may be answered, whatever characters they are."""
        # No character takes more memory.
        return (
            self._max_bytes is None
            or self._bytes + MAX_BYTES_OF_CHARACTER * size <= self._max_bytes
        )

    def refusal(self) -> Refusal | None:
        """Return a refusal of the next sub-request if nothing is left."""
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
