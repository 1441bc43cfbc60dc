"""The permission backend in PostgreSQL: its locks, its writes and its schema."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from cliquet.connections.postgresql.client import PostgreSQLClient, PostgreSQLSession
from cliquet.connections.sql import Session
from cliquet.core.globs import is_pattern
from cliquet.migrations.postgresql import PostgreSQLMigrations
from cliquet.migrations.schemas import Schema
from cliquet.permission.relational.permission import RelationalPermission
from cliquet.permission.relational.statements import (
    COLUMNS,
    REMOVE_ACES,
    SQL,
    PermissionDialect,
)
from cliquet.types import BoundPermission

__all__ = ["Permission"]

# A server has only some thousands of locks for all its clients together.
_MAX_LOCKS = 100

# It marks our locks, because the storage may have locks in the same session.
_ACE = object()

# The lock is on the server that has the entries of the object, because of the table (E-9.3).
_LOCK = (
    "SELECT pg_advisory_xact_lock(%s) FROM"
    " (SELECT count(*) FROM access_control_entries WHERE object_id = %s) AS always"
)

# Rows are locked in one order, whatever plan finds them, so that two simultaneous deletions do not
# deadlock. Rows are never updated, so that a locked row is still in the place where it was read.
_DELETE = (
    "DELETE FROM {table} WHERE ctid = ANY (ARRAY("
    "SELECT ctid FROM {table} WHERE {condition} ORDER BY {key} FOR UPDATE))"
)


def _rows(name: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> SQL:
    lists = ", ".join(["%s::text[]"] * len(columns))
    return SQL(
        f"unnest({lists}) AS {name} ({', '.join(columns)})",
        tuple([row[n] for row in rows] for n in range(len(columns))),
    )


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


class PostgreSQLPermissionDialect(PermissionDialect):
    """Names the object as a constant of the statement, where Citus looks for it (E-9.3)."""

    def _granting(self, granting: Sequence[BoundPermission]) -> SQL:
        by_object: dict[str, list[str]] = {}
        for object_id, permission in granting:
            by_object.setdefault(str(object_id), []).append(permission)
        return SQL(
            "FROM access_control_entries AS ace WHERE ("
            + " OR ".join(
                ["ace.object_id = %s AND ace.permission = ANY (%s::text[])"] * len(by_object)
            )
            + ")",
            tuple(value for pair in by_object.items() for value in pair),
        )

    def addition(self, aces: Sequence[tuple[str, str, str]]) -> SQL:
        return SQL(
            "INSERT INTO access_control_entries (object_id, permission, principal) VALUES "
            + ", ".join(["(%s, %s, %s)"] * len(aces))
            + " ON CONFLICT DO NOTHING",
            tuple(text for ace in aces for text in ace),
        )


DIALECT = PostgreSQLPermissionDialect(
    among="= ANY (%s::text[])",
    list_of=list,
    rows=_rows,
    like="LIKE",
    run="%",
    escape=_escape,
    # An array, because PostgreSQL turns IN into a join, in any order.
    among_query="= ANY (ARRAY({}))",
    searches_each=True,
)


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

    Notes
    -----
    A simultaneous replacement and deletion of the same object happen one after the other. A
    deletion of more than a hundred objects, or by a pattern, takes no lock: it may leave entries
    that a replacement adds and has not committed yet.
    """

    schema_version = 2
    client: PostgreSQLClient

    def __init__(self, client: PostgreSQLClient) -> None:
        super().__init__(client, DIALECT)
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

    def initialize_schema(self, dry_run: bool = False) -> None:
        self._migrations.run(self.client, dry_run=dry_run)

    def _forgetting(self, object_ids: Collection[str]) -> list[SQL]:
        if not self._may_lock(object_ids):
            return super()._forgetting(object_ids)
        return [SQL(REMOVE_ACES, (one,)) for one in sorted(set(map(str, object_ids)))]

    def _may_lock(self, object_ids: Collection[str]) -> bool:
        return len(object_ids) <= _MAX_LOCKS and not any(map(is_pattern, object_ids))

    def _deletion(self, table: str, condition: SQL) -> SQL:
        key = ", ".join(COLUMNS[table])
        text = _DELETE.format(table=table, condition=condition.text, key=key)
        return SQL(text, condition.parameters)

    def _lock(self, session: Session, object_ids: Collection[str]) -> None:
        assert isinstance(session, PostgreSQLSession)  # noqa: S101 - lent by this client
        if not self._may_lock(object_ids):
            return
        keys = {_lock_key(object_id): str(object_id) for object_id in object_ids}
        missing = sorted(key for key in keys if (_ACE, key) not in session.locked)
        for key in missing:
            # The lock is a statement of its own, so that the next statement sees all changes from
            # before the lock.
            session.defer(_LOCK, (key, keys[key]))
        if missing:
            session.locked |= {(_ACE, key) for key in missing}

    def _is_guarded(self, session: Session) -> bool:
        return not all(isinstance(entry, tuple) and entry[0] is _ACE for entry in session.locked)

    def _take(self, session: Session, object_ids: Sequence[str]) -> list[Any]:
        condition = DIALECT.one_of("object_id", object_ids)
        if self._may_lock(object_ids):
            rows = session.execute(*DIALECT.aces(condition, None)).fetchall()
            for statement in self._forgetting(object_ids):
                session.defer(*statement)
            return rows
        statement = self._deletion("access_control_entries", condition)
        columns = ", ".join(COLUMNS["access_control_entries"])
        return session.execute(
            f"{statement.text} RETURNING {columns}", statement.parameters
        ).fetchall()


def _lock_key(object_id: str) -> int:
    """Return the number of the lock of an object in the database."""
    digest = blake2b(object_id.encode(), digest_size=8, person=b"cliquet ACEs").digest()
    return int.from_bytes(digest, "big", signed=True)
