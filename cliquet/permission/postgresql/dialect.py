"""The texts of PostgreSQL in the statements about permissions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

from cliquet.connections.sql import SQL
from cliquet.permission.relational.dialect import COLUMNS, PermissionDialect
from cliquet.types import BoundPermission

__all__ = ["PostgreSQLPermissionDialect"]


class PostgreSQLPermissionDialect(PermissionDialect):
    """Names the object as a constant of the statement, where Citus looks for it (E-9.3).

    Parameters
    ----------
    is_distributed : says whether Citus distributes the database.
    """

    among = "= ANY (%s::text[])"
    # It is an array, because PostgreSQL turns IN into a join, in any order.
    among_query = "= ANY (ARRAY({}))"
    like = "LIKE"
    run = "%"
    is_segment = "{0} = replace({0}, '/', '')"
    is_within_process = False
    searches_each = True

    def __init__(self, is_distributed: Callable[[], bool] = lambda: False) -> None:
        self.is_distributed = is_distributed

    def list_of(self, texts: Iterable[str]) -> Any:
        return list(texts)

    def rows(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> SQL:
        lists = ", ".join(["%s::text[]"] * len(columns))
        return SQL(
            f"unnest({lists}) AS {name} ({', '.join(columns)})",
            tuple([row[n] for row in rows] for n in range(len(columns))),
        )

    def escape(self, text: str) -> str:
        return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")

    def deletion(self, table: str, condition: SQL) -> SQL:
        if self.is_distributed():
            # Citus refuses `ctid`, and deletes on each server by itself. Two deletions of the same
            # entries may be a deadlock there, after which the request runs again.
            return SQL(f"DELETE FROM {table} WHERE {condition.text}", condition.parameters)
        # Rows are locked in one order, whatever plan finds them, so that two simultaneous deletions
        # do not deadlock. Rows are never updated, so that a locked row is still in the place where
        # it was read.
        key = ", ".join(COLUMNS[table])
        return SQL(
            f"DELETE FROM {table} WHERE ctid = ANY (ARRAY("
            f"SELECT ctid FROM {table} WHERE {condition.text} ORDER BY {key} FOR UPDATE))",
            condition.parameters,
        )

    def addition(self, aces: Sequence[tuple[str, str, str]]) -> SQL:
        return SQL(
            "INSERT INTO access_control_entries (object_id, permission, principal) VALUES "
            + ", ".join(["(%s, %s, %s)"] * len(aces))
            + " ON CONFLICT DO NOTHING",
            tuple(chain.from_iterable(aces)),
        )

    def granting(self, bound_permissions: Sequence[BoundPermission]) -> SQL:
        by_object: dict[str, list[str]] = {}
        for object_id, permission in bound_permissions:
            by_object.setdefault(str(object_id), []).append(permission)
        return SQL(
            "FROM access_control_entries AS ace WHERE ("
            + " OR ".join(
                ["ace.object_id = %s AND ace.permission = ANY (%s::text[])"] * len(by_object)
            )
            + ")",
            tuple(value for pair in by_object.items() for value in pair),
        )
