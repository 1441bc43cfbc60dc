"""Time limits of a transaction of PostgreSQL, which the server itself enforces.

The limits are local to each transaction, and are sent in front of its first statement. They cost no
round trip, and work behind PgBouncer, whose connections keep no state.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from cliquet.connections.postgresql.server import GRACE_SECONDS

__all__ = ["NO_LIMITS", "Limits"]

# The locks need this level: after a wait, a statement sees the changes of the other transaction. A
# database or a role may have another default, with which the statement would fail.
_LEVEL: Final = "ISOLATION LEVEL READ COMMITTED"

# The greatest value that the server accepts.
_MAX_MS: Final = 2**31 - 1


@dataclass(frozen=True)
class Limits:
    """The limits of the transactions of one client.

    Attributes
    ----------
    statement_seconds : longest time for one statement; ``None`` leaves it to the server.
    lock_seconds : longest wait for one lock; ``None`` leaves it to the server.
    retries_locks : whether a transaction that waited for a lock in vain may be run again at once,
        because the server cannot see a deadlock between two connections. Such limits also hold for
        commands.
    """

    statement_seconds: float | None = None
    lock_seconds: float | None = None
    retries_locks: bool = False

    @cached_property
    def patience_seconds(self) -> float | None:
        """Time to wait for the answer of a server, which keeps the limits itself if it lives."""
        return None if self.statement_seconds is None else self.statement_seconds + GRACE_SECONDS

    @cached_property
    def opening(self) -> bytes:
        """The statements that begin a transaction."""
        return self._statements(f"BEGIN {_LEVEL}")

    @cached_property
    def prefix(self) -> bytes:
        """The text in front of a statement that is a transaction by itself.

        Statements that are sent together are one transaction. ``BEGIN`` and ``COMMIT`` are not
        used, because their results would replace that of the statement.
        """
        return self._statements(f"SET TRANSACTION {_LEVEL}") + b";"

    @cached_property
    def text_prefix(self) -> str:
        """The same as a text, for a statement whose values the driver adds itself."""
        return self.prefix.decode()

    def _statements(self, first: str) -> bytes:
        limits = {"statement_timeout": self.statement_seconds, "lock_timeout": self.lock_seconds}
        statements = [
            f"SET LOCAL {name} = {min(max(1, round(seconds * 1000)), _MAX_MS)}"
            for name, seconds in limits.items()
            if seconds is not None
        ]
        return ";".join([first, *statements]).encode()


NO_LIMITS: Final = Limits()
"""The limits of commands and migrations, which may take any time."""
