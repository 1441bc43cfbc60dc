"""Values of a request for logs and metrics that clients cannot invent."""

from __future__ import annotations

import time

from pyramid.request import Request

__all__ = ["elapsed_ms", "known_method"]


def elapsed_ms(request: Request) -> int:
    """Return how long the request has been processed, in ms; 1 if its start was not noted."""
    start = getattr(request, "_log_start", None)
    return 1 if start is None else int((time.perf_counter() - start) * 1000)


_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
)


def known_method(request: Request) -> str:
    """Return the method of a request, or ``other`` if RFC 9110 and 5789 do not define it."""
    method: str = request.method
    return method if method in _METHODS else "other"
