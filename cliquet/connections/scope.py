"""The transaction of the request being processed, as the backends see it.

A backend joins the transaction of a *request*, never the one that a script or an application
happens to have open in the thread: outside a request each call commits by itself (X-18). A
context variable says which case it is, and the web layer sets it: a script may have a transaction
open for reasons of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from transaction import Transaction

__all__ = [
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

    Code that runs after the commit or the abort is still in the request, but what it writes must
    not wait for a commit that has already happened: hence the hooks.

    Parameters
    ----------
    contended : survives the transaction when the request is run again (see :func:`contended`).
    """
    _transaction.set(transaction)
    _contended.set(contended)
    transaction.addAfterCommitHook(_leave_on_end)
    transaction.addAfterAbortHook(_leave_on_end)


def leave() -> None:
    """Forget the request's transaction: from here on each backend call commits by itself."""
    _transaction.set(None)
    _contended.set(None)


def current() -> Transaction | None:
    """Return the request's transaction, or ``None`` outside a request or once it has ended.

    Within an operation that has one of its own, that one (see :func:`within`).
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
    """Return the request's transaction, while an operation within it has one of its own.

    Who holds a lock in the former must not wait for it in the latter.
    """
    return _outer.get()


def contended() -> set[Any]:
    """Return the locks that former attempts of the request held or wanted in a deadlock.

    A backend adds to it, and takes them in one order at the beginning of the next attempt, so that
    the same deadlock does not happen again.
    """
    found = _contended.get()
    return set() if found is None else found


@contextmanager
def without_time_limits() -> Iterator[None]:
    """Let what the block does take its time, and wait for locks, as migrations and commands must.

    The limits are for requests: nobody waits for an answer here.
    """
    token = _time_limits.set(False)
    try:
        yield
    finally:
        _time_limits.reset(token)


def has_time_limits() -> bool:
    """Return whether what is done now is subject to the limits that settings give."""
    return _time_limits.get()


def _leave_on_end(*_status: Any) -> None:
    leave()
