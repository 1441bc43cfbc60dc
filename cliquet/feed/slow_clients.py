"""Leaves clients that do not take what is sent to them.

A server with threads writes to a connection until the client has taken everything, however long
that takes, and the thread is held meanwhile. A client that takes nothing resumes with its token.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from cliquet.core.forks import in_child
from cliquet.monitoring import logs

__all__ = ["SLOW_SECONDS", "Handover", "SlowClients", "connection_of"]

SLOW_SECONDS: Final = 30.0
"""A client that takes nothing for that long is left."""

_INTERVAL_SECONDS: Final = 1.0


def connection_of(environ: dict[str, Any]) -> socket.socket | None:
    """Return the connection of a request, if its server tells it: gunicorn does."""
    found = environ.get("gunicorn.socket")
    return found if isinstance(found, socket.socket) else None


class Handover:
    """What the server is sending to one client.

    Attributes
    ----------
    since : time of the monotonic clock, in seconds, at which the server has got it; ``None`` if the
        client has taken everything.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.since: float | None = None
        self._connection = connection

    def begin(self) -> None:
        """Note that the server gets something to send."""
        self.since = time.monotonic()

    def end(self) -> None:
        """Note that it has been sent."""
        self.since = None

    def give_up(self) -> None:
        """Close the connection in both directions, so that the thread of the server goes on."""
        self.since = None
        # A client that is still there gets an end without the last chunk.
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)


class SlowClients:
    """Watches the clients of streams in threads; its own thread is there as long as they are."""

    def __init__(self) -> None:
        self._forget()
        in_child(self, SlowClients._forget)

    def _forget(self) -> None:
        # The connections of the parent of a fork are not those of the child to close.
        self._lock = threading.Lock()
        self._watched: set[Handover] = set()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watched(self, connection: socket.socket) -> Iterator[Handover]:
        """Leave a client that takes nothing, within the block."""
        handover = Handover(connection)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="cliquet-feed-slow", daemon=True
                )
                self._thread.start()
            self._watched.add(handover)
        try:
            yield handover
        finally:
            with self._lock:
                self._watched.discard(handover)

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(min(_INTERVAL_SECONDS, SLOW_SECONDS / 4))
            with self._lock:
                if not self._watched:
                    self._thread = None
                    return
                watched = list(self._watched)
            due = time.monotonic() - SLOW_SECONDS
            for handover in watched:
                since = handover.since
                if since is not None and since < due:
                    logs.logger.info("feed.slow")
                    handover.give_up()
