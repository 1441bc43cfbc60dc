"""Operations of storages whose writes wait for the end of the request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from cliquet.storage.selection import CollectionKey
from cliquet.transactions import own, scope

__all__ = ["JoinedTransactions", "RunLocked"]

T = TypeVar("T")
U = TypeVar("U")


class RunLocked(Protocol):
    """Locks a collection in the present transaction, and runs an operation."""

    def __call__(self, operation: Callable[[], T], key: CollectionKey) -> T:
        """Return the result of the operation."""


class JoinedTransactions:
    """Runs the operations of a storage that joins the transaction of the request.

    If there is no request, an operation has its own transaction, which the other backends join too.

    Parameters
    ----------
    is_under_way : function that says whether this thread is in a transaction of the storage outside
        of requests.
    """

    def __init__(self, is_under_way: Callable[[], bool], run_locked: RunLocked) -> None:
        self._is_under_way = is_under_way
        self._run_locked = run_locked

    def run(self, operation: Callable[[], T], key: CollectionKey) -> T:
        if scope.current() is None and not self._is_under_way():
            return own.run(lambda: self._run_locked(operation, key))
        return self._run_locked(operation, key)

    def with_effects(
        self, write: Callable[[], T], effects: Callable[[T | None], U], key: CollectionKey
    ) -> tuple[T, U]:
        def run() -> tuple[T, U]:
            written = write()
            return written, effects(written)

        if scope.current() is None:
            return self.run(run, key)
        return run()
