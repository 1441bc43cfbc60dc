"""The storage in SQLite, and its schema."""

from __future__ import annotations

from pathlib import Path

from cliquet.connections.sql import Session
from cliquet.connections.sqlite.client import SQLiteClient
from cliquet.migrations.schemas import Schema
from cliquet.migrations.sqlite import SQLiteMigrations
from cliquet.storage.relational.indexes import FieldIndexes
from cliquet.storage.relational.storage import RelationalStorage
from cliquet.storage.sqlite.dialect import SQLiteDialect
from cliquet.storage.sqlite.functions import register_functions as prepare
from cliquet.storage.sqlite.indexes import SQLiteIndexes
from cliquet.storage.sqlite.steps import SQLiteSteps
from cliquet.storage.sqlite.version_watch import VersionWatch
from cliquet.storage.watching import ChangeWatch

__all__ = ["Storage", "prepare"]


class _MigrationsWithIndexes(SQLiteMigrations):
    """Creates the declared indexes together with the tables of a new file."""

    indexes: FieldIndexes

    def create(self, session: Session) -> None:
        super().create(session)
        self.indexes.create_all(session)


class Storage(RelationalStorage):
    """Storage in SQLite.

    .. code-block:: ini

        cliquet.storage_backend = cliquet.storage.sqlite
        cliquet.storage_url = sqlite:////var/lib/service/data.db

    Several processes of one host may share the file. Timestamps come from the clock of the host.

    Parameters
    ----------
    client : lends connections; another storage may have the same client.
    is_readonly : whether the service never writes.
    """

    schema_version = 4
    client: SQLiteClient
    _migrations: _MigrationsWithIndexes

    def __init__(self, client: SQLiteClient, *, is_readonly: bool = False) -> None:
        dialect = SQLiteDialect()
        super().__init__(client, dialect, SQLiteSteps(client), is_readonly=is_readonly)
        self._indexes = FieldIndexes(client, dialect, self._declared, SQLiteIndexes())
        self._migrations = _MigrationsWithIndexes(
            Schema("storage", self.schema_version, Path(__file__).parent, landmark="records")
        )
        self._migrations.indexes = self._indexes
        client.on_first_use(self._migrations)

    def initialize_schema(self, dry_run: bool = False) -> None:
        self._migrations.run(self.client, dry_run=dry_run)
        if not dry_run or self.client.path.exists():
            self._indexes.update(dry_run=dry_run)

    def watch_changes(self) -> ChangeWatch:
        return VersionWatch(self.client)

    def missing_indexes(self) -> list[str]:
        # A statement would create them all, with the tables: also in a file that another process
        # has just made, and is going to fill.
        if not self._declared or not self.client.has_schemas():
            return []
        return self._indexes.missing()
