"""The bound on how often a backend repeats work that other processes undo meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cliquet.storage.exceptions import BackendError

__all__ = ["ATTEMPTS", "attempts"]

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
