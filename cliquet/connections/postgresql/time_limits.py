"""How long a transaction of PostgreSQL may run and wait, as it tells the server itself (X-34).

The limits are local to each transaction, and travel in front of its first statement: they cost no
round trip, and hold behind PgBouncer, whose connections have no state (E-9.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

__all__ = ["NO_LIMITS", "Limits"]

# The locks rely on this level: after a wait, a statement sees what the other transaction did. A
# database or a role may have another default, with which it fails instead.
_LEVEL: Final = "ISOLATION LEVEL READ COMMITTED"

# The greatest that the server takes.
_MAX_MS: Final = 2**31 - 1


@dataclass(frozen=True)
class Limits:
    """The limits of the transactions of one client.

    Attributes
    ----------
    statement_seconds : longest time for one statement; ``None`` leaves it to the server.
    lock_seconds : longest wait for one lock; ``None`` leaves it to the server.
    retries_locks : whether who waited in vain for a lock may be run again at once: the server
        cannot see that the one waits for the other. Such limits hold for commands as well.
    """

    statement_seconds: float | None = None
    lock_seconds: float | None = None
    retries_locks: bool = False

    @cached_property
    def opening(self) -> bytes:
        """The statements that begin a transaction."""
        return self._statements(f"BEGIN {_LEVEL}")

    @cached_property
    def prefix(self) -> bytes:
        """What stands in front of a statement that is a transaction of its own.

        Statements that are sent together are one transaction, without ``BEGIN`` and ``COMMIT``,
        which would take the place of the result.
        """
        return self._statements(f"SET TRANSACTION {_LEVEL}") + b";"

    def _statements(self, first: str) -> bytes:
        limits = {"statement_timeout": self.statement_seconds, "lock_timeout": self.lock_seconds}
        statements = [
            f"SET LOCAL {name} = {min(max(1, round(seconds * 1000)), _MAX_MS)}"
            for name, seconds in limits.items()
            if seconds is not None
        ]
        return ";".join([first, *statements]).encode()


NO_LIMITS: Final = Limits()
"""For commands and migrations, which take the time that they need."""
