"""Threads that call functions for an event loop, and do not keep a process from its end.

At its end, the interpreter waits for the threads of ``ThreadPoolExecutor``, however long their
calls take: a request that hangs would keep alive a server that has been told to end.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, Final, ParamSpec, TypeVar

__all__ = ["Threads"]

P = ParamSpec("P")
T = TypeVar("T")

_Call = tuple["Future[Any]", Callable[[], Any]]

_END: Final = None


class Threads(Executor):
    """Some daemon threads, each of which begins when there is something to do.

    Its methods are called in one thread, that of the loop.

    Parameters
    ----------
    number : how many calls run at the same time.
    name : beginning of the names of the threads.
    """

    def __init__(self, number: int, name: str) -> None:
        self._number = number
        self._name = name
        self._begun = 0
        self._is_over = False
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call a function in one of the threads; return what will hold its result.

        Raises
        ------
        RuntimeError : this was shut down, or no thread can be started.
        """
        if self._is_over:
            raise RuntimeError("The threads have been told to end.")
        if self._begun < self._number:
            self._start(is_needed=not self._begun)
        future: Future[T] = Future()
        self._calls.put((future, lambda: fn(*args, **kwargs)))
        return future

    def _start(self, *, is_needed: bool) -> None:
        name = f"{self._name}-{self._begun}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError:
            if is_needed:
                raise
            return
        self._begun += 1

    def _work(self) -> None:
        while (call := self._calls.get()) is not _END:
            future, function = call
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)
            # What the next call waits for must not keep alive what this one was about.
            del call, future, function

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:
        """Let the threads end after their calls, without waiting for that.

        Parameters
        ----------
        wait : is of the interface, and not heeded.
        cancel_futures : whether to drop the calls that have not begun.
        """
        self._is_over = True
        while cancel_futures:
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                break
            if call is not _END:
                call[0].cancel()
        for _ in range(self._begun):
            self._calls.put(_END)
