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
from cliquet.permission.relational.statements import COLUMNS, SQL, PermissionDialect

__all__ = ["Permission"]

# A server has only some thousands of locks for all its clients together.
_MAX_LOCKS = 100

# It marks our locks, because the storage may have locks in the same session.
_ACE = object()

_LOCK = "SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key"

# Each part of the statement, also the last one, sees the state before the statement. Rows that
# already exist are not written again.
_REPLACE = (
    "WITH wanted AS (SELECT permission, principal FROM {wanted}), "
    "removed AS (DELETE FROM access_control_entries AS ace"
    " WHERE object_id = %s{replaced} AND NOT EXISTS (SELECT 1 FROM wanted"
    " WHERE wanted.permission = ace.permission AND wanted.principal = ace.principal)), "
    "added AS (INSERT INTO access_control_entries (object_id, permission, principal)"
    " SELECT %s, permission, principal FROM wanted ON CONFLICT DO NOTHING)"
    " SELECT permission, principal FROM access_control_entries WHERE object_id = %s"
)
_REPLACED = " AND permission = ANY (%s::text[])"

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


DIALECT = PermissionDialect(
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

    def _delete(self, session: Session, table: str, condition: SQL) -> None:
        session.execute(self._deletion(table, condition), condition.parameters)

    def _deletion(self, table: str, condition: SQL) -> str:
        key = ", ".join(COLUMNS[table])
        return _DELETE.format(table=table, condition=condition.text, key=key)

    def _lock(self, session: Session, object_ids: Collection[str]) -> None:
        assert isinstance(session, PostgreSQLSession)  # noqa: S101 - lent by this client
        if len(object_ids) > _MAX_LOCKS or any(map(is_pattern, object_ids)):
            return
        keys = {_lock_key(object_id) for object_id in object_ids}
        missing = sorted(key for key in keys if (_ACE, key) not in session.locked)
        if missing:
            # The lock is a statement of its own, so that the next statement sees all changes from
            # before the lock.
            session.defer(_LOCK, (missing,))
            session.locked |= {(_ACE, key) for key in missing}

    def _is_guarded(self, session: Session) -> bool:
        return not all(isinstance(entry, tuple) and entry[0] is _ACE for entry in session.locked)

    def _replace(
        self,
        session: Session,
        object_id: str,
        replaced: Collection[str] | None,
        wanted: Sequence[tuple[str, str]],
    ) -> list[Any]:
        rows = _rows("wanted", ("permission", "principal"), wanted)
        limit, names = ("", ()) if replaced is None else (_REPLACED, (list(replaced),))
        return session.execute(
            _REPLACE.format(wanted=rows.text, replaced=limit),
            (*rows.parameters, object_id, *names, object_id, object_id),
        ).fetchall()

    def _take(self, session: Session, object_ids: Sequence[str]) -> list[Any]:
        condition = DIALECT.one_of("object_id", object_ids)
        statement = self._deletion("access_control_entries", condition)
        columns = ", ".join(COLUMNS["access_control_entries"])
        return session.execute(f"{statement} RETURNING {columns}", condition.parameters).fetchall()


def _lock_key(object_id: str) -> int:
    """Return the number of the lock of an object in the database."""
    digest = blake2b(object_id.encode(), digest_size=8, person=b"cliquet ACEs").digest()
    return int.from_bytes(digest, "big", signed=True)
