"""Indexes on fields in PostgreSQL."""

from __future__ import annotations

from cliquet.connections.postgresql.client import PostgreSQLSession
from cliquet.connections.sql import Session
from cliquet.storage.relational.indexes import INDEX_PREFIX
from cliquet.storage.relational.listing import SQL

__all__ = ["PostgreSQLIndexes"]


class PostgreSQLIndexes:
    """Creates indexes outside of transactions, so that others can write meanwhile."""

    def existing(self, session: Session, prefix: str = INDEX_PREFIX) -> dict[str, bool]:
        rows = session.execute(
            "SELECT pg_class.relname, pg_index.indisvalid FROM pg_index"
            " JOIN pg_class ON pg_class.oid = pg_index.indexrelid"
            " WHERE pg_index.indrelid = to_regclass('records')"
            " AND starts_with(pg_class.relname::text, %s)",
            (prefix,),
        ).fetchall()
        return dict(rows)

    def create(self, session: Session, name: str, definition: SQL) -> None:
        _postgresql(session).execute_alone(
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON records {definition.text}",
            definition.parameters,
        )

    def drop(self, session: Session, name: str) -> None:
        _postgresql(session).execute_alone(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def _postgresql(session: Session) -> PostgreSQLSession:
    assert isinstance(session, PostgreSQLSession)  # noqa: S101 - lent by the client of PostgreSQL
    return session
