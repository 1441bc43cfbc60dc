"""A circuit breaker: a server that failed several times in a row is left alone for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cliquet.core.forks import renew_locks

__all__ = ["CircuitBreaker"]


class CircuitBreaker:
    """Counts failures, and says when to try again; threads may share it.

    When `max_failures` calls in a row have failed, no call is allowed for `pause_seconds`. Then one
    call is allowed, and the others wait for another pause or until that call has succeeded. A
    thread that never reports the end of its call therefore cannot block the others for ever.

    Parameters
    ----------
    max_failures : 1 or more.
    clock : returns a time in seconds that never decreases.
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
        renew_locks(self, "_lock")
        self._failures = 0
        self._skipped = 0
        # The end of the pause; `None` while all calls are allowed.
        self._next_trial: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls are left out, except one after each pause."""
        return self._next_trial is not None

    def allows(self) -> bool:
        """Return whether to make a call; the caller then reports its end to `fail` or `succeed`."""
        # There is no lock here, so that threads do not wait for each other in the usual case.
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
        Whether a pause begins with this failure.
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
        How many calls were left out, if a pause ends with this success; otherwise ``None``.
        """
        if self._failures == 0:
            return None
        with self._lock:
            skipped = self._skipped if self.is_open else None
            self._failures = self._skipped = 0
            self._next_trial = None
            return skipped
