"""The cache in PostgreSQL: its statements and its schema."""

from __future__ import annotations

from pathlib import Path

from cliquet.cache.relational.cache import CacheDialect, RelationalCache
from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.migrations.postgresql import PostgreSQLMigrations
from cliquet.migrations.schemas import Schema

__all__ = ["Cache"]

# The column has no time zone, like that of the original library.
_CLOCK = "(clock_timestamp() AT TIME ZONE 'UTC')"

DIALECT = CacheDialect(
    clock=_CLOCK,
    later=f"{_CLOCK} + %s::float8 * interval '1 millisecond'",
    remaining=f"extract(epoch FROM ttl - {_CLOCK})::float8",
    # The index on the expiry finds the entries. They are locked in the order of their keys, and
    # entries that somebody is writing are skipped. An entry that is set again meanwhile is another
    # row version.
    purge=(
        "DELETE FROM cache WHERE ctid = ANY (ARRAY("
        "SELECT ctid FROM cache WHERE ctid = ANY (ARRAY("
        f"SELECT ctid FROM cache WHERE ttl <= (SELECT {_CLOCK}) ORDER BY ttl LIMIT %s))"
        " ORDER BY key FOR UPDATE SKIP LOCKED))"
    ),
    # The collation of a table that already existed does not matter.
    ordered_key='key COLLATE "C"',
    # Two simultaneous flushes lock the entries in the same order.
    flush=(
        "DELETE FROM cache WHERE key IN"
        " (SELECT key FROM cache WHERE {condition} ORDER BY key FOR UPDATE)"
    ),
)


class Cache(RelationalCache):
    """Cache in PostgreSQL.

    .. code-block:: ini

        cliquet.cache_backend = cliquet.cache.postgresql
        cliquet.cache_url = postgresql://user:password@localhost:5432/database

    The command ``cliquet migrate`` creates the table. Entries expire by the clock of the server.

    Parameters
    ----------
    client : lends connections, which only this cache uses.
    cache_prefix : text put before every key.
    """

    client: PostgreSQLClient

    def __init__(self, client: PostgreSQLClient, *, cache_prefix: str = "") -> None:
        super().__init__(client, DIALECT, cache_prefix=cache_prefix)
        self._migrations = PostgreSQLMigrations(
            # If the table exists, nothing is done: the table of the original library has the right
            # form.
            Schema("cache", 1, Path(__file__).parent, landmark="cache", unversioned=1)
        )

    def initialize_schema(self, dry_run: bool = False) -> None:
        self._migrations.run(self.client, dry_run=dry_run)
