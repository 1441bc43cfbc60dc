"""What those who wait in one application share: the watcher, the answers, their number, the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from pyramid.httpexceptions import HTTPServiceUnavailable

from cliquet import errors, settings
from cliquet.core.forks import in_child
from cliquet.feed import capacity, stopping
from cliquet.feed.measures import Measures
from cliquet.feed.sharing import SharedAnswers
from cliquet.feed.slow_clients import SlowClients
from cliquet.feed.source import Page, Source
from cliquet.feed.stream import Stream
from cliquet.feed.watcher import Watcher

__all__ = ["Hub", "hub_of"]

_STOPPING = "The service is stopping: come back."
_FULL = (
    "This process serves as many streams as the setting feed_max_streams and the threads of its "
    "server allow."
)
_ONE_AT_A_TIME = (
    "This server answers one request at a time, and cannot keep a stream open: use threads, or "
    "cliquet feed."
)


class Hub:
    """The feed of one application in one process.

    Parameters
    ----------
    registry : registry of the application.

    Attributes
    ----------
    max_streams : greatest number of clients that may wait here; ``None`` for no limit.
    """

    def __init__(self, registry: Any) -> None:
        configured = registry.settings
        self._registry = registry
        self.max_streams: int | None = settings.read(configured, "feed_max_streams")
        self.max_wait_seconds: int = settings.read(configured, "feed_max_wait_seconds")
        self.recheck_seconds: float = settings.read(configured, "feed_recheck_seconds")
        self._retry_after_seconds: int = settings.read(configured, "retry_after_seconds")
        self._forget()
        in_child(self, Hub._forget)
        self.measures = Measures(registry)
        self.shared = SharedAnswers()
        self.slow_clients = SlowClients()

    def _forget(self) -> None:
        # Those who wait stay in the parent of a fork.
        self._number = 0
        self._lock = threading.Lock()

    @cached_property
    def watcher(self) -> Watcher:
        """The thread that watches the storage."""
        return Watcher(self._registry.storage)

    def stream(self, source: Source, token: str) -> Stream:
        """Return a new stream."""
        return Stream(source, token, recheck_seconds=self.recheck_seconds, clock=time.monotonic)

    def told(self, stream: Stream, page: Page) -> bytes:
        """Return what a client is told of an answer, and measure it."""
        before, is_live = stream.sent, stream.is_live
        text = stream.take(page)
        self.measures.sent(page, stream.sent - before, is_live=is_live)
        return text

    def enter(self, environ: dict[str, Any], *, is_limited: bool = True) -> Callable[[], None]:
        """Count somebody who is going to wait; return the function that ends it.

        Parameters
        ----------
        is_limited : whether each takes a thread of the server, so that there may not be too many.

        Raises
        ------
        HTTPServiceUnavailable : the server cannot do that, or too many are waiting.
        """
        if not environ.get("wsgi.multithread"):
            raise self.unavailable(_ONE_AT_A_TIME)
        if stopping.has_begun():
            raise self.unavailable(_STOPPING)
        with self._lock:
            limit = capacity.limit(self.max_streams)
            is_full = limit is not None and self._number >= limit
            if is_limited and is_full:
                raise self.unavailable(_FULL)
            self._number += 1
        self.measures.opened()
        return _once(self._leave)

    def _leave(self) -> None:
        with self._lock:
            self._number -= 1
        self.measures.closed()

    @contextmanager
    def waiting(self, environ: dict[str, Any]) -> Iterator[bool]:
        """Count somebody who waits within the block; give whether they may."""
        try:
            leave = self.enter(environ)
        except HTTPServiceUnavailable:
            yield False
            return
        try:
            yield True
        finally:
            leave()

    def unavailable(self, message: str = _STOPPING) -> HTTPServiceUnavailable:
        """Return the error for a client that has to come back."""
        error = errors.http_error(
            HTTPServiceUnavailable(), errno=errors.ERRORS.BACKEND, message=message
        )
        error.headers["Retry-After"] = str(self._retry_after_seconds)
        error.headers["Cache-Control"] = "no-store"
        return error


def _once(function: Callable[[], None]) -> Callable[[], None]:
    remaining = [function]

    def call() -> None:
        if remaining:
            remaining.pop()()

    return call


def hub_of(registry: Any) -> Hub:
    """Return the hub of an application, which is made when somebody waits for the first time."""
    # Of two threads that come at the same moment, one makes it in vain.
    hub: Hub = registry.__dict__.get("feed") or registry.__dict__.setdefault("feed", Hub(registry))
    return hub
