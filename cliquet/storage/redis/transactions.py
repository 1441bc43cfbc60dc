"""The operations of the storage in Redis, which run again until nobody disturbs them."""

from __future__ import annotations

import contextlib
import functools
import random
import threading
import time
import uuid
from collections.abc import Callable
from typing import TypeVar

from cliquet.storage.exceptions import BackendError
from cliquet.storage.redis.database import Database
from cliquet.storage.redis.operation import Operation
from cliquet.storage.selection import CollectionKey
from cliquet.transactions.own import OwnTransaction

__all__ = ["Transactions"]

T = TypeVar("T")
U = TypeVar("U")

ATTEMPTS = 10

# Operations that were disturbed wait for a lock, which other operations see at their first read.
# The lock only makes disturbances rare. The guarantee is the comparison at the end, so that it does
# no harm if the lock expires during a slow operation, or if somebody waits for it in vain.
LEASE_MS = 2000
MAX_WAIT_SECONDS = 5.0
PAUSE_SECONDS = 0.001
MAX_PAUSE_SECONDS = 0.02


class _DisturbedError(Exception):
    """Somebody has changed data that an operation had read."""


class Transactions:
    """The present operations, one for each thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._local = threading.local()

    @property
    def current(self) -> Operation | None:
        """The present operation of this thread."""
        found: Operation | None = getattr(self._local, "operation", None)
        return found

    def run(self, operation: Callable[[], T], key: CollectionKey) -> T:
        """Run an operation again until nobody changes its data meanwhile, at most 10 times.

        Its writes are kept back until its end, and only the operation itself sees them. If it only
        reads single records, changes of other records do not disturb it. If it reads a list, or the
        timestamp of the collection, any change of the collection does.

        Raises
        ------
        BackendError : it was disturbed each time; the error is retryable.
        """
        if self.current is not None:
            return operation()
        return self.run_with(lambda _: operation(), key)

    def run_with(self, function: Callable[[Operation], T], key: CollectionKey) -> T:
        """Do the same as :meth:`run`, with a function that takes its operation."""
        if self.current is not None:
            return function(self.current)
        token = uuid.uuid4().hex
        owns_lock = False
        try:
            for attempt in range(ATTEMPTS):
                if attempt == 1:
                    owns_lock = self._acquire(key, token)
                # The slack is one millisecond, then two, then four, and so on (see `Operation`).
                slack_ms = 1 << (attempt - 1) if attempt else 0
                run = Operation(self._database, slack_ms=slack_ms, may_disturb=attempt > 0)
                with contextlib.suppress(_DisturbedError):
                    return self._attempt(function, run)
        finally:
            if owns_lock:
                # The commit is done, and a lock that cannot be released expires.
                with contextlib.suppress(BackendError):
                    self._database.release(key, token)
        raise BackendError(
            message=f"The collection changed during each of {ATTEMPTS} attempts", retryable=True
        )

    def with_effects(
        self, write: Callable[[], T], effects: Callable[[T | None], U], key: CollectionKey
    ) -> tuple[T, U]:
        """Run a write and its effects in other backends, within an operation if there is one."""
        if self.current is not None:
            written = write()
            return written, effects(written)
        # The effects are prepared first, so that they cannot overtake a later write of the record.
        own = OwnTransaction()
        with own.entered():
            prepared = effects(None)
        return own.commit(write), prepared

    def _attempt(self, function: Callable[[Operation], T], run: Operation) -> T:
        """Run a function, and commit all its changes, here and in other backends, or none.

        Raises
        ------
        _DisturbedError : the data that it has read have changed.
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
            # The error may come from data that were never true at the same moment.
            if run.is_valid():
                raise
            raise _DisturbedError from error
        own.commit(functools.partial(_commit, run, has_effects=own.has_parts))
        return result

    def _acquire(self, key: CollectionKey, token: str) -> bool:
        """Wait for the lock of a collection; return whether it was obtained."""
        deadline = time.monotonic() + MAX_WAIT_SECONDS
        pause_seconds = PAUSE_SECONDS
        while not self._database.acquire(key, token, LEASE_MS):
            if time.monotonic() > deadline:
                return False
            # The pause is random, so that not all try again at the same moment.
            time.sleep(pause_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            pause_seconds = min(2 * pause_seconds, MAX_PAUSE_SECONDS)
        return True


def _commit(run: Operation, *, has_effects: bool) -> None:
    if run.commit(has_effects=has_effects).outcome != "done":
        raise _DisturbedError
