"""The cache in SQLite: its statements and its schema."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from cliquet import utils
from cliquet.cache.relational.cache import CacheDialect, RelationalCache
from cliquet.cache.values import decode
from cliquet.connections.sqlite.client import SQLiteClient
from cliquet.migrations.schemas import Schema
from cliquet.migrations.sqlite import SQLiteMigrations
from cliquet.types import JSONValue

__all__ = ["Cache", "prepare"]

# It is the clock of the host, which tests replace.
_CLOCK = "cliquet_msec_time()"

DIALECT = CacheDialect(
    clock=_CLOCK,
    later=f"{_CLOCK} + %s",
    remaining=f"(ttl - {_CLOCK}) / 1000.0",
    purge=(
        "DELETE FROM cache WHERE key IN ("
        f"SELECT key FROM cache WHERE ttl <= (SELECT {_CLOCK}) ORDER BY ttl LIMIT %s)"
    ),
    ordered_key="key",
    flush="DELETE FROM cache WHERE {condition}",
)


def prepare(connection: sqlite3.Connection) -> None:
    """Set up a new connection for a cache."""
    # A failure of the machine may lose the entries of the last moments, but never damages the file.
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.create_function("cliquet_msec_time", 0, lambda: utils.msec_time())


class Cache(RelationalCache):
    """Cache in SQLite.

    .. code-block:: ini

        cliquet.cache_backend = cliquet.cache.sqlite
        cliquet.cache_url = sqlite:////var/lib/service/data.db

    The entries are in the file ``data.db-cache`` beside that of the URL, which may be the file of
    the storage. Several processes of one host may share it. A failure of the machine may
    lose the entries of the last moments before it.

    Parameters
    ----------
    client : lends connections for which ``prepare()`` was called.
    cache_prefix : text put before every key.
    """

    client: SQLiteClient

    def __init__(self, client: SQLiteClient, *, cache_prefix: str = "") -> None:
        super().__init__(client, DIALECT, cache_prefix=cache_prefix)
        self._migrations = SQLiteMigrations(
            Schema("cache", 1, Path(__file__).parent, landmark="cache")
        )
        client.on_first_use(self._migrations)

    def initialize_schema(self, dry_run: bool = False) -> None:
        self._migrations.run(self.client, dry_run=dry_run)

    def delete(self, key: str) -> JSONValue:
        # `RETURNING`, which PostgreSQL has, only exists since SQLite 3.35.
        stored = self._stored(key)
        with self.client.autocommit() as session:
            session.execute("BEGIN IMMEDIATE")
            row = session.execute(self._select, (stored,)).fetchone()
            session.execute("DELETE FROM cache WHERE key = %s", (stored,))
            session.execute("COMMIT")
        return None if row is None else decode(row[0])
