"""The transaction of the request that is being processed, and the part of a backend in it.

A backend joins the transaction of a *request*, and never one that a script or an application
happens to have open in the thread. Outside of a request each call of a backend commits by itself
(X-18). A context variable, which the tweens set, says which case it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from transaction import Transaction

__all__ = [
    "DataManager",
    "contended",
    "current",
    "enter",
    "has_time_limits",
    "leave",
    "outer",
    "within",
    "without_time_limits",
]

_transaction: ContextVar[Transaction | None] = ContextVar("cliquet_transaction", default=None)
_outer: ContextVar[Transaction | None] = ContextVar("cliquet_outer_transaction", default=None)
_contended: ContextVar[set[Any] | None] = ContextVar("cliquet_contended", default=None)
_time_limits: ContextVar[bool] = ContextVar("cliquet_time_limits", default=True)


def enter(transaction: Transaction, contended: set[Any] | None = None) -> None:
    """Make `transaction` the one that backends join, until it ends or :func:`leave` is called.

    Code that runs after the commit or the abort is still in the request, but its changes must not
    wait for a commit that has already happened. The hooks are there for that.

    Parameters
    ----------
    contended : set of locks that survives the transaction when the request is run again (see
        :func:`contended`).
    """
    _transaction.set(transaction)
    _contended.set(contended)
    transaction.addAfterCommitHook(_leave_on_end)
    transaction.addAfterAbortHook(_leave_on_end)


def leave() -> None:
    """Forget the transaction of the request: from now on, each backend call commits by itself."""
    _transaction.set(None)
    _contended.set(None)


def current() -> Transaction | None:
    """Return the transaction of the request; ``None`` outside of a request, or after its end.

    Within an operation that has its own transaction, it is that one (see :func:`within`).
    """
    return _transaction.get()


@contextmanager
def within(transaction: Transaction) -> Iterator[None]:
    """Make `transaction` the one that backends join, for the block."""
    outer_token = _outer.set(_transaction.get())
    token = _transaction.set(transaction)
    try:
        yield
    finally:
        _transaction.reset(token)
        _outer.reset(outer_token)


def outer() -> Transaction | None:
    """Return the transaction of the request while an operation inside has its own transaction.

    The inner transaction must not wait for a lock that the outer one holds.
    """
    return _outer.get()


def contended() -> set[Any]:
    """Return the locks that earlier attempts of the request held or wanted in a deadlock.

    A backend adds locks to this set, and takes all of them in one order at the beginning of the
    next attempt, so that the same deadlock does not happen again.
    """
    found = _contended.get()
    return set() if found is None else found


@contextmanager
def without_time_limits() -> Iterator[None]:
    """Let the statements of a block run, and wait for locks, without the limits of requests.

    This is for migrations and commands, where no client waits for an answer.
    """
    token = _time_limits.set(False)
    try:
        yield
    finally:
        _time_limits.reset(token)


def has_time_limits() -> bool:
    """Return whether the time limits of the settings apply now."""
    return _time_limits.get()


def _leave_on_end(*_status: Any) -> None:
    leave()


class DataManager:
    """A participant that has nothing to do in any phase; a subclass overrides those that matter.

    The names of the methods are those of the interface ``IDataManager``. A subclass sets both
    attributes: a call of a common ``__init__`` would be one more in each request.

    Attributes
    ----------
    transaction_manager : that of the transaction in which it takes part.
    sort_key : place among the participants: each phase goes through them in this order.
    """

    transaction_manager: Any
    sort_key: str

    def abort(self, transaction: Transaction) -> None:
        """Undo everything. The transaction may call this and `tpc_abort` for one failure."""

    def tpc_begin(self, transaction: Transaction) -> None:
        """Begin the commit."""

    def commit(self, transaction: Transaction) -> None:
        """Prepare what is to be committed."""

    def tpc_vote(self, transaction: Transaction) -> None:
        """Agree, or raise: this is the last moment when a failure makes the request fail."""

    def tpc_finish(self, transaction: Transaction) -> None:
        """Make what was prepared final; this must not fail."""

    def tpc_abort(self, transaction: Transaction) -> None:
        """Undo what was prepared."""
        self.abort(transaction)

    def sortKey(self) -> str:  # noqa: N802 - name of the interface
        return self.sort_key
