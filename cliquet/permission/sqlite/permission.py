"""The permission backend in SQLite, and its schema."""

from __future__ import annotations

from pathlib import Path

from cliquet.connections.sqlite.client import SQLiteClient
from cliquet.migrations.schemas import Schema
from cliquet.migrations.sqlite import SQLiteMigrations
from cliquet.permission.relational.permission import RelationalPermission
from cliquet.permission.sqlite.dialect import SQLitePermissionDialect
from cliquet.permission.sqlite.steps import SQLitePermissionSteps

__all__ = ["Permission"]


class Permission(RelationalPermission):
    """Permission backend in SQLite.

    .. code-block:: ini

        cliquet.permission_backend = cliquet.permission.sqlite
        cliquet.permission_url = sqlite:////var/lib/service/data.db

    Several processes of one host may share the file. If the storage has the same URL, the changes
    of a request in both are one transaction (E-1.5).

    Parameters
    ----------
    client : lends connections; the storage may have the same client.
    """

    schema_version = 1
    client: SQLiteClient

    def __init__(self, client: SQLiteClient) -> None:
        dialect = SQLitePermissionDialect()
        super().__init__(client, dialect, SQLitePermissionSteps(dialect))
        self._migrations = SQLiteMigrations(
            Schema(
                "permission",
                self.schema_version,
                Path(__file__).parent,
                landmark="access_control_entries",
            )
        )
        client.on_first_use(self._migrations)

    def initialize_schema(self, dry_run: bool = False) -> None:
        self._migrations.run(self.client, dry_run=dry_run)
