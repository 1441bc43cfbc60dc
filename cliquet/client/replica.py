"""The file with what a client knows: the records of collections, its own edits, its tokens."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

__all__ = ["Record", "Replica", "writable"]

Record = dict[str, Any]

_SCHEMA_VERSION: Final = 1
# `walk` is the number of the last start in which the server has told the record.
_SCHEMA: Final = f"""
BEGIN;
CREATE TABLE records (
    collection TEXT NOT NULL, id TEXT NOT NULL, data TEXT NOT NULL, walk INTEGER NOT NULL,
    PRIMARY KEY (collection, id)
) WITHOUT ROWID;
CREATE TABLE edits (
    number INTEGER PRIMARY KEY AUTOINCREMENT, collection TEXT NOT NULL, id TEXT NOT NULL,
    data TEXT, original TEXT, sent TEXT NOT NULL, revision INTEGER NOT NULL DEFAULT 0,
    UNIQUE (collection, id)
);
CREATE TABLE progress (
    collection TEXT PRIMARY KEY, token TEXT, page TEXT, walk INTEGER NOT NULL
) WITHOUT ROWID;
PRAGMA user_version = {_SCHEMA_VERSION};
COMMIT;
"""


class Replica:
    """A SQLite file. Threads may share it; two programs should not use one at the same time.

    .. versionadded:: 3.2

    Each user needs a file of their own: it holds what they may read, and what they still have to
    send. It may hold any number of collections.

    Parameters
    ----------
    path : of the file; ``":memory:"`` for one that ends with the object.

    Raises
    ------
    ValueError : the file was made by another version of the library.
    sqlite3.Error : the file cannot be opened, or is something else.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._connection.executescript(_SCHEMA)
        elif version != _SCHEMA_VERSION:
            self._connection.close()
            raise ValueError(f"{os.fspath(path)!r} has version {version}, not {_SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all statements of a block, or none; other threads wait.

        A block within another one is part of it.
        """
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.execute("ROLLBACK")
                raise
            self.execute("COMMIT")

    def execute(self, statement: str, *values: object) -> list[Any]:
        """Run a statement, and return its rows."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()


def writable(record: Record) -> Record:
    """Return the fields of a record that its user writes."""
    return {name: value for name, value in record.items() if name not in ("id", "last_modified")}
