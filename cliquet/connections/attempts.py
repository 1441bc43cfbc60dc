"""The bounds on work that a backend repeats, and on waits for what others do meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from cliquet.storage.exceptions import BackendError

__all__ = ["ATTEMPTS", "MAX_WAIT_SECONDS", "attempts", "result_of"]

T = TypeVar("T")

MAX_WAIT_SECONDS = 5.0
"""Longest wait for requests that are writing permissions."""

_PAUSE_SECONDS: Final = 0.001
_MAX_PAUSE_SECONDS: Final = 0.02

ATTEMPTS: Final = 10
"""More than is necessary, however many others write, flush and purge at the same moment."""


def attempts(what: str) -> Iterator[int]:
    """Yield the numbers of the attempts, for a loop that the caller leaves when one succeeds.

    Parameters
    ----------
    what : name of the work, for the message.

    Raises
    ------
    BackendError : all attempts are used up; the error is retryable.
    """
    yield from range(ATTEMPTS)
    raise BackendError(message=f"{what}: {ATTEMPTS} attempts have failed.", retryable=True)


def result_of(attempt: Callable[[], T | None], seconds: float | None = None) -> T:
    """Call a function until its result is not ``None``, and return the result.

    Parameters
    ----------
    seconds : longest wait; ``None`` for :data:`MAX_WAIT_SECONDS`.

    Raises
    ------
    BackendError : there was no such result in time; the error is retryable.
    """
    deadline = time.monotonic() + (MAX_WAIT_SECONDS if seconds is None else seconds)
    pause_seconds = _PAUSE_SECONDS
    while (answer := attempt()) is None:
        if time.monotonic() > deadline:
            raise BackendError(
                message="The permissions are being changed by another request.", retryable=True
            )
        # The pause is random, so that not all try again at the same moment.
        time.sleep(pause_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        pause_seconds = min(2 * pause_seconds, _MAX_PAUSE_SECONDS)
    return answer
