"""How often a backend does again what somebody else undoes meanwhile: not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cliquet.storage.exceptions import BackendError

__all__ = ["ATTEMPTS", "attempts"]

ATTEMPTS: Final = 10
"""More than any number of others who write, flush and purge at the same moment makes necessary."""


def attempts(what: str) -> Iterator[int]:
    """Give the numbers of the attempts, for a loop that is left when one succeeds.

    Parameters
    ----------
    what : is attempted, for the message.

    Raises
    ------
    BackendError : all of them are used up; the error is retryable.
    """
    yield from range(ATTEMPTS)
    raise BackendError(message=f"{what}: {ATTEMPTS} attempts have failed.", retryable=True)
