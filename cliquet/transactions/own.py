"""Transactions of one operation, for storages that do not wait for the end of the request.

The changes that an operation of such a storage causes in other backends, mostly in permissions,
belong to the operation. They are dropped when the operation is repeated or fails, and are kept once
the storage has committed, even if the request fails later. The backends join the transaction of the
operation in the same way as that of a request.

This module knows nothing of records or permissions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from transaction import Transaction, TransactionManager

from cliquet.transactions import scope
from cliquet.transactions.scope import DataManager

__all__ = ["OwnTransaction", "run"]

T = TypeVar("T")


class OwnTransaction:
    """A transaction that backends join within a block, and that a single decision commits."""

    def __init__(self) -> None:
        self._transaction = TransactionManager(explicit=True).begin()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let the backends join this transaction instead of that of the request.

        If the block raises, its changes are undone.
        """
        with scope.within(self._transaction):
            try:
                yield
            except BaseException:
                self._transaction.abort()
                raise

    @property
    def has_parts(self) -> bool:
        """Whether a backend has joined the transaction, and has something to commit."""
        return bool(self._transaction._resources)

    def commit(self, decide: Callable[[], T]) -> T:
        """Commit the transaction if `decide` does not raise, and return its result.

        `decide` is called when all backends have said that they are ready, and before they commit.
        """
        if not self.has_parts:
            outcome = decide()
            if any(self._transaction.getAfterCommitHooks()):
                # A backend has committed its changes by itself.
                self._transaction.commit()
            return outcome
        decision = _Decision(decide, self._transaction)
        self._transaction.join(decision)
        self._transaction.commit()
        return decision.outcome  # type: ignore[no-any-return]  # set by the commit


def run(operation: Callable[[], T]) -> T:
    """Run an operation as a transaction, which is undone if the operation raises."""
    own = OwnTransaction()
    with own.entered():
        result = operation()
    return own.commit(lambda: result)


class _Decision(DataManager):
    """The participant of a transaction that decides whether it is committed."""

    # The participant with the empty key comes before all others.
    sort_key = ""

    def __init__(self, decide: Callable[[], Any], transaction: Transaction) -> None:
        self._decide = decide
        self.outcome: Any = None
        self.transaction_manager = transaction._manager

    def tpc_vote(self, transaction: Transaction) -> None:
        self.outcome = self._decide()
