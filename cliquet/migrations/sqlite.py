"""Schemas in SQLite: creation at the first use, and migrations."""

from __future__ import annotations

import sqlite3

from cliquet.connections.sql import Session, SQLClient
from cliquet.connections.sqlite.client import SQLiteClient
from cliquet.migrations.schemas import Migrations, migration_path
from cliquet.monitoring import logs
from cliquet.transactions import scope

__all__ = ["SQLiteMigrations"]


class SQLiteMigrations(Migrations):
    """Creates or upgrades one schema in SQLite."""

    def is_missing(self, session: Session) -> bool:
        """Return whether the file lacks the schema."""
        return self.installed_version(session) is None

    @scope.without_time_limits()
    def run(self, client: SQLiteClient, *, dry_run: bool = False) -> None:
        """Bring the schema to its present version, whether or not it exists already.

        Parameters
        ----------
        dry_run : only log the steps, without doing them.

        Raises
        ------
        BackendError : the file cannot be used.
        """
        if dry_run and not client.path.exists():
            logs.logger.info(
                "schema.to_create", schema=self.schema.name, version=self.schema.version
            )
            return
        if not dry_run:
            self.bring_up(client)
            return
        with client.connect(readonly=True) as session:
            installed = self.installed_version(session) or self.schema.version
        for version in range(installed, self.schema.version):
            path = migration_path(version, version + 1)
            logs.logger.info("schema.to_migrate", schema=self.schema.name, file=path)

    def recorded_step(self, client: SQLClient, name: str) -> int:
        assert isinstance(client, SQLiteClient)  # noqa: S101 - that of a storage in SQLite
        # A connection would create the file, and a dry run must not do that.
        return super().recorded_step(client, name) if client.path.exists() else 0

    def has_table(self, session: Session, name: str) -> bool:
        found = session.execute(
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = %s", (name,)
        )
        return found.fetchone() is not None

    def run_file(self, session: Session, path: str) -> None:
        # `executescript` is not used, because it commits first.
        statement = ""
        for line in self.schema.read(path).splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                session.execute(statement)
                statement = ""

    def lock(self, session: Session) -> None:
        """Do nothing, because a transaction that writes has the lock of the file."""
