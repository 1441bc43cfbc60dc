"""Connections to PostgreSQL: psycopg2 through the engine and the pool of SQLAlchemy (B-11).

The statements of the backends go through the driver's cursor, since the toolkit's execution layer
costs more than most of the queries. A connection carries no state from one transaction to the next,
and is always in autocommit for the driver: it can stand behind PgBouncer in transaction mode
(E-9.2).
"""

from __future__ import annotations

import os
import select
import weakref
from collections.abc import Callable
from typing import Any

import orjson

from cliquet.connections import scope
from cliquet.connections.postgresql.session import PostgreSQLSession, translating
from cliquet.connections.postgresql.time_limits import NO_LIMITS, Limits
from cliquet.connections.sql import Parameters, Session, SQLClient
from cliquet.types import PoolStatus

try:
    import psycopg2
    import sqlalchemy
    from psycopg2 import extensions, extras
    from sqlalchemy import event
except ImportError:  # pragma: no cover - `create_from_config` says that the extra is missing
    sqlalchemy = None  # type: ignore[assignment]

__all__ = ["PostgreSQLClient", "PostgreSQLSession", "sqlalchemy"]

# What `execute_aside()` waits for a lock at most.
_ASIDE_LOCK_SECONDS = 2.0


class PostgreSQLClient(SQLClient):
    """Lends connections to one database (B-11.2).

    Parameters
    ----------
    engine : of SQLAlchemy, with its pool; nothing is connected yet.
    make_side_engine : gives a second one, with a small pool, when it is first needed.
    limits : of the transactions.
    """

    def __init__(
        self,
        engine: sqlalchemy.Engine,
        make_side_engine: Callable[[], sqlalchemy.Engine],
        *,
        limits: Limits = NO_LIMITS,
    ) -> None:
        super().__init__()
        self.engine = engine
        self.limits = limits
        self._make_side_engine = make_side_engine
        self._side: PostgreSQLClient | None = None
        self._generation = _Generation()
        _prepare(engine, self._generation)
        _forget_after_fork(self)

    def aside(self) -> PostgreSQLClient:
        """Return the client of what is committed whatever becomes of the request (X-22)."""
        if self._side is None:
            self._side = PostgreSQLClient(
                self._make_side_engine(),
                self._make_side_engine,
                limits=Limits(
                    self.limits.statement_seconds,
                    lock_seconds=_ASIDE_LOCK_SECONDS,
                    retries_locks=True,
                ),
            )
        return self._side

    def execute_aside(self, statement: str, parameters: Parameters) -> Any:
        """Commit one statement on another connection; return the row that it gives, if any.

        Whoever holds what it waits for may itself wait for the transaction under way, which the
        server cannot see: it waits for two seconds at most.

        Raises
        ------
        BackendError : it had to wait for longer; the error is retryable.
        """
        with self.aside().autocommit() as session:
            cursor: Any = session.execute(statement, parameters)
            return None if cursor.description is None else cursor.fetchone()

    def dispose(self, *, close: bool = True) -> None:
        """Forget the connections of the pool.

        Parameters
        ----------
        close : end them too; a forked process must not, since they are its parent's.
        """
        self.engine.dispose(close=close)
        if self._side is not None:
            self._side.dispose(close=close)

    def pool_status(self) -> PoolStatus | None:
        """Return how full the pool of connections is, or ``None`` if it has no size."""
        pool: Any = self.engine.pool
        # The classes of pools that applications choose have not all one.
        if not hasattr(pool, "checkedout") or not hasattr(pool, "size"):
            return None
        return PoolStatus(pool.checkedout(), pool.size())

    def session_factory(self, *, is_autocommit: bool = False) -> PostgreSQLSession:
        """Return a session on a connection of the pool; tests make it fail (B-24).

        Raises
        ------
        BackendError : the server cannot be reached, or the pool is exhausted (B-11.12).
        """
        with translating():
            connection = self.engine.raw_connection()
        limits = self.limits
        if not (limits.retries_locks or scope.has_time_limits()):
            limits = NO_LIMITS
        return PostgreSQLSession(connection, is_autocommit=is_autocommit, limits=limits)

    def _lend(self, *, is_autocommit: bool) -> Session:
        return self.session_factory(is_autocommit=is_autocommit)

    def _take_back(self, session: Session) -> None:
        assert isinstance(session, PostgreSQLSession)  # noqa: S101 - lent by this client
        connection = session.connection
        try:
            if session.is_useless:
                self._generation.end(connection.info)
                connection.invalidate()
            elif (
                connection.dbapi_connection is not None
                and connection.dbapi_connection.info.transaction_status
                != extensions.TRANSACTION_STATUS_IDLE
            ):
                # Lost, or left within a transaction by an error between two statements.
                connection.invalidate()
        finally:
            connection.close()


class _Generation:
    """Tells the connections that were made before one was found to be useless from the others.

    They were made to the same server, which has become a standby for example: each would fail one
    request before it is dropped.
    """

    def __init__(self) -> None:
        self.number = 0

    def end(self, info: dict[Any, Any]) -> None:
        """Forget all connections as old as the one that `info` is about."""
        if info.get("generation") == self.number:
            self.number += 1


def _prepare(engine: sqlalchemy.Engine, generation: _Generation) -> None:
    """Set the connections of an engine up as the sessions expect them."""

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:
        connection.autocommit = True
        extras.register_default_jsonb(connection, loads=orjson.loads)
        poll = select.poll()
        poll.register(connection, select.POLLIN | select.POLLPRI)
        record.info["poll"] = poll
        record.info["generation"] = generation.number

    @event.listens_for(engine, "checkout")
    def refuse_what_cannot_serve(connection: Any, record: Any, proxy: Any) -> None:
        if record.info["generation"] != generation.number:
            raise sqlalchemy.exc.DisconnectionError("The connection belongs to a former server.")
        # An idle server says nothing: a socket that can be read was closed, or holds a notice. To
        # ask the server each time would cost every request a round trip.
        if not record.info["poll"].poll(0):
            return
        try:
            connection.cursor().execute("SELECT 1")
        except psycopg2.Error as error:
            raise sqlalchemy.exc.DisconnectionError("The server closed the connection.") from error


def _forget_after_fork(client: PostgreSQLClient) -> None:
    reference = weakref.ref(client)

    def forget() -> None:
        known = reference()
        if known is not None:
            known.dispose(close=False)

    os.register_at_fork(after_in_child=forget)
