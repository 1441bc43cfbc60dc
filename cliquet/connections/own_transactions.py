"""Transactions of one operation, for storages that do not wait for the end of the request (X-30).

What an operation of such a storage does in other backends, permissions above all, belongs to the
operation: it is dropped when the operation is repeated or fails, and kept once the storage has
committed, whatever becomes of the request. The backends join the transaction of the operation as
they join the one of a request.

Knows nothing of records or permissions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from transaction import Transaction, TransactionManager

from cliquet.connections import scope

__all__ = ["OwnTransaction", "run"]

T = TypeVar("T")


class OwnTransaction:
    """A transaction that backends join within a block, and that one decision commits."""

    def __init__(self) -> None:
        self._transaction = TransactionManager(explicit=True).begin()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let the backends join this transaction, in place of the request's; undo if it raises."""
        with scope.within(self._transaction):
            try:
                yield
            except BaseException:
                self._transaction.abort()
                raise

    @property
    def has_parts(self) -> bool:
        """Whether a backend has joined it, which has something to commit."""
        return bool(self._transaction._resources)

    def commit(self, decide: Callable[[], T]) -> T:
        """Keep what was done, if `decide` does not raise; return what it returns.

        It is called once all the others have said that they are ready, and before they make their
        changes.
        """
        if not self.has_parts:
            return decide()
        decision = _Decision(decide, self._transaction)
        self._transaction.join(decision)
        self._transaction.commit()
        return decision.outcome  # type: ignore[no-any-return]  # set by the commit


def run(operation: Callable[[], T]) -> T:
    """Run an operation as a transaction, committed in the end; undone if it raises."""
    own = OwnTransaction()
    with own.entered():
        result = operation()
    return own.commit(lambda: result)


class _Decision:
    """The part in a transaction of whoever decides on it."""

    def __init__(self, decide: Callable[[], Any], transaction: Transaction) -> None:
        self._decide = decide
        self.outcome: Any = None
        # Part of the IDataManager interface.
        self.transaction_manager = transaction._manager

    def abort(self, transaction: Transaction) -> None:
        pass

    def tpc_begin(self, transaction: Transaction) -> None:
        pass

    def commit(self, transaction: Transaction) -> None:
        pass

    def tpc_vote(self, transaction: Transaction) -> None:
        self.outcome = self._decide()

    def tpc_finish(self, transaction: Transaction) -> None:
        pass

    def tpc_abort(self, transaction: Transaction) -> None:
        pass

    def sortKey(self) -> str:  # noqa: N802 - name of the interface
        # Before all others.
        return ""
