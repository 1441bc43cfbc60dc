"""Lends connections of the pool of SQLAlchemy to sessions, without its proxies.

SQLAlchemy makes a proxy for each loan, a weak reference that gives a forgotten proxy back, and
calls the listeners of the pool. This costs a read as much as sending its statement. A session is
always given back, and has the same examination as the listeners do, so that the connection comes
from the queue of the pool directly. The size of the pool, the wait for a connection, its age and
its replacement stay with SQLAlchemy.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from cliquet.connections.postgresql.pool import QueuePoolWithMaxBacklog

__all__ = ["CanServe", "Lease", "is_plain", "lend", "take"]

CanServe = Callable[[Any, dict[Any, Any]], bool]
"""Says of a connection and its ``info`` whether the connection may be lent."""


# The client listens to loans itself, for code that takes a connection from its engine.
_OWN_LISTENERS = 1


class Lease:
    """A connection that is lent to one session. It has what the session needs of the proxy.

    Attributes
    ----------
    dbapi_connection : the connection; ``None`` after :meth:`invalidate`.
    """

    __slots__ = ("_pool", "_record", "dbapi_connection")

    def __init__(self, pool: QueuePoolWithMaxBacklog, record: Any, connection: Any) -> None:
        self._pool = pool
        self._record: Any = record
        self.dbapi_connection: Any = connection

    @property
    def info(self) -> dict[Any, Any]:
        """What the client remembers of the connection."""
        info: dict[Any, Any] = self._record.info
        return info

    def cursor(self) -> Any:
        """Return a cursor of the connection."""
        return self.dbapi_connection.cursor()

    def invalidate(self) -> None:
        """Close the connection; the pool will make a new one in its place."""
        self.dbapi_connection = None
        self._record.invalidate()

    def close(self) -> None:
        """Give the connection back."""
        record, self._record = self._record, None
        if record is not None:
            self._pool._do_return_conn(record)

    def __del__(self) -> None:
        if self._record is not None:
            # Nobody has ended its session, so that its state is unknown.
            self.invalidate()
            self.close()


def lend(engine: Any, can_serve: CanServe) -> Any:
    """Return a connection of an engine, or the proxy of SQLAlchemy where others listen to the pool.

    Raises
    ------
    psycopg2.Error, sqlalchemy.exc.SQLAlchemyError : the server cannot be reached, or the pool is
        exhausted.
    """
    pool = engine.pool
    if not is_plain(pool):
        return engine.raw_connection()
    record = take(pool, can_serve)
    return Lease(pool, record, record.dbapi_connection)


def take(pool: QueuePoolWithMaxBacklog, can_serve: CanServe) -> Any:
    """Return the record of a connection, which the caller gives back to the pool.

    Raises
    ------
    psycopg2.Error, sqlalchemy.exc.SQLAlchemyError : the server cannot be reached, or the pool is
        exhausted.
    """
    record: Any = pool._do_get()
    try:
        connection = record.get_connection()
        if not can_serve(connection, record.info):
            record.invalidate()
            record.get_connection()
    except BaseException:
        # The next one who gets its place in the pool tries to connect.
        record.invalidate()
        pool._do_return_conn(record)
        raise
    return record


def is_plain(pool: Any) -> bool:
    """Return whether connections may be taken from a pool without telling anybody.

    Applications may choose another class of pools, and tools observe the loans.
    """
    if type(pool) is not QueuePoolWithMaxBacklog:
        return False
    told = pool.dispatch
    loans, returns, resets = told.checkout, told.checkin, told.reset
    # The lengths of these collections themselves are functions in Python, and this is asked for
    # each loan.
    return (
        len(loans.listeners) + len(loans.parent_listeners) == _OWN_LISTENERS
        and not (returns.listeners or returns.parent_listeners)
        and not (resets.listeners or resets.parent_listeners)
        and not pool._pre_ping
        and not pool.logger.isEnabledFor(logging.DEBUG)
    )
