"""Connections to SQLite, with the standard library.

Several processes may share one file: SQLite writes its log ahead (WAL), and each commit reaches the
disk. A transaction takes the write lock before its first statement, so that whatever it reads stays
true until it commits.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from cliquet.connections.attempts import result_of
from cliquet.connections.sql import Parameters, Session, SQLClient
from cliquet.connections.sqlite.connection import (
    CACHED_STATEMENTS,
    PAGE_CACHE_KIB,
    Connection,
    Prepare,
    errors_within,
    translated_errors,
)
from cliquet.connections.sqlite.file import (
    Identity,
    create_private,
    forget_companions,
    identities_of_companions,
    identity,
)
from cliquet.connections.sqlite.session import SQLiteSession
from cliquet.core.forks import in_child
from cliquet.monitoring import logs
from cliquet.storage.exceptions import BackendError, TimeLimitError
from cliquet.transactions import scope
from cliquet.types import PoolStatus

__all__ = ["SQLiteClient", "SQLiteSession", "SchemaOnFirstUse"]

DEFAULT_BUSY_TIMEOUT_SECONDS = 5.0
# Longest wait of commands and migrations for a lock, which is longer than any transaction takes.
_PATIENCE_SECONDS = 3600.0


@contextmanager
def _closing_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


class SchemaOnFirstUse(Protocol):
    """Tables that are created in a new file."""

    def is_missing(self, session: SQLiteSession) -> bool:
        """Return whether the file lacks the tables."""

    def create(self, session: SQLiteSession) -> None:
        """Create the tables."""


class SQLiteClient(SQLClient):
    """Lends connections to one file.

    Parameters
    ----------
    path : path of the file, which is created at the first use; its folder exists. ``None`` for a
        temporary file, which vanishes with the client.
    busy_timeout_seconds : longest wait for the write lock of another transaction.
    timeout_setting : name of the setting of this time.
    prepare : is called with each new connection, to give it functions. It may return a function
        that is called whenever the connection is not in use any more.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        busy_timeout_seconds: float = DEFAULT_BUSY_TIMEOUT_SECONDS,
        timeout_setting: str = "lock_timeout_seconds",
        prepare: Prepare | None = None,
    ) -> None:
        super().__init__()
        if path is None:
            folder = tempfile.mkdtemp(prefix="cliquet-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            path = Path(folder) / "private.db"
        self.path = path
        # Each loan looks at the file, and to make a text of the path would cost it two calls.
        self._place = str(path)
        self.busy_timeout_seconds = busy_timeout_seconds
        self.timeout_setting = timeout_setting
        self._translated_errors = errors_within(timeout_setting)
        self._prepare = [] if prepare is None else [prepare]
        self._idle: deque[Connection] = deque()
        self._lent: set[Connection] = set()
        # One thread of the process waits for the lock of the file. The others wait here, where they
        # are woken without delay.
        self._writer = threading.Lock()
        self._schemas: list[SchemaOnFirstUse] = []
        self._is_ready = False
        self._identity: Identity | None = None
        self._companions: set[Identity] = set()
        self._ready_lock = threading.Lock()
        weakref.finalize(self, _close, self._idle)
        in_child(self, lambda client: client.dispose(close=False))

    def on_first_use(self, schema: SchemaOnFirstUse) -> None:
        """Create a schema, if it is missing, before the file is used for anything else."""
        self._schemas.append(schema)
        self._is_ready = False

    def has_schemas(self) -> bool:
        """Return whether the file has all schemas; to look does not create any.

        Raises
        ------
        BackendError : the file cannot be used.
        """
        return self._is_ready or (self.path.exists() and not self._are_schemas_missing())

    def prepare_with(self, prepare: Prepare) -> None:
        """Call a function with each new connection, like the parameter `prepare`."""
        if prepare not in self._prepare:
            self._prepare.append(prepare)
            _close(self._idle)

    def dispose(self, *, close: bool = True) -> None:
        """Forget the idle connections.

        Parameters
        ----------
        close : also close them; a forked process must not do that, because they belong to its
            parent.
        """
        if close:
            _close(self._idle)
        else:
            # They are never closed, which would release the locks of the parent (POSIX advisory
            # locks).
            _abandoned.extend(self._idle)
            self._idle.clear()
            self._lent.clear()
            self._own = threading.local()
            self._writer = threading.Lock()
            self._ready_lock = threading.Lock()

    def pool_status(self) -> PoolStatus:
        """Return the number of connections that are lent, and of those that are open."""
        in_use = len(self._lent)
        return PoolStatus(in_use, in_use + len(self._idle))

    def rows(self, statement: str, parameters: Parameters = (), *, raw: bool = False) -> list[Any]:
        # Most requests send one such query, and a session for it costs as much as to run it.
        connection = self._take()
        try:
            return connection.execute(connection.translated(statement), parameters).fetchall()
        except Exception:
            # As for a session.
            with connection.translated_errors:
                raise
        finally:
            self._give_back(connection)

    def session_factory(self, *, is_autocommit: bool = False) -> Session:
        if is_autocommit:
            return SQLiteSession(self._take(), is_autocommit=True)
        self._look_at_file()
        session = self._lend_to_writer()
        self._lent.add(session.connection)
        return session

    def wait_for_commits(self) -> None:
        if self.current() is not None:
            # This thread is the only one that writes.
            return
        with self.autocommit() as session:
            assert isinstance(session, SQLiteSession)  # noqa: S101 - lent by this client
            session.connection.be_patient(0.0)
            before = session.version()
            result_of(lambda: (session.can_write() or session.version() != before) or None)

    def _look_at_file(self) -> None:
        """Make sure that new connections, and those that are idle, are those of the present file.

        Raises
        ------
        BackendError : there is no file, or it is not a file of this service.
        """
        if not self._is_ready:
            self._make_ready()
        elif identity(self._place) != self._identity:
            self._take_other_file()

    def _take(self) -> Connection:
        """Return a connection for statements that commit by themselves."""
        self._look_at_file()
        connection = self._connection()
        connection.be_patient(self._patience_seconds())
        self._lent.add(connection)
        return connection

    def _patience_seconds(self) -> float:
        return self.busy_timeout_seconds if scope.has_time_limits() else _PATIENCE_SECONDS

    def _lend_to_writer(self) -> SQLiteSession:
        patience_seconds = self._patience_seconds()
        deadline = time.monotonic() + patience_seconds
        if not self._writer.acquire(timeout=patience_seconds):
            raise TimeLimitError(self.timeout_setting)
        try:
            connection = self._connection()
            try:
                # The time of the wait for other threads of this process counts too.
                connection.be_patient(max(0.0, deadline - time.monotonic()))
                session = SQLiteSession(connection, is_autocommit=False)
                session._begin()
            except BaseException:
                connection.close()
                # As for a statement, the block around all of this would cost calls.
                with self._translated_errors:
                    raise
        except BaseException:
            self._writer.release()
            raise
        return session

    def _take_back(self, session: Session) -> None:
        assert isinstance(session, SQLiteSession)  # noqa: S101 - lent by this client
        if not session.is_autocommit:
            self._writer.release()
        self._give_back(session.connection)

    def _give_back(self, connection: Connection) -> None:
        self._lent.discard(connection)
        if connection.in_transaction or connection.is_worn or connection.identity != self._identity:
            connection.close()
            return
        for forget in connection.forget:
            forget()
        self._idle.append(connection)

    def _connection(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            with translated_errors:
                return self._connect()

    def _connect(self) -> Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=self.busy_timeout_seconds,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=CACHED_STATEMENTS,
            factory=Connection,
        )
        with _closing_on_error(connection):
            _write_ahead(connection, self.busy_timeout_seconds)
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA cache_size=-{PAGE_CACHE_KIB}")
            # This opens the log, whose identity is read below.
            connection.execute("PRAGMA schema_version")
            connection.forget = [
                forget for prepare in self._prepare if (forget := prepare(connection)) is not None
            ]
        connection.translated_errors = self._translated_errors
        connection.identity = identity(self.path)
        # All connections have the same log, which exists as long as one of them is open.
        self._companions = identities_of_companions(self.path)
        return connection

    def _make_ready(self) -> None:
        with self._ready_lock:
            if self._is_ready:
                return
            try:
                create_private(self.path)
            except OSError as error:
                raise BackendError(original=error) from error
            self._identity = identity(self.path)
            if self._are_schemas_missing():
                session = self._lend_to_writer()
                try:
                    for schema in self._schemas:
                        # Another process may have created it meanwhile.
                        if schema.is_missing(session):
                            schema.create(session)
                    session.commit()
                except BaseException:
                    session.rollback()
                    raise
                finally:
                    self._take_back(session)
            self._is_ready = True

    def _take_other_file(self) -> None:
        """Go on with the file that has replaced the one in use.

        Otherwise the connections would write to a file that has no name any more. A new file is not
        created here, because somebody should notice that all data have vanished.

        Raises
        ------
        BackendError : there is no file, or it is not a file of this service.
        """
        with self._ready_lock:
            found = identity(self.path)
            if found == self._identity:
                return
            _close(self._idle)
            if found is None:
                raise BackendError(message=f"{self.path} was removed while it was in use.")
            forget_companions(self.path, self._companions)
            self._companions.clear()
            if self._are_schemas_missing():
                raise BackendError(message=f"{self.path} was replaced by a file without tables.")
            logs.logger.warning("sqlite.replaced", path=str(self.path))
            self._identity = found

    def _are_schemas_missing(self) -> bool:
        # A read waits for nobody, unlike a write.
        session = SQLiteSession(self._connection(), is_autocommit=True)
        try:
            return any(schema.is_missing(session) for schema in self._schemas)
        finally:
            self._take_back(session)


def _write_ahead(connection: sqlite3.Connection, timeout_seconds: float) -> None:
    """Make SQLite write its log ahead; the file remembers this mode."""
    deadline = time.monotonic() + timeout_seconds
    while not _is_written_ahead(connection, is_last=time.monotonic() > deadline):
        # SQLite does not wait for other processes that are opening the new file too.
        time.sleep(0.01)


def _is_written_ahead(connection: sqlite3.Connection, *, is_last: bool) -> bool:
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError:
        if is_last:
            raise
        return False
    return True


# Connections that a fork has copied from its parent. They are kept, because closing them would do
# harm.
_abandoned: list[Connection] = []


def _close(connections: deque[Connection]) -> None:
    while connections:
        connections.pop().close()
