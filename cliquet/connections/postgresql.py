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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from cliquet import logs
from cliquet.connections import scope
from cliquet.connections.sql import Cursor, Parameters, Session, SQLClient
from cliquet.storage.exceptions import BackendError, ReadonlyError
from cliquet.types import PoolStatus

try:
    import psycopg2
    import sqlalchemy
    from psycopg2 import extensions, extras
    from sqlalchemy import event
except ImportError:  # pragma: no cover - `create_from_config` says that the extra is missing
    sqlalchemy = None  # type: ignore[assignment]

__all__ = ["PostgreSQLClient", "PostgreSQLSession", "sqlalchemy"]

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_DEADLOCK = "40P01"
_SERIALIZATION_FAILURE = "40001"
# Two first writers of what had just been flushed: the second attempt finds what the other wrote.
_UNIQUE_VIOLATION = "23505"
_LOCK_TIMEOUT = "55P03"
_RETRYABLE = frozenset({_DEADLOCK, _SERIALIZATION_FAILURE, _UNIQUE_VIOLATION, _LOCK_TIMEOUT})
_READ_ONLY_TRANSACTION = "25006"
_UNDEFINED_TABLE = "42P01"


@contextmanager
def translating() -> Iterator[None]:
    """Turn the errors of the driver and of the toolkit into those of backends (B-2.5).

    Raises
    ------
    BackendError : the error, which is logged, is its ``original``.
    """
    try:
        yield
    except (psycopg2.Error, sqlalchemy.exc.SQLAlchemyError) as error:
        raise _translated(error) from error


def _translated(error: Exception) -> BackendError:
    code = getattr(error, "pgcode", None)
    if code in _RETRYABLE:
        # What an attempt meets now and then, and the next one does not.
        logs.logger.info("postgresql.retryable", error=str(error).strip())
        return BackendError(original=error, retryable=True)
    text = str(error).strip()
    if code == _UNDEFINED_TABLE:
        # The first thing that new users meet.
        text = f"{text} (was `cliquet migrate` run on this database?)"
        logs.logger.error(text, exc_info=True)
        return BackendError(original=error, message=f"{type(error).__name__}: {text}")
    logs.logger.error(text, exc_info=True)
    if code == _READ_ONLY_TRANSACTION:
        return ReadonlyError(original=error)
    return BackendError(original=error)


class PostgreSQLSession(Session):
    """A session of PostgreSQL.

    What needs no answer (``BEGIN``, savepoints, locks) waits, and travels in front of the next
    statement: it costs no round trip.
    """

    def __init__(self, connection: Any, *, is_autocommit: bool) -> None:
        super().__init__(is_autocommit=is_autocommit)
        self.connection = connection
        self._cursor = connection.cursor()
        self._pending: list[bytes] = [] if is_autocommit else [b"BEGIN"]
        self._kept: list[bytes] = []

    def defer(self, statement: str, parameters: Parameters = ()) -> None:
        """Send a statement, whose result does not matter, in front of the next one."""
        self._pending.append(self._bound(statement, parameters))

    def execute(self, statement: str, parameters: Parameters = ()) -> Cursor:
        try:
            with translating():
                text = self._bound(statement, parameters)
                if self._pending:
                    text = b";".join((*self._pending, text))
                    self._pending.clear()
                self._cursor.execute(text)
        except BackendError as error:
            if error.retryable:
                scope.contended().update(self.locked)
            raise
        cursor: Cursor = self._cursor
        return cursor

    def keep(self, statement: str, parameters: Parameters) -> None:
        """Have a statement sent again when what the transaction did is undone (X-22)."""
        self._kept.append(self._bound(statement, parameters))

    def restart(self, *statements: tuple[str, Parameters]) -> None:
        """Commit `statements` before the transaction, which has only read so far, and begin again.

        They travel in front of the next statement.
        """
        bound = [self._bound(statement, parameters) for statement, parameters in statements]
        end = [] if b"BEGIN" in self._pending else [b"ROLLBACK"]
        self._pending = [*end, b"BEGIN", *bound, b"COMMIT", b"BEGIN"]
        self._reset()

    def commit(self) -> None:
        if not self.is_autocommit and not self._is_unused():
            with translating():
                # What waits may undo a part of the transaction.
                self._cursor.execute(b";".join((*self._pending, b"COMMIT")))
                if self._cursor.statusmessage != "COMMIT":
                    # What PostgreSQL makes of the commit of a transaction that failed.
                    raise psycopg2.OperationalError("The transaction had failed: nothing is kept.")
        self._begin_again()

    def rollback(self) -> None:
        if not self.is_autocommit and not self._is_unused():
            try:
                self._cursor.execute(b";".join((b"ROLLBACK", *self._kept)))
            except psycopg2.Error:
                # The server is gone, and has undone everything; the pool drops the connection.
                logs.logger.info("postgresql.rollback", error="connection lost")
        self._begin_again()

    def _is_unused(self) -> bool:
        return self._pending[:1] == [b"BEGIN"]

    def _begin_again(self) -> None:
        self._pending = [] if self.is_autocommit else [b"BEGIN"]
        self._kept.clear()
        self._reset()

    def _bound(self, statement: str, parameters: Parameters) -> bytes:
        if not parameters:
            return statement.encode()
        bound: bytes = self._cursor.mogrify(statement, parameters)
        return bound

    def _set_savepoint(self, name: str) -> None:
        self._pending.append(f"SAVEPOINT {name}".encode())

    def _undo_to(self, name: str) -> None:
        mark = f"SAVEPOINT {name}".encode()
        if mark in self._pending:
            # Nothing was sent since; the savepoint stays, as it does after a ROLLBACK TO.
            del self._pending[self._pending.index(mark) + 1 :]
        else:
            self._pending = [f"ROLLBACK TO SAVEPOINT {name}".encode(), *self._kept]

    def _forget_savepoint(self, name: str) -> None:
        mark = f"SAVEPOINT {name}".encode()
        if mark in self._pending:
            self._pending.remove(mark)
        else:
            self._pending.append(f"RELEASE SAVEPOINT {name}".encode())


class PostgreSQLClient(SQLClient):
    """Lends connections to one database (B-11.2).

    Parameters
    ----------
    engine : of SQLAlchemy, with its pool; nothing is connected yet.
    make_side_engine : gives a second one, with a small pool, when it is first needed.
    """

    def __init__(
        self, engine: sqlalchemy.Engine, make_side_engine: Callable[[], sqlalchemy.Engine]
    ) -> None:
        super().__init__()
        self.engine = engine
        self._make_side_engine = make_side_engine
        self._side: PostgreSQLClient | None = None
        _prepare(engine)
        _forget_after_fork(self)

    def aside(self) -> PostgreSQLClient:
        """Return the client of what is committed whatever becomes of the request (X-22)."""
        if self._side is None:
            self._side = PostgreSQLClient(self._make_side_engine(), self._make_side_engine)
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
            assert isinstance(session, PostgreSQLSession)  # noqa: S101 - lent by such a client
            session.defer("BEGIN")
            session.defer("SET LOCAL lock_timeout = '2s'")
            cursor: Any = session.execute(statement, parameters)
            row = None if cursor.description is None else cursor.fetchone()
            session.execute("COMMIT")
        return row

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
        return PostgreSQLSession(connection, is_autocommit=is_autocommit)

    def _lend(self, *, is_autocommit: bool) -> Session:
        return self.session_factory(is_autocommit=is_autocommit)

    def _take_back(self, session: Session) -> None:
        assert isinstance(session, PostgreSQLSession)  # noqa: S101 - lent by this client
        connection = session.connection
        try:
            if (
                connection.dbapi_connection is not None
                and connection.dbapi_connection.info.transaction_status
                != extensions.TRANSACTION_STATUS_IDLE
            ):
                # Lost, or left within a transaction by an error between two statements.
                connection.invalidate()
        finally:
            connection.close()


def _prepare(engine: sqlalchemy.Engine) -> None:
    """Set the connections of an engine up as the sessions expect them."""

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:
        connection.autocommit = True
        extras.register_default_jsonb(connection, loads=orjson.loads)
        poll = select.poll()
        poll.register(connection, select.POLLIN | select.POLLPRI)
        record.info["poll"] = poll

    @event.listens_for(engine, "checkout")
    def refuse_what_the_server_closed(connection: Any, record: Any, proxy: Any) -> None:
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
