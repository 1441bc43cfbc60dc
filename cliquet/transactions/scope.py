"""The transaction of the request that is being processed, and the part of a backend in it.

A backend joins the transaction of a *request*, and never one that a script or an application
happens to have open in the thread. Outside of a request each call of a backend commits by itself
(X-18). A context variable, which the tweens set, says which case it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

from transaction import Transaction

__all__ = [
    "DataManager",
    "begun",
    "contended",
    "current",
    "enter",
    "has_time_limits",
    "is_waiting",
    "is_waiting_for",
    "leave",
    "leave_on_end",
    "outer",
    "wait",
    "within",
    "without_time_limits",
]


T = TypeVar("T")


class _Waiting(NamedTuple):
    """Stands for the transaction of a request that begins when somebody needs it."""

    begin: Callable[[], Transaction]
    owner: object


_transaction: ContextVar[Transaction | _Waiting | None] = ContextVar(
    "cliquet_transaction", default=None
)
_outer: ContextVar[Transaction | None] = ContextVar("cliquet_outer_transaction", default=None)
_contended: ContextVar[set[Any] | None] = ContextVar("cliquet_contended", default=None)
_time_limits: ContextVar[bool] = ContextVar("cliquet_time_limits", default=True)


def enter(
    transaction: Transaction,
    contended: set[Any] | None = None,
    *,
    has_hooks: bool = False,
    is_left: bool = False,
) -> None:
    """Make `transaction` the one that backends join, until it ends or :func:`leave` is called.

    Code that runs after the commit or the abort is still in the request, but its changes must not
    wait for a commit that has already happened. The hooks are there for that.

    Parameters
    ----------
    contended : set of locks that survives the transaction when the request is run again (see
        :func:`contended`).
    has_hooks : whether the application may have added hooks, which are called in their order.
    is_left : whether the transaction calls :func:`leave_on_end` by itself.
    """
    _transaction.set(transaction)
    _contended.set(contended)
    if is_left:
        return
    if has_hooks:
        transaction.join(_Leaving(transaction))
        return
    transaction.addAfterCommitHook(leave_on_end)
    transaction.addAfterAbortHook(leave_on_end)


def wait(begin: Callable[[], Transaction], owner: object = None) -> None:
    """Begin the transaction of a request as soon as a backend wants to join it.

    Parameters
    ----------
    begin : begins the transaction, calls :func:`enter`, and returns it.
    owner : the request, if nobody of the application sees its response before the commit.
    """
    # The class itself would be called through a function in Python, in each request.
    _transaction.set(tuple.__new__(_Waiting, (begin, owner)))


def is_waiting() -> bool:
    """Return whether a request is being processed whose transaction has not begun."""
    return _transaction.get().__class__ is _Waiting


def is_waiting_for(owner: object) -> bool:
    """Return whether a transaction has not begun that is of one request, and ends with it."""
    found: Any = _transaction.get()
    return found.__class__ is _Waiting and found.owner is owner


def leave() -> Transaction | None:
    """Forget the transaction of the request: from now on, each backend call commits by itself.

    Returns
    -------
    The transaction, if there was one that had begun.
    """
    found = _transaction.get()
    _transaction.set(None)
    _contended.set(None)
    return None if found.__class__ is _Waiting else found


def current() -> Transaction | None:
    """Return the transaction of the request; ``None`` outside of a request, or after its end.

    It begins now if it has not begun before. Within an operation that has its own transaction, it
    is that one (see :func:`within`).
    """
    found = _transaction.get()
    return found.begin() if found.__class__ is _Waiting else found


def begun() -> Transaction | None:
    """Return the same if it has begun, for those who only look what others have joined."""
    found = _transaction.get()
    return None if found.__class__ is _Waiting else found


@contextmanager
def within(transaction: Transaction) -> Iterator[None]:
    """Make `transaction` the one that backends join, for the block."""
    outer_token = _outer.set(begun())
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


has_time_limits: Callable[[], bool] = _time_limits.get
"""Return whether the time limits of the settings apply now."""


def leave_on_end(*_status: Any) -> None:
    """Leave the transaction of the request; this is its hook after the end."""
    leave()


class DataManager:
    """A participant that has nothing to do in any phase; a subclass overrides those that matter.

    The names of the methods are those of the interface ``IDataManager``. A subclass sets both
    attributes: a call of a common ``__init__`` would be one more in each request.

    Attributes
    ----------
    transaction_manager : that of the transaction in which it takes part.
    sort_key : place among the participants: each phase goes through them in this order.
    is_short : whether it has nothing to do before its vote, and nothing after its end.
    """

    transaction_manager: Any
    sort_key: str
    is_short = False

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


class _Leaving(DataManager):
    """Makes a transaction that is over no longer the one that backends join, before its hooks."""

    sort_key = "~~~cliquet.scope"

    def __init__(self, transaction: Transaction) -> None:
        self.transaction_manager = transaction._manager

    def abort(self, transaction: Transaction) -> None:
        leave()

    def tpc_finish(self, transaction: Transaction) -> None:
        leave()

    def savepoint(self) -> _Leaving:
        """Return a savepoint: nothing is to be undone."""
        return self

    def rollback(self) -> None:
        """Undo nothing."""
