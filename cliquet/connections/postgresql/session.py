"""The session of one transaction of PostgreSQL, and the translation of errors.

The statements of the backends go through the cursor of psycopg2, because the execution layer of
SQLAlchemy costs more than most of the queries.
"""

from __future__ import annotations

import time
from typing import Any

from cliquet.connections.postgresql.server import NoAnswerError, Server
from cliquet.connections.postgresql.time_limits import NO_LIMITS, Limits
from cliquet.connections.sql import Cursor, Parameters, Session
from cliquet.connections.translated_errors import TranslatedErrors
from cliquet.monitoring import logs
from cliquet.storage.exceptions import BackendError, ReadonlyError, TimeLimitError
from cliquet.transactions import scope

try:
    import psycopg2
    import sqlalchemy
except ImportError:  # pragma: no cover - `create_from_config` says that the extra is missing
    sqlalchemy = None  # type: ignore[assignment]

__all__ = ["PostgreSQLSession", "translated_errors"]

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_DEADLOCK = "40P01"
_SERIALIZATION_FAILURE = "40001"
# Two writers are the first ones after a flush. The second attempt finds the row of the other one.
_UNIQUE_VIOLATION = "23505"
_LOCK_TIMEOUT = "55P03"
_RETRYABLE = frozenset({_DEADLOCK, _SERIALIZATION_FAILURE, _UNIQUE_VIOLATION, _LOCK_TIMEOUT})
_QUERY_CANCELED = "57014"
_READ_ONLY_TRANSACTION = "25006"
_UNDEFINED_TABLE = "42P01"
# The server lives, or will live soon, but this connection is useless: the server has become a
# standby, or accepts no writes on it, or ends it (administrator, crash, start).
_USELESS = frozenset({_READ_ONLY_TRANSACTION, "57P01", "57P02", "57P03"})

# If more bytes than these wait, they are sent: a transaction may write any number of records.
_MAX_WAITING_BYTES = 2**18


def _translated(error: Exception) -> BackendError:
    code = getattr(error, "pgcode", None)
    if code in _RETRYABLE:
        # Such an error is normal now and then, and the next attempt succeeds.
        logs.logger.info("postgresql.retryable", error=str(error).strip())
        return BackendError(original=error, retryable=True)
    text = str(error).strip()
    if code == _UNDEFINED_TABLE:
        # New users meet this error first.
        text = f"{text} (was `cliquet migrate` run on this database?)"
        logs.logger.error(text)
        return BackendError(original=error, message=f"{type(error).__name__}: {text}")
    logs.logger.error(text)
    if code == _READ_ONLY_TRANSACTION:
        return ReadonlyError(original=error)
    return BackendError(original=error)


translated_errors = TranslatedErrors(
    *([] if sqlalchemy is None else [psycopg2.Error, sqlalchemy.exc.SQLAlchemyError]),
    translate=_translated,
)


class PostgreSQLSession(Session):
    """A session of PostgreSQL.

    Statements whose answer is not needed (``BEGIN``, savepoints, locks, most writes) wait, and are
    sent in front of the next statement or of the commit, so that they cost no round trip.

    Parameters
    ----------
    limits : time limits of its transactions or, in autocommit, of each of its statements.
    server : ends the waits for answers that do not come.
    cursor : cursor of the connection, if there is one.

    Attributes
    ----------
    is_useless : whether the connection must not be used again, although it may still answer.
    """

    is_useless = False
    _waiting_bytes = 0

    def __init__(
        self,
        connection: Any,
        *,
        is_autocommit: bool,
        limits: Limits = NO_LIMITS,
        server: Server | None = None,
        cursor: Any = None,
    ) -> None:
        super().__init__(is_autocommit=is_autocommit)
        self.connection = connection
        self._limits = limits
        self._server = server
        self._cursor = connection.cursor() if cursor is None else cursor
        self._prefix = limits.prefix if is_autocommit else b""
        self._opening = [] if is_autocommit else [limits.opening]
        self._pending = [*self._opening]
        self._kept: list[bytes] = []

    def defer(self, statement: str, parameters: Parameters = ()) -> None:
        text = self._bound(statement, parameters)
        self._pending.append(text)
        self._waiting_bytes += len(text)
        if self.is_autocommit or self._waiting_bytes > _MAX_WAITING_BYTES:
            self._send(b"SELECT 1")

    def execute(self, statement: str, parameters: Parameters = ()) -> Cursor:
        self._send(self._bound(statement, parameters))
        cursor: Cursor = self._cursor
        return cursor

    def _send(self, text: bytes) -> None:
        """Send a statement, after those that wait."""
        if self._pending:
            text = b";".join((*self._pending, text))
            self._pending.clear()
            self._waiting_bytes = 0
        started = time.monotonic()
        try:
            self._run(self._prefix + text)
        except Exception:
            # The block translates the errors of the driver, and lets all others pass. Around each
            # statement, it would cost two calls.
            try:
                with translated_errors:
                    raise
            except BackendError as error:
                self._judge(error, time.monotonic() - started)
                raise

    def _judge(self, error: BackendError, waited_seconds: float) -> None:
        """Remember what an error means for the connection and for the next attempt.

        Raises
        ------
        TimeLimitError : it was a limit of the settings.
        """
        code = _code_of(error)
        # Without a code, the connection may be lost: others of its age are then useless, too.
        if code in _USELESS or (code is None and self.connection.dbapi_connection.closed):
            self.is_useless = True
        limit = self._limit_of(error, waited_seconds)
        if limit is not None:
            raise TimeLimitError(limit, error.original) from error
        if error.retryable:
            scope.contended().update(self.locked)

    def give_up(self, error: BaseException, waited_seconds: float) -> None:
        """Raise the error of a statement that was sent without this session, as the session would.

        An error that is none of the driver is left to the caller.
        """
        if isinstance(error, psycopg2.Error):
            translated = _translated(error)
            self._judge(translated, waited_seconds)
            raise translated from error

    def _run(self, text: bytes) -> None:
        """Wait for the answer of the server, but not for ever."""
        if self._server is None:
            self._cursor.execute(text)
        else:
            self._server.ask(
                self.connection.dbapi_connection,
                self._cursor,
                text,
                patience_seconds=self._limits.patience_seconds,
            )

    def execute_alone(self, statement: str, parameters: Parameters = ()) -> None:
        """Send a statement that cannot be in a transaction, in autocommit and without a limit."""
        with translated_errors:
            self._cursor.execute(self._bound(statement, parameters))

    def _limit_of(self, error: BackendError, waited_seconds: float) -> str | None:
        """Return the name of the setting whose limit has caused an error, if one has."""
        code, limits = _code_of(error), self._limits
        if isinstance(error.original, NoAnswerError):
            return "statement_timeout_seconds"
        if code == _QUERY_CANCELED and _is_over(limits.statement_seconds, waited_seconds):
            # Otherwise an administrator has cancelled the statement.
            return "statement_timeout_seconds"
        if (
            code == _LOCK_TIMEOUT
            and not limits.retries_locks
            and _is_over(limits.lock_seconds, waited_seconds)
        ):
            # Otherwise the statement was not to wait (`NOWAIT`), and the next attempt will wait for
            # its locks in the right order.
            return "lock_timeout_seconds"
        return None

    def keep(self, statement: str, parameters: Parameters) -> None:
        """Send a statement again if the transaction is undone, so that its effect stays (X-22)."""
        self._kept.append(self._bound(statement, parameters))

    def restart(self, *statements: tuple[str, Parameters]) -> None:
        """Commit `statements` before the transaction, which has only read, and begin it again.

        They are sent in front of the next statement.
        """
        bound = [self._bound(statement, parameters) for statement, parameters in statements]
        end = [] if self._is_unused() else [b"ROLLBACK"]
        self._pending = [*end, *self._opening, *bound, b"COMMIT", *self._opening]
        self._reset()

    def commit(self) -> None:
        if not self.is_autocommit and not self._has_nothing_to_commit():
            # Waiting statements are writes, or undo a part of the transaction.
            self._send(b"COMMIT")
            if self._cursor.statusmessage != "COMMIT":
                # PostgreSQL answers the commit of a failed transaction with ROLLBACK.
                with translated_errors:
                    raise psycopg2.OperationalError("The transaction had failed: nothing is kept.")
        self._begin_again()

    def rollback(self) -> None:
        if not self.is_autocommit and not self._is_unused():
            try:
                self._run(b";".join((b"ROLLBACK", *self._kept)))
            except psycopg2.Error:
                # The server is gone, and has undone everything. The pool drops the connection.
                logs.logger.info("postgresql.rollback", error="connection lost")
        self._begin_again()

    def _is_unused(self) -> bool:
        """Return whether nothing was sent yet."""
        return bool(self._opening) and self._pending[:1] == self._opening

    def _has_nothing_to_commit(self) -> bool:
        """Return whether nothing was sent, and nothing that waits changes anything."""
        return self._is_unused() and (not self.has_written or self._pending == self._opening)

    def _begin_again(self) -> None:
        self._pending = [*self._opening]
        self._waiting_bytes = 0
        self._kept.clear()
        self._reset()

    def _bound(self, statement: str, parameters: Parameters) -> bytes:
        if not parameters:
            return statement.encode()
        try:
            bound: bytes = self._cursor.mogrify(statement, parameters)
        except psycopg2.Error as error:
            # This is called for each statement, and a block of `translated_errors` takes as long.
            raise _translated(error) from error
        return bound

    def _set_savepoint(self, name: str) -> None:
        self._pending.append(f"SAVEPOINT {name}".encode())

    def _undo_to(self, name: str) -> None:
        mark = f"SAVEPOINT {name}".encode()
        if mark in self._pending:
            # Nothing was sent since then. The savepoint stays, as it does after a ROLLBACK TO.
            del self._pending[self._pending.index(mark) + 1 :]
        else:
            self._pending = [f"ROLLBACK TO SAVEPOINT {name}".encode(), *self._kept]

    def _forget_savepoint(self, name: str) -> None:
        mark = f"SAVEPOINT {name}".encode()
        if mark in self._pending:
            self._pending.remove(mark)
        else:
            self._pending.append(f"RELEASE SAVEPOINT {name}".encode())


def _code_of(error: BackendError) -> str | None:
    code: str | None = getattr(error.original, "pgcode", None)
    return code


def _is_over(limit_seconds: float | None, waited_seconds: float) -> bool:
    # The clocks of two machines do not run at exactly the same speed.
    return limit_seconds is not None and waited_seconds > 0.95 * limit_seconds
