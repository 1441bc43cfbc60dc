"""The session of one transaction of SQLite."""

from __future__ import annotations

import contextlib
import sqlite3

from cliquet.connections.sql import Cursor, Parameters, Session
from cliquet.connections.sqlite.connection import Connection
from cliquet.monitoring import logs

__all__ = ["SQLiteSession"]


class SQLiteSession(Session):
    """A session of SQLite.

    Attributes
    ----------
    kept : statements that are committed even if the transaction fails (X-22).
    """

    def __init__(self, connection: Connection, *, is_autocommit: bool) -> None:
        super().__init__(is_autocommit=is_autocommit)
        self.connection = connection
        self.kept: list[tuple[str, Parameters]] = []
        self._has_begun = False

    def execute(self, statement: str, parameters: Parameters = ()) -> Cursor:
        connection = self.connection
        try:
            if not self.is_autocommit and not self._has_begun:
                self._begin()
            return connection.execute(connection.translated(statement), parameters)
        except Exception:
            # The block translates the errors of the driver, and lets all others pass. Around each
            # statement, it would cost two calls.
            with connection.translated_errors:
                raise

    def execute_many(self, statement: str, rows: list[Parameters]) -> None:
        """Send one statement for each row of parameters."""
        with self.connection.translated_errors:
            if not self.is_autocommit and not self._has_begun:
                self._begin()
            self.connection.executemany(self.connection.translated(statement), rows)

    def keep(self, statement: str, parameters: Parameters) -> None:
        """Send a statement whose effect stays even if the transaction fails."""
        self.kept.append((statement, parameters))
        self.execute(statement, parameters)

    def version(self) -> int:
        """Return a number that any commit on another connection changes."""
        ((number,),) = self.execute("PRAGMA data_version").fetchall()
        return int(number)

    def can_write(self) -> bool:
        """Return whether nobody writes at this moment; of a session in autocommit.

        Raises
        ------
        BackendError : it is not possible to know, for example because the file is read-only.
        """
        try:
            self.connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                return False
            with self.connection.translated_errors:
                raise
        self.connection.execute("ROLLBACK")
        return True

    def _begin(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self._has_begun = True
        self.connection.execute("SAVEPOINT cliquet_begin")

    def commit(self) -> None:
        if self._has_begun:
            try:
                self.connection.execute("COMMIT")
            except sqlite3.Error:
                with self.connection.translated_errors:
                    raise
        self._end()

    def rollback(self) -> None:
        if self._has_begun:
            try:
                if self.kept:
                    # It stays the same transaction, so that nobody can write in between, with a
                    # timestamp that the kept statement does not know.
                    self.connection.execute("ROLLBACK TO cliquet_begin")
                    self._send_kept()
                    self.connection.execute("COMMIT")
                else:
                    self.connection.execute("ROLLBACK")
            except sqlite3.Error:
                logs.logger.exception("sqlite.rollback")
                with contextlib.suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
        self._end()

    def _send_kept(self) -> None:
        for statement, parameters in self.kept:
            self.connection.execute(self.connection.translated(statement), parameters)

    def _end(self) -> None:
        self._has_begun = False
        self.kept.clear()
        self._reset()

    def _set_savepoint(self, name: str) -> None:
        self.execute(f"SAVEPOINT {name}")

    def _undo_to(self, name: str) -> None:
        self.execute(f"ROLLBACK TO {name}")
        with self.connection.translated_errors:
            self._send_kept()

    def _forget_savepoint(self, name: str) -> None:
        self.execute(f"RELEASE {name}")
