"""A transaction like that of a request, for tests that call backends directly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from transaction import Transaction, TransactionManager

from cliquet.transactions import scope

__all__ = ["request_transaction"]


@contextmanager
def request_transaction() -> Iterator[Transaction]:
    """Make backends believe that a request is being processed in this thread.

    It gives the transaction, whose ``commit()``, ``abort()`` and ``savepoint()`` may be called. If
    the block has called neither of the first two, its end commits, and an exception aborts.
    """
    current = TransactionManager(explicit=True).begin()

    def is_open() -> bool:
        return scope.current() is current

    scope.enter(current)
    try:
        yield current
        if is_open():
            current.commit()
    except BaseException:
        if is_open():
            current.abort()
        raise
    finally:
        scope.leave()
