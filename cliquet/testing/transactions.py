"""A transaction such as a request has, for tests that call backends directly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from transaction import Transaction, TransactionManager

from cliquet.connections import scope

__all__ = ["request_transaction"]


@contextmanager
def request_transaction() -> Iterator[Transaction]:
    """Make backends believe that a request is being processed in this thread.

    Gives the transaction, whose ``commit()``, ``abort()`` and ``savepoint()`` may be called. A
    block that ends without having called either of the first two commits; one that raises aborts.
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
