"""The permission backend in SQLite: its writes and its schema.

A transaction that writes is the only writer of the file from its first statement on, so that nobody
changes an object while its ACEs are replaced.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from cliquet.connections.sql import Session
from cliquet.connections.sqlite.client import SQLiteClient
from cliquet.migrations.schemas import Schema
from cliquet.migrations.sqlite import SQLiteMigrations
from cliquet.permission.relational.permission import RelationalPermission
from cliquet.permission.relational.statements import SQL, PermissionDialect

__all__ = ["Permission"]


def _list_of(texts: Iterable[str]) -> str:
    return json.dumps(list(texts))


def _rows(name: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> SQL:
    fields = [f"json_extract(value, '$[{n}]') AS {column}" for n, column in enumerate(columns)]
    return SQL(
        f"(SELECT {', '.join(fields)} FROM json_each(%s)) AS {name}", (json.dumps(list(rows)),)
    )


def _escape(text: str) -> str:
    # `]` is only special after `[`.
    return text.replace("[", "[[]").replace("?", "[?]").replace("*", "[*]")


DIALECT = PermissionDialect(
    among="IN (SELECT value FROM json_each(%s))",
    list_of=_list_of,
    rows=_rows,
    # GLOB distinguishes upper and lower case, unlike LIKE.
    like="GLOB",
    run="*",
    escape=_escape,
    among_query="IN ({})",
    searches_each=False,
)


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
        super().__init__(client, DIALECT)
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

    def _deletion(self, table: str, condition: SQL) -> SQL:
        return SQL(f"DELETE FROM {table} WHERE {condition.text}", condition.parameters)

    def _lock(self, session: Session, object_ids: Collection[str]) -> None:
        """Do nothing, because the transaction has the lock of the file."""

    def _is_guarded(self, session: Session) -> bool:
        return True

    def _take(self, session: Session, object_ids: Sequence[str]) -> list[Any]:
        condition = DIALECT.one_of("object_id", object_ids)
        rows = session.execute(*DIALECT.aces(condition, None)).fetchall()
        if rows:
            session.defer(*self._deletion("access_control_entries", condition))
        return rows
