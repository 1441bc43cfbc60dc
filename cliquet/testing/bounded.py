"""Threads and conditions that a test waits for, and none of them for ever.

A wait that takes longer than any test needs fails, and says what it was for. Without that, one
blocked test holds up all those after it, and nobody learns which one it is. The threads are
daemons: one that blocks does not keep the process of the tests alive either.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future

# Python 3.10 has one of its own.
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, ParamSpec, TypeVar

__all__ = ["PATIENCE_SECONDS", "Thread", "Threads", "Timer", "run_until", "wait_until"]

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE_SECONDS = 120.0
"""How long to wait for what takes a moment, even on a busy machine."""


class _Bounded(threading.Thread):
    """A daemon, which is joined within :data:`PATIENCE_SECONDS` or fails the test."""

    def start(self) -> None:
        self.daemon = True
        super().start()

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end.

        Parameters
        ----------
        timeout : seconds after which to return anyway, where a thread shall block; ``None`` for the
            usual patience.

        Raises
        ------
        AssertionError : the usual patience was not enough.
        """
        if timeout is not None:
            super().join(timeout)
            return
        super().join(PATIENCE_SECONDS)
        assert not self.is_alive(), f"{self.name} has not ended in {PATIENCE_SECONDS} s"


class Thread(_Bounded):
    """A :class:`threading.Thread` that nobody waits for without end.

    .. versionadded:: 3.2
    """


class Timer(_Bounded, threading.Timer):
    """A :class:`threading.Timer` that nobody waits for without end.

    .. versionadded:: 3.2
    """


class _Outcome(Future[T]):
    """What a call in another thread gives; it is waited for with the usual patience."""

    def result(self, timeout: float | None = None) -> T:
        if timeout is not None:
            return super().result(timeout)
        try:
            return super().result(PATIENCE_SECONDS)
        except FutureTimeoutError:
            if self.done():
                # The call itself has raised it.
                raise
            raise AssertionError(f"a call has not ended in {PATIENCE_SECONDS} s") from None


class Threads(Executor):
    """A :class:`concurrent.futures.ThreadPoolExecutor` that nobody waits for without end.

    Parameters
    ----------
    number : how many threads there are, all from the beginning.

    .. versionadded:: 3.2
    """

    def __init__(self, number: int) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads = [Thread(target=self._work) for _ in range(number)]
        for thread in self._threads:
            thread.start()

    def _work(self) -> None:
        # It is a daemon, and may wait for calls as long as the test makes some.
        for call in iter(self._calls.get, None):
            call()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call a function in one of the threads; return what will hold its outcome."""
        outcome: _Outcome[T] = _Outcome()

        def call() -> None:
            if not outcome.set_running_or_notify_cancel():
                return
            try:
                outcome.set_result(fn(*args, **kwargs))
            except BaseException as error:
                outcome.set_exception(error)

        self._calls.put(call)
        return outcome

    def shutdown(self, wait: bool = True, **_options: Any) -> None:
        """Let the threads end after the calls that they were given."""
        for _ in self._threads:
            self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()


def wait_until(
    condition: Callable[[], T],
    what: str | Callable[[], object] = "it",
    *,
    seconds: float = PATIENCE_SECONDS,
    pause_seconds: float = 0.01,
) -> T:
    """Return what a condition gives, as soon as that is true.

    Parameters
    ----------
    what : a name of the condition for the message, or a function that gives one.
    seconds : how long to wait.
    pause_seconds : between two looks.

    Raises
    ------
    AssertionError : it was not true in time.

    .. versionadded:: 3.2
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            text = what() if callable(what) else what
            raise AssertionError(f"{text} has not happened in {seconds} s")
        time.sleep(pause_seconds)
    return found


def run_until(event: threading.Event, *, seconds: float = 3 * PATIENCE_SECONDS) -> Iterator[None]:
    """Let a loop go round until an event is set.

    Raises
    ------
    AssertionError : it was not set in time.

    .. versionadded:: 3.2
    """
    deadline = time.monotonic() + seconds
    while not event.is_set():
        assert time.monotonic() < deadline, f"the event is not set after {seconds} s"
        yield
