"""A replica of a database, and when to leave it alone.

A replica that is down, late or wrong is no failure: the primary serves instead. What was found out
is remembered, so that requests do not find it out again and again.
"""

from __future__ import annotations

import threading
import time
import weakref
from typing import Final

from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.connections.postgresql.server import NoAnswerError
from cliquet.core.forks import renew_locks
from cliquet.monitoring import logs
from cliquet.storage.exceptions import BackendError, TimeLimitError

__all__ = ["AVOIDED", "FAILED", "LATE", "MISSING", "SERVED", "Replica"]

# What becomes of a read that a replica could serve. All but the first go on to the primary.
SERVED: Final = "served"
LATE: Final = "late"
MISSING: Final = "missing"
FAILED: Final = "failed"
# It was not asked, because it is known to be late or down.
AVOIDED: Final = "avoided"

_REST_SECONDS: Final = 2.0
# A replica is always late by a moment. Only what it lacks after that time says that it is behind.
_USUAL_LAG_MS: Final = 1000
_BEHIND_SECONDS: Final = 1.0


class Replica:
    """A replica that may serve requests.

    Parameters
    ----------
    client : lends connections to it.
    """

    def __init__(self, client: PostgreSQLClient) -> None:
        self.client = client
        self._is_down = False
        self._behind_until = 0.0
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        renew_locks(self, "_starting")

    def may_serve(self, known: int) -> bool:
        """Return whether it is worth a try.

        Parameters
        ----------
        known : timestamp that the client knows, 0 if there is none.
        """
        if self._is_down:
            # A forked process has no thread that waits for its return.
            self._wait_for_return()
            return False
        return not known or time.monotonic() > self._behind_until

    @property
    def is_down(self) -> bool:
        """Whether it has failed, and has not answered since."""
        return self._is_down

    def is_reached(self) -> bool:
        """Return whether it answers."""
        try:
            self.client.rows("SELECT 1")
        except BackendError:
            return False
        return True

    def lacks(self, known: int) -> None:
        """Take note that it does not have a change that a client knows.

        If it is behind for longer than usual, those who know anything go to the primary at once for
        a while.
        """
        if time.time() * 1000 - known > _USUAL_LAG_MS:
            self._behind_until = time.monotonic() + _BEHIND_SECONDS

    def fail(self, error: BackendError) -> None:
        """Take note of an error of a query, which the primary answers instead.

        Raises
        ------
        TimeLimitError : the query takes too long for any server.
        """
        if isinstance(error, TimeLimitError) and not isinstance(error.original, NoAnswerError):
            raise error
        if error.retryable:
            # It has replayed a change that the query was in the way of.
            return
        logs.logger.warning("postgresql.replica_failed", error=str(error))
        self._is_down = True
        self._wait_for_return()

    def _wait_for_return(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=_wait_for_return,
                    args=(weakref.ref(self),),
                    name="cliquet-postgresql-replica",
                    daemon=True,
                )
                self._thread.start()


def _wait_for_return(reference: weakref.ref[Replica]) -> None:
    while True:
        time.sleep(_REST_SECONDS)
        replica = reference()
        if replica is None:
            return
        if replica.is_reached():
            replica._is_down = False
            return
        del replica
