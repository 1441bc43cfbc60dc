"""The cache in SQLite (E-1): its statements and its schema."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from cliquet import utils
from cliquet.cache.relational.cache import Dialect, RelationalCache
from cliquet.cache.values import decode
from cliquet.connections.sqlite.client import SQLiteClient
from cliquet.migrations.schemas import Schema
from cliquet.migrations.sqlite import SQLiteMigrations
from cliquet.types import JSONValue

__all__ = ["Cache", "prepare"]

# The clock of the host, which tests replace (B-24).
_CLOCK = "cliquet_msec_time()"

DIALECT = Dialect(
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
    """Set a new connection up for a cache."""
    # A failure of the machine may take the entries of the last moments, never the file.
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.create_function("cliquet_msec_time", 0, lambda: utils.msec_time())


class Cache(RelationalCache):
    """Cache in SQLite.

    .. code-block:: ini

        cliquet.cache_backend = cliquet.cache.sqlite
        cliquet.cache_url = sqlite:////var/lib/service/data.db

    The entries are in the file ``data.db-cache``, beside the one of the URL, which may be that of
    the storage (E-1.5). Several processes of one host may share it. What was set in the last
    moments before a failure of the machine may be lost.

    Parameters
    ----------
    client : lends connections on which ``prepare()`` was called.
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
        # `RETURNING`, which the other database has, came with SQLite 3.35.
        stored = self._stored(key)
        with self.client.autocommit() as session:
            session.execute("BEGIN IMMEDIATE")
            row = session.execute(self._select, (stored,)).fetchone()
            session.execute("DELETE FROM cache WHERE key = %s", (stored,))
            session.execute("COMMIT")
        return None if row is None else decode(row[0])
