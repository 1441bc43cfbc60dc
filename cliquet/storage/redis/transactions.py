"""Running operations until nobody disturbs them (X-24)."""

from __future__ import annotations

import contextlib
import functools
import random
import threading
import time
import uuid
from collections.abc import Callable
from typing import TypeVar

from cliquet.connections.own_transactions import OwnTransaction
from cliquet.storage.exceptions import BackendError
from cliquet.storage.redis.database import Database
from cliquet.storage.redis.operation import Operation
from cliquet.storage.selection import CollectionKey

__all__ = ["Transactions"]

T = TypeVar("T")
U = TypeVar("U")

ATTEMPTS = 10

# Those who were disturbed queue up on a lock, which newcomers see at their first read. It makes
# disturbances rare, and is no guarantee: that is the comparison at the end. Hence it may expire
# under a slow operation, or be waited for in vain, without harm.
LEASE_MS = 2000
MAX_WAIT_SECONDS = 5.0
PAUSE_SECONDS = 0.001
MAX_PAUSE_SECONDS = 0.02


class _DisturbedError(Exception):
    """Somebody changed what an operation had read."""


class Transactions:
    """The operations under way, one for each thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._local = threading.local()

    @property
    def current(self) -> Operation | None:
        """The operation that this thread is in."""
        found: Operation | None = getattr(self._local, "operation", None)
        return found

    def run(self, operation: Callable[[], T], key: CollectionKey) -> T:
        """Run an operation until nobody changes meanwhile what it read, at most 10 times (X-24).

        Its writes are kept back until it ends, and it alone sees them. The timestamp of a record
        that is read alone is what matters of it: changes of other records do not disturb. After a
        listing, or the timestamp of the collection, any change of the collection does.

        Raises
        ------
        BackendError : it was disturbed each time; the error is retryable.
        """
        if self.current is not None:
            return operation()
        return self.run_with(lambda _: operation(), key)

    def run_with(self, function: Callable[[Operation], T], key: CollectionKey) -> T:
        """Do as :meth:`run` does, with a function that takes the operation it belongs to."""
        if self.current is not None:
            return function(self.current)
        token = uuid.uuid4().hex
        owns_lock = False
        try:
            for attempt in range(ATTEMPTS):
                if attempt == 1:
                    owns_lock = self._acquire(key, token)
                # One millisecond more, then two, four...: see `Operation`.
                slack_ms = 1 << (attempt - 1) if attempt else 0
                run = Operation(self._database, slack_ms=slack_ms, may_disturb=attempt > 0)
                with contextlib.suppress(_DisturbedError):
                    return self._attempt(function, run)
        finally:
            if owns_lock:
                # What was committed is: the lock that cannot be given back expires.
                with contextlib.suppress(BackendError):
                    self._database.release(key, token)
        raise BackendError(
            message=f"The collection changed during each of {ATTEMPTS} attempts", retryable=True
        )

    def with_effects(
        self, write: Callable[[], T], effects: Callable[[T | None], U], key: CollectionKey
    ) -> tuple[T, U]:
        """Run a write, and what it changes in other backends, in the operation under way if any."""
        if self.current is not None:
            written = write()
            return written, effects(written)
        # Prepared first: nobody who writes the record afterwards is overtaken by them.
        own = OwnTransaction()
        with own.entered():
            prepared = effects(None)
        return own.commit(write), prepared

    def _attempt(self, function: Callable[[Operation], T], run: Operation) -> T:
        """Run a function and commit what it did, here and in other backends, or nothing of it.

        Raises
        ------
        _DisturbedError : what it has read is no longer so.
        """
        own = OwnTransaction()
        try:
            with own.entered():
                self._local.operation = run
                try:
                    result = function(run)
                finally:
                    self._local.operation = None
        except Exception as error:
            # What it was decided on may never have been true at one instant.
            if run.is_valid():
                raise
            raise _DisturbedError from error
        own.commit(functools.partial(_commit, run, has_effects=own.has_parts))
        return result

    def _acquire(self, key: CollectionKey, token: str) -> bool:
        """Wait for the lock of a collection; tell whether it was had."""
        deadline = time.monotonic() + MAX_WAIT_SECONDS
        pause_seconds = PAUSE_SECONDS
        while not self._database.acquire(key, token, LEASE_MS):
            if time.monotonic() > deadline:
                return False
            # Not all at once.
            time.sleep(pause_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            pause_seconds = min(2 * pause_seconds, MAX_PAUSE_SECONDS)
        return True


def _commit(run: Operation, *, has_effects: bool) -> None:
    if run.commit(has_effects=has_effects).outcome != "done":
        raise _DisturbedError
