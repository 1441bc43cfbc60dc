"""Indexes on fields in SQLite."""

from __future__ import annotations

from cliquet.connections.sql import Session
from cliquet.storage.relational.indexes import INDEX_PREFIX
from cliquet.storage.relational.listing import SQL

__all__ = ["SQLiteIndexes"]


class SQLiteIndexes:
    """Creates indexes, while writers wait."""

    def existing(self, session: Session) -> dict[str, bool]:
        rows = session.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND substr(name, 1, %s) = %s",
            (len(INDEX_PREFIX), INDEX_PREFIX),
        ).fetchall()
        return {name: True for (name,) in rows}

    def create(self, session: Session, name: str, definition: SQL) -> None:
        session.execute(
            f"CREATE INDEX IF NOT EXISTS {name} ON records {definition.text}",
            definition.parameters,
        )

    def drop(self, session: Session, name: str) -> None:
        session.execute(f"DROP INDEX IF EXISTS {name}")
