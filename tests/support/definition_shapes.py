"""Whether Citus can spread a table with such keys and indexes, judged by their definitions.

Each server checks the rows that it has, and nothing looks at those of the others. So a key has to
begin with the column that the table is distributed by, and so has an index, which no question about
one parent could use otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pglast
from pglast.enums import ConstrType

__all__ = ["DEFINITIONS", "problems_of_definition"]

# Its types say of each part of a statement that it may be missing.
ast: Any = pglast.ast

DEFINITIONS = (ast.CreateStmt, ast.AlterTableStmt, ast.IndexStmt, ast.CreateTrigStmt)
"""The statements that this module judges."""

_KEY_KINDS = {ConstrType.CONSTR_PRIMARY, ConstrType.CONSTR_UNIQUE, ConstrType.CONSTR_EXCLUSION}


def problems_of_definition(statement: Any, keys: dict[str, str]) -> Iterator[str]:
    """Yield what is wrong with a definition in a distributed database.

    Parameters
    ----------
    keys : the column by which each table is distributed.
    """
    table = statement.relation.relname
    if table not in keys:
        return
    column = keys[table]
    if isinstance(statement, ast.CreateTrigStmt):
        yield f"a trigger on {table}"
    elif isinstance(statement, ast.IndexStmt):
        first = statement.indexParams[0].name
        if first != column:
            kind = "a key" if statement.unique else f"an index ({statement.accessMethod})"
            yield f"{kind} of {table} that does not begin with {column}"
    else:
        for own_column, constraint in _constraints(statement):
            if constraint.contype == ConstrType.CONSTR_FOREIGN:
                yield f"a reference from {table}"
            elif constraint.contype in _KEY_KINDS:
                names = [one.sval for one in constraint.keys or ()] or [own_column]
                if names[0] != column:
                    yield f"a key of {table} that does not begin with {column}"


def _constraints(statement: Any) -> Iterator[tuple[str | None, Any]]:
    """Yield each constraint, with the column that it is written at."""
    parts = statement.tableElts if isinstance(statement, ast.CreateStmt) else statement.cmds
    for part in parts or ():
        element = part.def_ if isinstance(part, ast.AlterTableCmd) else part
        if isinstance(element, ast.Constraint):
            yield None, element
        elif isinstance(element, ast.ColumnDef):
            for constraint in element.constraints or ():
                yield element.colname, constraint
