"""Connections to PostgreSQL: psycopg2 with the engine and the pool of SQLAlchemy.

The statements of the backends go through the cursor of the driver, because the execution layer of
SQLAlchemy costs more than most of the queries. A connection keeps no state from one transaction to
the next, and for the driver it is always in autocommit, so that PgBouncer may stand in between in
its transaction mode.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Any

import orjson

from cliquet.connections.attempts import result_of
from cliquet.connections.postgresql.leases import Lease, is_plain, lend, take
from cliquet.connections.postgresql.server import Server
from cliquet.connections.postgresql.session import PostgreSQLSession, translated_errors
from cliquet.connections.postgresql.time_limits import NO_LIMITS, Limits
from cliquet.connections.sql import SQL, Parameters, Session, SQLClient
from cliquet.core.forks import in_child
from cliquet.transactions import scope
from cliquet.types import PoolStatus

try:
    import sqlalchemy
    from psycopg2 import extensions, extras
    from sqlalchemy import event
except ImportError:  # pragma: no cover - `create_from_config` says that the extra is missing
    sqlalchemy = None  # type: ignore[assignment]

__all__ = ["PostgreSQLClient", "PostgreSQLSession", "sqlalchemy"]

# Transactions that are about to commit share this lock, which nobody wants for themselves. Its
# numbers are two halves of one in `pg_locks`, where the number of an object is random.
_COMMITTING = (0x636C6971, 0x75657401)
_NOTICE = SQL("SELECT pg_advisory_xact_lock_shared(%s, %s)", _COMMITTING)
_WHO_COMMITS = (
    "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'advisory'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND classid = %s AND objid = %s AND objsubid = 2 AND pid <> pg_backend_pid()"
)

# Longest time for which `execute_aside()` waits for a lock.
_ASIDE_LOCK_SECONDS = 2.0


class PostgreSQLClient(SQLClient):
    """Lends connections to one database.

    Parameters
    ----------
    engine : engine of SQLAlchemy, with its pool; nothing is connected yet.
    make_side_engine : returns a second engine, with a small pool; it is called at the first need.
    limits : time limits of the transactions.
    server : what the clients of the same URL know of its server.
    """

    commit_notice = _NOTICE

    def __init__(
        self,
        engine: sqlalchemy.Engine,
        make_side_engine: Callable[[], sqlalchemy.Engine],
        *,
        limits: Limits = NO_LIMITS,
        server: Server | None = None,
    ) -> None:
        super().__init__()
        self.engine = engine
        self.limits = limits
        self._make_side_engine = make_side_engine
        self._side: PostgreSQLClient | None = None
        self._server = server or Server()
        _prepare(engine, self._server)
        in_child(self, PostgreSQLClient._forget)

    def aside(self) -> PostgreSQLClient:
        """Return a client for changes that are committed even if the request fails (X-22)."""
        if self._side is None:
            self._side = PostgreSQLClient(
                self._make_side_engine(),
                self._make_side_engine,
                limits=Limits(
                    self.limits.statement_seconds,
                    lock_seconds=_ASIDE_LOCK_SECONDS,
                    retries_locks=True,
                ),
                server=self._server,
            )
        return self._side

    def execute_aside(self, statement: str, parameters: Parameters) -> Any:
        """Commit one statement on another connection; return its row, if it gives one.

        It waits for a lock at most two seconds: the holder of that lock may itself wait for the
        present transaction, and the server cannot see such a deadlock.

        Raises
        ------
        BackendError : the lock was not free in time; the error is retryable.
        """
        with self.aside().autocommit() as session:
            cursor: Any = session.execute(statement, parameters)
            return None if cursor.description is None else cursor.fetchone()

    def dispose(self, *, close: bool = True) -> None:
        """Forget the connections of the pool.

        Parameters
        ----------
        close : also close them; a forked process must not do that, because they belong to its
            parent.
        """
        self.engine.dispose(close=close)
        if self._side is not None:
            self._side.dispose(close=close)

    def _forget(self) -> None:
        self.dispose(close=False)
        self._server.forget()

    def pool_status(self) -> PoolStatus | None:
        """Return the use of the pool of connections, or ``None`` if the pool has no size."""
        pool: Any = self.engine.pool
        # Applications may choose a class of pools that has no size.
        if not hasattr(pool, "checkedout") or not hasattr(pool, "size"):
            return None
        return PoolStatus(pool.checkedout(), pool.size())

    def session_factory(self, *, is_autocommit: bool = False) -> PostgreSQLSession:
        try:
            connection = lend(self.engine, self._server.can_serve)
        except Exception:
            # The block translates the errors of the driver, and lets all others pass. Around each
            # loan, it would cost two calls.
            with translated_errors:
                raise
        return self._session(connection, is_autocommit=is_autocommit)

    def _session(
        self, connection: Any, *, is_autocommit: bool, cursor: Any = None
    ) -> PostgreSQLSession:
        return PostgreSQLSession(
            connection,
            is_autocommit=is_autocommit,
            limits=self._present_limits(),
            server=self._server,
            cursor=cursor,
        )

    def _present_limits(self) -> Limits:
        limits = self.limits
        return limits if limits.retries_locks or scope.has_time_limits() else NO_LIMITS

    def rows(self, statement: str, parameters: Parameters = (), *, raw: bool = False) -> list[Any]:
        # Most requests send one such query, and a session for it costs as much as to send it.
        pool: Any = self.engine.pool
        if "session_factory" in self.__dict__ or not is_plain(pool):
            return super().rows(statement, parameters, raw=raw)
        try:
            record = take(pool, self._server.can_serve)
        except Exception:
            # As for a session.
            with translated_errors:
                raise
        # This is `_present_limits`.
        limits = self.limits
        if not limits.retries_locks and not scope.has_time_limits():
            limits = NO_LIMITS
        started = time.monotonic()
        connection = record.dbapi_connection
        cursor: Any = False
        try:
            cursor = connection.cursor()
            if raw and connection.encoding == "UTF8":
                extensions.register_type(extensions.BYTES, cursor)
            self._server.ask(
                connection,
                cursor,
                limits.text_prefix + statement,
                parameters or None,
                patience_seconds=limits.patience_seconds,
            )
            found: list[Any] = cursor.fetchall()
        except BaseException as error:
            # A session knows what an error means for the connection, which may be closed.
            lease = Lease(pool, record, record.dbapi_connection)
            session = self._session(lease, is_autocommit=True, cursor=cursor)
            try:
                session.give_up(error, time.monotonic() - started)
            finally:
                self._take_back(session)
            raise
        pool._do_return_conn(record)
        return found

    def wait_for_commits(self) -> None:
        waiting = self._committing()
        if waiting:
            result_of(lambda: None if waiting & self._committing() else True)

    def _committing(self) -> set[str]:
        """Return the transactions that are about to commit, each with a name of its own."""
        with self.connect(readonly=True) as session:
            return {name for (name,) in session.execute(_WHO_COMMITS, _COMMITTING).fetchall()}

    def _take_back(self, session: Session) -> None:
        assert isinstance(session, PostgreSQLSession)  # noqa: S101 - lent by this client
        connection = session.connection
        try:
            if session.is_useless:
                self._server.end_generation(connection.info)
                connection.invalidate()
            elif (
                connection.dbapi_connection is not None
                and connection.dbapi_connection.info.transaction_status
                != extensions.TRANSACTION_STATUS_IDLE
            ):
                # The connection is lost, or an error between two statements has left it within a
                # transaction.
                connection.invalidate()
        finally:
            connection.close()


def _prepare(engine: sqlalchemy.Engine, server: Server) -> None:
    """Set up the connections of an engine for the sessions."""

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, _record: Any, arguments: Any, options: dict[str, Any]) -> Any:
        return server.connect(dialect, arguments, options)

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:
        # The toolkit has sent its first queries by now.
        server.end_wait(connection)
        connection.autocommit = True
        extras.register_default_jsonb(connection, loads=orjson.loads)
        poll = select.poll()
        poll.register(connection, select.POLLIN | select.POLLPRI)
        record.info["poll"] = poll
        server.admit(record.info)

    @event.listens_for(engine, "checkout")
    def refuse_what_cannot_serve(connection: Any, record: Any, proxy: Any) -> None:
        if not server.can_serve(connection, record.info):
            raise sqlalchemy.exc.DisconnectionError("The connection leads to no server any more.")
