"""Finds out that this process has been told to end, so that nobody goes on waiting in it.

Servers let the requests under way finish before they end, and a stream does not finish by itself. A
signal belongs to the server, which has set its own handler, and WSGI tells applications nothing.
This is the one thing here that belongs to the process, and not to an application.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any, Final

__all__ = ["begin", "has_begun", "is_announced", "listen"]

_SIGNALS: Final = {signal.SIGTERM, signal.SIGINT}

_is_begun = False


def begin() -> None:
    """Say that this process is about to end; a program that serves requests calls it.

    Signal handlers call it, also while a handler in the same thread is in the middle of it. It
    therefore takes no lock, as ``threading.Event`` would.

    .. versionadded:: 3.2
    """
    global _is_begun
    _is_begun = True


def has_begun() -> bool:
    """Return whether this process has been told to end, as far as that can be known."""
    return _is_begun or _is_told_by_gunicorn(signal.getsignal(signal.SIGTERM))


def is_announced() -> bool:
    """Return whether :func:`begin` was called; ``cliquet feed`` asks it for each of its streams."""
    return _is_begun


def _is_told_by_gunicorn(handler: Any) -> bool:
    """Return whether the handler of a worker of gunicorn has been called.

    The handler is a method of the worker, whose attribute ``alive`` it sets (gunicorn 20 to 27).
    """
    return getattr(getattr(handler, "__self__", None), "alive", True) is False


def listen(  # pragma: no cover - in another process of the tests
    then: Callable[[], None] = begin,
) -> None:
    """Notice the signals for this process, which others handle; only in its main thread.

    It is for servers such as granian, whose handlers tell nothing. The module that such a server
    imports calls it (``docs/deploy/wsgi.py``).

    .. versionadded:: 3.2
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # The interpreter writes the number of each signal there, as long as it has a handler.
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def wait() -> None:
        while numbers := os.read(reading, 16):
            if _SIGNALS.intersection(numbers):
                then()

    threading.Thread(target=wait, name="cliquet-feed-signals", daemon=True).start()
