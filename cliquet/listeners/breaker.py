"""When not to try: a server that has failed several times in a row is left alone for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["CircuitBreaker"]


class CircuitBreaker:
    """Counts failures, and says when to try again (safe for threads).

    Once `max_failures` calls in a row have failed, nobody is let through for `pause_seconds`; then
    one thread is, and the others wait for another pause, or until that one has succeeded. A thread
    that never tells how its call ended therefore locks nobody out.

    Parameters
    ----------
    max_failures : 1 or more.
    clock : gives seconds that never go back.
    """

    def __init__(
        self,
        *,
        max_failures: int,
        pause_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.max_failures = max_failures
        self.pause_seconds = pause_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._skipped = 0
        # The end of the pause; `None` while everybody is let through.
        self._next_trial: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls are left out, but for one after each pause."""
        return self._next_trial is not None

    def allows(self) -> bool:
        """Return whether to make a call, which is then followed by one of the other methods."""
        # Without lock: the usual answer must not have threads wait for each other.
        if self._next_trial is None:
            return True
        with self._lock:
            now = self._clock()
            if self._next_trial is not None and now < self._next_trial:
                self._skipped += 1
                return False
            if self._next_trial is not None:
                self._next_trial = now + self.pause_seconds
            return True

    def fail(self) -> bool:
        """Note that a call failed.

        Returns
        -------
        Whether the pause begins with it.
        """
        with self._lock:
            self._failures += 1
            was_open, is_open = self.is_open, self._failures >= self.max_failures
            if is_open:
                self._next_trial = self._clock() + self.pause_seconds
            return is_open and not was_open

    def succeed(self) -> int | None:
        """Note that a call succeeded.

        Returns
        -------
        How many calls were left out, if the pause ends with it.
        """
        if self._failures == 0:
            return None
        with self._lock:
            skipped = self._skipped if self.is_open else None
            self._failures = self._skipped = 0
            self._next_trial = None
            return skipped
