"""Lines of text that leave together, in datagrams that no network has to cut.

To send a datagram costs more than all else that a metric takes. Lines therefore wait for others,
of other requests too: until there are many of them, for a tenth of a second, or until the end of
the process. A server that kills its process loses what is kept at that time.
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

from cliquet.core.forks import in_child

__all__ = ["Datagrams"]

MAX_DATAGRAM_BYTES: Final = 1232
"""Each network that carries IPv6 carries packets of 1 280 bytes, of which 48 are headers."""

MAX_LINES: Final = 100
"""So many lines do not wait for others."""

MAX_WAIT_SECONDS: Final = 0.1

MAX_IDLE_ROUNDS: Final = 50
"""So many waits without a line end the thread that sends them. To start another one costs more than
the metrics of several requests; a service with a few requests in a second would do so for each."""


class Datagrams:
    """Keeps lines for a short time, and sends them together, in order.

    Whatever interrupts a thread in the middle of this may call it: a signal handler of the
    application, or the garbage collector that finds the owner. It neither waits then nor sends.

    Parameters
    ----------
    send : sends the text of one datagram.
    end : is called when nothing will be sent any more.
    """

    def __init__(
        self, send: Callable[[str], object], end: Callable[[], object] = lambda: None
    ) -> None:
        self._send = send
        self._end = end
        self._lines: deque[str] = deque()
        self._lock = threading.RLock()
        self._is_sending = False
        # Whether a thread is about to send what is kept. It lives as long as there are lines now
        # and then, so that a process that does nothing has no thread.
        self._is_timed = False
        self._is_closed = False
        self._ends_with_process = False
        in_child(self, Datagrams._forget)

    def keep(self, line: str) -> None:
        """Send a line of ASCII soon."""
        lines = self._lines
        lines.append(line)
        if not self._is_timed:
            self._start_thread()
        if len(lines) >= MAX_LINES:
            self.flush()

    def flush(self) -> None:
        """Send what is kept."""
        with self._lock:
            if self._is_sending:
                # This thread is in the middle of it.
                return
            self._is_sending = True
            try:
                self._send_kept()
            finally:
                self._is_sending = False
                self._end_if_closed()

    def _send_kept(self) -> None:
        lines = self._lines
        if self._is_closed:
            lines.clear()
        # Those that come meanwhile are sent later: this ends.
        for datagram in _cut("\n".join(islice(iter(lines.popleft, None), len(lines)))):
            self._send(datagram)

    def close(self) -> None:
        """Send what is kept, and drop what comes later."""
        self.flush()
        with self._lock:
            self._is_closed = True
            if not self._is_sending:
                self._end_if_closed()

    def _end_if_closed(self) -> None:
        if self._is_closed:
            end, self._end = self._end, lambda: None
            end()

    def _start_thread(self) -> None:
        with self._lock:
            if self._is_timed:
                return
            self._is_timed = True
        if not self._ends_with_process:
            self._ends_with_process = True
            _at_end_of_worker(self)
        thread = threading.Thread(target=self._send_in_time, name="cliquet-metrics", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # There are no new threads at the end of the interpreter, or too many of others.
            self._is_timed = False
            self.flush()

    def _send_in_time(self) -> None:
        idle_rounds = 0
        while True:
            time.sleep(MAX_WAIT_SECONDS)
            with self._lock:
                # After this, who keeps a line starts another thread; a line from before is seen.
                self._is_timed = False
                idle_rounds = 0 if self._lines else idle_rounds + 1
                if idle_rounds > MAX_IDLE_ROUNDS or (idle_rounds and self._is_closed):
                    return
                self._is_timed = True
            self.flush()

    def _forget(self) -> None:
        # The parent sends the lines. The lock may be that of a thread that is not here.
        self._lock = threading.RLock()
        self._lines.clear()
        self._is_sending = self._is_timed = self._ends_with_process = False


def _cut(text: str) -> Iterator[str]:
    """Yield lines of a text together, as many as fit into a datagram."""
    start, end = 0, len(text)
    while end - start > MAX_DATAGRAM_BYTES:
        stop = text.rfind("\n", start, start + MAX_DATAGRAM_BYTES + 1)
        if stop < 0:
            # A line that is longer leaves alone.
            stop = text.find("\n", start)
            if stop < 0:
                break
        yield text[start:stop]
        start = stop + 1
    if start < end:
        yield text[start:]


def _at_end_of_worker(datagrams: Datagrams) -> None:
    """Send what is kept when a worker of ``multiprocessing`` ends, as those of granian are.

    A worker that was forked ends without what is registered with ``atexit`` (before Python 3.13).
    """
    processes: Any = sys.modules.get("multiprocessing.util")
    if processes is None:
        return
    reference = weakref.ref(datagrams)

    def flush() -> None:
        known = reference()
        if known is not None:
            known.flush()

    processes.Finalize(datagrams, flush, exitpriority=0)
