"""The cache in PostgreSQL (B-14.4): its statements and its schema."""

from __future__ import annotations

from pathlib import Path

from cliquet.cache.relational.cache import Dialect, RelationalCache
from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.migrations.postgresql import PostgreSQLMigrations
from cliquet.migrations.schemas import Schema

__all__ = ["Cache"]

# The column has no time zone, as that of the original.
_CLOCK = "(clock_timestamp() AT TIME ZONE 'UTC')"

DIALECT = Dialect(
    clock=_CLOCK,
    later=f"{_CLOCK} + %s::float8 * interval '1 millisecond'",
    remaining=f"extract(epoch FROM ttl - {_CLOCK})::float8",
    # Found by the index on the expiry; locked in the order of the keys, without waiting for those
    # who write them (B-21.32). One that is set anew meanwhile is in another place.
    purge=(
        "DELETE FROM cache WHERE ctid = ANY (ARRAY("
        "SELECT ctid FROM cache WHERE ctid = ANY (ARRAY("
        f"SELECT ctid FROM cache WHERE ttl <= (SELECT {_CLOCK}) ORDER BY ttl LIMIT %s))"
        " ORDER BY key FOR UPDATE SKIP LOCKED))"
    ),
    # Whatever the collation of a table that was there before.
    ordered_key='key COLLATE "C"',
    # Two flushes at once take the entries in the same order.
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

    The table is made by ``cliquet migrate``. Entries expire by the clock of the server.

    Parameters
    ----------
    client : lends connections, which nothing but this cache uses.
    cache_prefix : text put before every key.
    """

    client: PostgreSQLClient

    def __init__(self, client: PostgreSQLClient, *, cache_prefix: str = "") -> None:
        super().__init__(client, DIALECT, cache_prefix=cache_prefix)
        self._migrations = PostgreSQLMigrations(
            # Nothing is done when the table exists (B-21.35): that of the original will do.
            Schema("cache", 1, Path(__file__).parent, landmark="cache", unversioned=1)
        )

    def initialize_schema(self, dry_run: bool = False) -> None:
        self._migrations.run(self.client, dry_run=dry_run)
