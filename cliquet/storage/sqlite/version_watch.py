"""Tells a thread whether anybody has changed the file, without reading its tables."""

from __future__ import annotations

import contextlib
import time
from typing import Final

from cliquet.connections.sqlite.client import SQLiteClient, SQLiteSession
from cliquet.connections.sqlite.file import Identity, identity
from cliquet.storage.watching import ChangeWatch

# The number costs some ten microseconds, unlike the questions that follow once it has moved.
_LOOK_SECONDS: Final = 0.05

__all__ = ["VersionWatch"]


class VersionWatch(ChangeWatch):
    """Compares the number that SQLite gives to the state of the file.

    A connection does not count its own changes, so that the watch has a connection of its own,
    which changes nothing.
    """

    def __init__(self, client: SQLiteClient) -> None:
        self._client = client
        self._held = contextlib.ExitStack()
        self._session: SQLiteSession | None = None
        self._identity: Identity | None = None
        self._version: int | None = None

    def wait(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        left = seconds
        while True:
            time.sleep(min(left, _LOOK_SECONDS))
            if self._has_changed():
                return True
            left = until - time.monotonic()
            if left <= 0:
                return False

    def _has_changed(self) -> bool:
        session = self._session
        if session is None or identity(self._client.path) != self._identity:
            # The file may have been replaced.
            session = self._connect()
        (version,) = session.execute("PRAGMA data_version").fetchone()
        has_changed: bool = version != self._version
        self._version = version
        return has_changed

    def _connect(self) -> SQLiteSession:
        self.close()
        session = self._held.enter_context(self._client.autocommit())
        assert isinstance(session, SQLiteSession)  # noqa: S101 - lent by this client
        self._session, self._identity = session, session.connection.identity
        return session

    def close(self) -> None:
        self._session = self._version = None
        self._held.close()
