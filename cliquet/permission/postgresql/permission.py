"""The permission backend in PostgreSQL, and its schema."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.connections.postgresql.replica import AVOIDED, FAILED, SERVED, Replica
from cliquet.connections.selected_aces import InsertedACEs, SelectedACEs
from cliquet.connections.sql import SQL
from cliquet.migrations.distribution import Place, distribute, has_citus
from cliquet.migrations.postgresql import PostgreSQLMigrations
from cliquet.migrations.schemas import Schema
from cliquet.permission.postgresql.dialect import PostgreSQLPermissionDialect
from cliquet.permission.postgresql.steps import PostgreSQLPermissionSteps
from cliquet.permission.relational.permission import RelationalPermission
from cliquet.permission.relational.queries import ACES
from cliquet.storage.exceptions import BackendError
from cliquet.transactions import reading
from cliquet.types import ACEInsertion, ACEQuery

__all__ = ["Permission"]

# A user is asked for with every request, and few groups change: every server has all of them.
PLACES = (Place("user_principals", None), Place("access_control_entries", "object_id"))


class Permission(RelationalPermission):
    """Permission backend in PostgreSQL.

    .. code-block:: ini

        cliquet.permission_backend = cliquet.permission.postgresql
        cliquet.permission_url = postgresql://user:password@localhost:5432/database

    The command ``cliquet migrate`` creates the schema. If the storage has the same URL, the changes
    of a request in both are one transaction.

    Parameters
    ----------
    client : lends connections; the storage may have the same client.
    replica : serves requests that only read, whose clients know nothing yet.

    Notes
    -----
    A simultaneous replacement and deletion of the same object happen one after the other. A
    deletion of more than a hundred objects, or by a pattern, takes no lock. It waits for requests
    that have committed their records and not their permissions; but it may leave entries that
    others add who change no record, and have not committed yet.
    """

    schema_version = 2
    client: PostgreSQLClient

    def __init__(self, client: PostgreSQLClient, *, replica: Replica | None = None) -> None:
        # It is asked when it matters for the first time, and does not change often.
        dialect = PostgreSQLPermissionDialect(functools.cache(lambda: has_citus(client)))
        super().__init__(client, dialect, PostgreSQLPermissionSteps(dialect))
        self.replica = replica
        self._tell: Callable[[str], None] | None = None
        self._migrations = PostgreSQLMigrations(
            Schema(
                "permission",
                self.schema_version,
                Path(__file__).parent,
                landmark="access_control_entries",
                # The first version did not record its number.
                unversioned=1,
            )
        )

    def select_aces(self, object_id: str) -> ACEQuery:
        # As in `SelectedACEs()`, which calls a function in Python; this is done in each read.
        return tuple.__new__(SelectedACEs, (self.client, ACES, (object_id,), self.replica))

    def insertion_of_aces(
        self, object_id: str, permissions: Mapping[str, Iterable[str]]
    ) -> ACEInsertion | None:
        return InsertedACEs(self.client, *self._writer.addition(object_id, permissions))

    def _rows(self, query: SQL) -> list[Any]:
        rows = None if self.replica is None else self._copied(self.replica, query)
        return super()._rows(query) if rows is None else rows

    def _copied(self, replica: Replica, query: SQL) -> list[Any] | None:
        """Return the rows of a query on the replica; ``None`` if the primary has to be asked."""
        if not self._may_lag():
            return None
        outcome, rows = AVOIDED, None
        if replica.may_serve(0):
            try:
                outcome, rows = SERVED, replica.client.rows(*query)
            except BackendError as error:
                outcome = FAILED
                replica.fail(error)
        if self._tell is not None:
            self._tell(outcome)
        return rows

    def watch_replica(self, tell: Callable[[str], None]) -> None:
        """Let a function know what becomes of each read that the replica could serve.

        .. versionadded:: 3.2
        """
        self._tell = tell

    def _may_lag(self) -> bool:
        """Return whether the client of the request knows nothing that a replica may not have.

        The tables of permissions have no counter that could tell.
        """
        present = reading.present()
        return present is not None and not present.known and self.client.current() is None

    def wait_for_commits(self) -> None:
        super().wait_for_commits()
        if self.replica is not None:
            # It may lack what has been committed, and nothing tells whether it does.
            reading.end()

    def initialize_schema(self, dry_run: bool = False) -> None:
        self._migrations.run(self.client, dry_run=dry_run)

    def distribute(self, dry_run: bool = False) -> None:
        """Spread the tables over the servers of Citus, by the objects of the ACEs (E-9.5).

        .. versionadded:: 3.2

        Raises
        ------
        BackendError : the database is not the coordinator of Citus, or refuses.
        """
        distribute(self.client, PLACES, self._migrations.lock, dry_run=dry_run)
