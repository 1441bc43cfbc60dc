"""The tables of the backends on several servers, by the extension Citus of PostgreSQL.

Citus has one server that is asked, the coordinator, and others that hold the data. A distributed
table has each row on the server that one of its columns chooses; a reference table is on every
server as a whole. This module knows which functions of Citus do this, and no table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.connections.sql import SQL, Session
from cliquet.monitoring import logs
from cliquet.storage.exceptions import BackendError
from cliquet.transactions import scope

__all__ = ["Place", "distribute", "has_citus", "is_distributed"]

_HAS_CITUS: Final = "SELECT to_regclass('pg_dist_local_group') IS NOT NULL"
# The coordinator is the group 0.
_GROUP: Final = "SELECT groupid FROM pg_dist_local_group"
_PLACED: Final = (
    "SELECT relname FROM pg_dist_partition JOIN pg_class ON pg_class.oid = logicalrelid"
    " WHERE pg_table_is_visible(pg_class.oid)"
)
_IS_PLACED: Final = (
    "SELECT count(*) > 0 FROM pg_dist_partition WHERE logicalrelid = to_regclass(%s)"
)
# If the extension is there before them, Citus itself takes new functions everywhere.
_FUNCTIONS_TO_TAKE: Final = (
    "SELECT oid::regprocedure::text FROM pg_proc WHERE starts_with(proname, 'cliquet_')"
    " AND pg_function_is_visible(oid) AND NOT EXISTS (SELECT 1 FROM pg_dist_object"
    " WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid) ORDER BY 1"
)


class Place(NamedTuple):
    """Where the rows of a table belong.

    Attributes
    ----------
    column : its value chooses the server of a row; ``None`` for a table that every server has.
    beside : a table whose rows with the same value are on the same server; it comes before.
    """

    table: str
    column: str | None
    beside: str | None = None


class _Step(NamedTuple):
    """A call of Citus that remains to be made, and what the log says of it."""

    event: str
    fields: dict[str, Any]
    call: SQL


def has_citus(client: PostgreSQLClient) -> bool:
    """Return whether the database has the extension."""
    with client.connect(readonly=True) as session:
        return bool(session.execute(_HAS_CITUS).fetchone()[0])


def is_distributed(session: Session, table: str) -> bool:
    """Return whether Citus has spread a table over its servers."""
    if not session.execute(_HAS_CITUS).fetchone()[0]:
        return False
    return bool(session.execute(_IS_PLACED, (table,)).fetchone()[0])


@scope.without_time_limits()
def distribute(
    client: PostgreSQLClient,
    places: Sequence[Place],
    lock: Callable[[Session], None],
    *,
    with_functions: bool = False,
    dry_run: bool = False,
) -> None:
    """Spread tables over the servers; those that are spread already stay as they are.

    Parameters
    ----------
    lock : keeps other processes that do the same from a transaction, as long as it lasts.
    with_functions : whether the functions of the library are taken to all servers too.
    dry_run : only log the steps, without doing them.

    Raises
    ------
    BackendError : the extension is missing, this is not the coordinator, or a server refuses.
    """
    with client.connect(readonly=True) as session:
        _require_coordinator(session)
        steps = list(_remaining(session, places, with_functions=with_functions))
    for step in steps:
        if not dry_run:
            with client.begin(writes=True) as session:
                lock(session)
                # Another process may have been faster.
                if step in _remaining(session, places, with_functions=with_functions):
                    session.execute(*step.call)
        logs.logger.info(step.event, dry_run=dry_run, **step.fields)


def _require_coordinator(session: Session) -> None:
    if not session.execute(_HAS_CITUS).fetchone()[0]:
        raise BackendError(
            message="the database is not distributed: the extension citus is missing"
            " (CREATE EXTENSION citus, on every server)"
        )
    if session.execute(_GROUP).fetchone()[0] != 0:
        raise BackendError(
            message="this server is a worker of Citus: tables are distributed, and migrated, on the"
            " coordinator alone"
        )


def _remaining(session: Session, places: Sequence[Place], *, with_functions: bool) -> list[_Step]:
    steps = []
    if with_functions:
        for (function,) in session.execute(_FUNCTIONS_TO_TAKE).fetchall():
            call = SQL("SELECT create_distributed_function(%s::regprocedure)", (function,))
            steps.append(_Step("distribution.function", {"function": function}, call))
    placed = {table for (table,) in session.execute(_PLACED).fetchall()}
    for place in places:
        table, column, beside = place
        if table in placed:
            continue
        if column is None:
            call = SQL("SELECT create_reference_table(%s)", (table,))
            steps.append(_Step("distribution.reference", {"table": table}, call))
            continue
        call = SQL("SELECT create_distributed_table(%s, %s)", (table, column))
        if beside is not None:
            text = "SELECT create_distributed_table(%s, %s, colocate_with => %s)"
            call = SQL(text, (*call.parameters, beside))
        steps.append(_Step("distribution.table", {"table": table, "column": column}, call))
    return steps
