"""Whether Citus can send a statement to the one server that has its data, judged by its text.

The rules were compared with those of Citus 13 on all statements of the test suites. They need no
server: the text is parsed by the parser of PostgreSQL itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pglast

from cliquet.storage.spreading import whole_parent
from support.definition_shapes import DEFINITIONS, problems_of_definition

# Its types say of each part of a statement that it may be missing.
ast: Any = pglast.ast
parse_sql: Any = pglast.parse_sql
split: Any = pglast.split

KEYS = {
    **dict.fromkeys(("records", "timestamps", "departures"), "parent_id"),
    "access_control_entries": "object_id",
}
"""The column by which each table is distributed."""

# Each server has the whole table.
_REFERENCE = {"user_principals"}
# Ours: it is declared immutable, so that it runs where the row is.
_OURS = {"cliquet_next"}
# What gives another value at each call, and what depends on the session.
_MOVING = {"clock_timestamp", "random", "set_config", "timeofday", "pg_advisory_xact_lock"}
_OF_SESSION = {"current_setting", "now", "statement_timestamp", "transaction_timestamp"}
_WRITES = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt)


def problems_of(text: str, *, over_shards: bool = False) -> set[str]:
    """Return what Citus would refuse in the statements of a round trip, or ask several servers.

    Parameters
    ----------
    over_shards : whether reads may speak of several shards, if they are those of one collection.
        Each write and each lock still names one shard.
    """
    found: set[str] = set()
    for raw in parse_sql(text):
        if isinstance(raw.stmt, (ast.SelectStmt, *_WRITES)):
            found.update(_problems(raw.stmt, over_shards=over_shards))
        elif isinstance(raw.stmt, DEFINITIONS):
            found.update(problems_of_definition(raw.stmt, KEYS))
    return found


def _problems(statement: Any, *, over_shards: bool) -> Iterator[str]:
    read: set[str] = set()
    written: set[str] = set()
    for node in _nodes(statement):
        if isinstance(node, ast.SelectStmt):
            is_read = not node.lockingClause
            constants: set[tuple[str, str]] = set()
            for condition in (node.whereClause, *_conditions_of_joins(node.fromClause)):
                constants |= _constants(condition)
                if over_shards and is_read:
                    constants |= _elements(condition)
            yield from _unnamed(_tables(node.fromClause), constants, is_read=is_read)
            parents = {value for name, value in constants if name == "parent_id"}
            (read if is_read else written).update(parents)
        elif isinstance(node, (ast.UpdateStmt, ast.DeleteStmt)):
            constants = _constants(node.whereClause)
            yield from _unnamed([node.relation.relname], constants, is_read=False)
            written |= {value for name, value in constants if name == "parent_id"}
            if _functions(node) & _MOVING:
                yield "a function of the moment in UPDATE or DELETE"
        elif isinstance(node, ast.InsertStmt):
            yield from _problems_of_insertion(node)
        if isinstance(node, _WRITES):
            yield from _problems_of_write(node)
        if isinstance(node, ast.WithClause):
            for part in node.ctes:
                if isinstance(part.ctequery, ast.InsertStmt):
                    yield "INSERT within WITH"
    named = read | written
    if over_shards:
        named = set(map(whole_parent, named))
    if len(named) > 1 or len(written) > 1:
        yield "several parents"
    # Where the permissions are may be another server than that of the record.
    if written and {KEYS.get(table) for table in _named(statement)} >= {*KEYS.values()}:
        yield "a write with tables of several servers"
    if "pg_advisory_xact_lock" in _functions(statement) and not _named(statement) & KEYS.keys():
        yield "a lock on the server that is asked"


def _unnamed(
    tables: Iterable[str], constants: set[tuple[str, str]], *, is_read: bool
) -> Iterator[str]:
    columns = {name for name, _ in constants}
    for table in tables:
        # The entries of several objects may be read at once.
        is_free = is_read and table == "access_control_entries"
        if table in KEYS and not is_free and KEYS[table] not in columns:
            yield f"{table} without constant {KEYS[table]}"


def _problems_of_insertion(node: Any) -> Iterator[str]:
    if node.withClause:
        yield "WITH on INSERT"
    table = node.relation.relname
    if table not in KEYS:
        return
    if not node.selectStmt.valuesLists:
        yield "INSERT of a SELECT"
        return
    place = [column.name for column in node.cols].index(KEYS[table])
    keys = {_constant(row[place]) for row in node.selectStmt.valuesLists}
    if None in keys or len(keys) > 1:
        yield f"INSERT without one constant {KEYS[table]}"


def _problems_of_write(node: Any) -> Iterator[str]:
    if _functions(node) & _OF_SESSION:
        yield "a function of the session in a write"
    returned = getattr(node, "returningClause", None) or getattr(node, "returningList", None) or ()
    if _functions(returned) - _OURS:
        yield "a function in RETURNING"
    for one in _nodes(node):
        if isinstance(one, ast.ColumnRef) and getattr(one.fields[-1], "sval", "") == "ctid":
            yield "ctid"


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    parts: Iterable[Any] = ()
    if isinstance(node, tuple):
        parts = node
    elif isinstance(node, ast.Node):
        parts = [getattr(node, name) for name in node]
    for part in parts:
        if part is not None:
            yield from _nodes(part)


def _functions(node: Any) -> set[str]:
    return {one.funcname[-1].sval for one in _nodes(node) if isinstance(one, ast.FuncCall)}


def _named(node: Any) -> set[str]:
    return {one.relname for one in _nodes(node) if isinstance(one, ast.RangeVar)}


def _tables(items: Any) -> Iterator[str]:
    for item in items or ():
        if isinstance(item, ast.RangeVar):
            yield item.relname
        elif isinstance(item, ast.JoinExpr):
            yield from _tables([item.larg, item.rarg])


def _conditions_of_joins(items: Any) -> Iterator[Any]:
    for item in items or ():
        if isinstance(item, ast.JoinExpr):
            yield item.quals
            yield from _conditions_of_joins([item.larg, item.rarg])


def _constants(condition: Any) -> set[tuple[str, str]]:
    """Return the columns that a condition compares with a constant, and the constants."""
    if isinstance(condition, ast.BoolExpr) and condition.boolop == 0:
        return {pair for part in condition.args for pair in _constants(part)}
    if isinstance(condition, ast.A_Expr) and condition.kind == 0 and condition.name[0].sval == "=":
        column, value = condition.lexpr, _constant(condition.rexpr)
        if isinstance(column, ast.ColumnRef) and value is not None:
            return {(column.fields[-1].sval, value)}
    return set()


def _elements(condition: Any) -> set[tuple[str, str]]:
    """Return the columns that have to be one of several constants, and the constants."""
    if isinstance(condition, ast.BoolExpr) and condition.boolop == 0:
        return {pair for part in condition.args for pair in _elements(part)}
    if isinstance(condition, ast.A_Expr) and condition.kind == 1:
        column, array = condition.lexpr, condition.rexpr
        while isinstance(array, ast.TypeCast):
            array = array.arg
        if isinstance(column, ast.ColumnRef) and isinstance(array, ast.A_ArrayExpr):
            values = map(_constant, array.elements or ())
            return {(column.fields[-1].sval, value) for value in values if value is not None}
    return set()


def _constant(node: Any) -> str | None:
    while isinstance(node, (ast.TypeCast, ast.CollateClause)):
        node = node.arg
    if not isinstance(node, ast.A_Const):
        return None
    return str(getattr(node.val, "sval", node.val))


class Allowed(NamedTuple):
    """Statements that need not go to one server.

    Attributes
    ----------
    beginning : regular expression that matches the beginning of each of them, without its values.
    problems : what they may do.
    reason : why that is good.
    """

    beginning: str
    problems: set[str]
    reason: str


_RECORDS = {f"{table} without constant parent_id" for table in ("records", "timestamps")}
_PARENTS = {*_RECORDS, "departures without constant parent_id"}
_ACES = {"access_control_entries without constant object_id"}

ALLOWED = (
    Allowed(
        r"INSERT INTO timestamps \(parent_id, collection_id, last_modified\) SELECT ",
        {"INSERT of a SELECT"},
        "The row of a new collection is made once. Without the SELECT, it would wait for whoever"
        " updates the row, and PostgreSQL would not see this deadlock.",
    ),
    Allowed(
        r"INSERT INTO records \([a-z_, ]+, deleted, data\) SELECT",
        {"INSERT of a SELECT"},
        "Copies write hundreds of records of one collection at once.",
    ),
    Allowed(
        r"INSERT INTO records \([a-z_, ]+, last_modified, data\) SELECT parent_id, collection_id, ",
        {"INSERT of a SELECT"},
        "The parent of the record is that of the row of its collection, which is on the same"
        " server: Citus sends the statement there.",
    ),
    Allowed(
        r"INSERT INTO access_control_entries ",
        {"INSERT without one constant object_id"},
        "The records of a run of creations are new, and each gets one entry. Citus takes the rows"
        " of VALUES apart, and sends each to its server.",
    ),
    Allowed(
        r"WITH aces AS ",
        {"a write with tables of several servers"},
        "A record is replaced if nobody gets a permission by that. It is not sent to a distributed"
        " database.",
    ),
    Allowed(
        r"DELETE FROM (records|timestamps|departures|access_control_entries)$",
        {*_PARENTS, *_ACES},
        "A flush empties the table.",
    ),
)
"""The exceptions in statements of requests."""

BESIDE_REQUESTS = (
    Allowed(
        r"SELECT parent_id, collection_id FROM timestamps WHERE ",
        _PARENTS,
        "Which collections a pattern of parents means, and have something to trim or to purge. It"
        " is read before each of them is locked by itself.",
    ),
    Allowed(
        r"SELECT parent_id, last_modified FROM timestamps WHERE collection_id = ",
        _PARENTS,
        "The timestamps of a collection for all parents are asked for.",
    ),
    Allowed(
        r"SELECT parent_id, collection_id, last_modified, purged, epoch FROM timestamps WHERE"
        r" \(parent_id, collection_id[, a-z]*\) >=? ",
        _PARENTS,
        "An export goes through all collections,",
    ),
    Allowed(
        r"SELECT parent_id, collection_id, id, .* FROM (records|departures) WHERE"
        r" \(parent_id, collection_id[, a-z]*\) >=? ",
        _PARENTS,
        "and through many records at once.",
    ),
    Allowed(
        r"INSERT INTO access_control_entries \(object_id, permission, principal\) SELECT ",
        {"INSERT of a SELECT"},
        "An import stores hundreds of entries at once.",
    ),
    Allowed(
        r"SELECT parent_id, collection_id, id FROM records WHERE ",
        _PARENTS,
        "The oldest records of several collections, which are locked, are trimmed.",
    ),
    Allowed(
        r"SELECT parent_id, collection_id, last_modified, epoch FROM timestamps JOIN unnest",
        _PARENTS,
        "The feed asks for the collections that somebody waits for, at once.",
    ),
    Allowed(
        r"SELECT (?!.* parent_id = ).* FROM records WHERE"
        r" (TRUE|\(*parent_id (>=|<|LIKE) .*) AND collection_id = ",
        _PARENTS,
        "A list of a pattern of parents (B-21.19), which is not one snapshot on several servers.",
    ),
    Allowed(
        r"DELETE FROM timestamps WHERE last_modified < ",
        _PARENTS,
        "Collections that nobody uses are forgotten; the rows that are compared are on one server.",
    ),
    Allowed(
        r"SELECT pg_advisory_xact_lock\(locks\.key\) FROM unnest",
        {"a lock on the server that is asked"},
        "Several objects are locked at once. In a distributed database, each is by itself.",
    ),
    Allowed(
        r"DELETE FROM (user_principals|access_control_entries) WHERE ctid = ",
        {"ctid", *_ACES},
        "The entries of patterns, of many objects and of a principal are locked in one order. To a"
        " distributed database, a plain DELETE is sent.",
    ),
    Allowed(
        r"DELETE FROM access_control_entries WHERE (?!ctid)",
        _ACES,
        "This is that DELETE: Citus asks every server.",
    ),
    Allowed(
        r"SELECT pg_advisory_xact_lock\(\?\)$",
        {"a lock on the server that is asked"},
        "Migrations run on one server, the coordinator.",
    ),
    Allowed(
        r"CREATE INDEX timestamps_by_collection\b",
        {"an index (btree) of timestamps that does not begin with parent_id"},
        "Questions about all parents are asked of each server.",
    ),
    Allowed(
        r"CREATE INDEX access_control_entries_by_principal\b",
        {"an index (btree) of access_control_entries that does not begin with object_id"},
        "So is the question which objects a principal may access.",
    ),
    Allowed(
        r"CREATE INDEX (CONCURRENTLY )?(IF NOT EXISTS )?records_on_",
        {"an index (gin) of records that does not begin with parent_id"},
        "GIN has columns of arrays alone. Its entries are read together with an index of the"
        " parent, or of all parents on one server, and never of several servers.",
    ),
)
"""Those in statements over several parents or objects, which no ordinary request sends."""

OVER_SHARDS = (
    Allowed(
        r"SELECT (CASE WHEN current_setting\(.* THEN )?pg_advisory_xact_lock\(",
        {"a lock on the server that is asked"},
        "A reader asks whether somebody holds it, and both ask one server.",
    ),
    Allowed(
        r"SELECT last_modified, purged, epoch, CASE WHEN pg_is_in_recovery\(\) ",
        _PARENTS,
        "The counters of all shards are read in one statement, with their locks.",
    ),
    Allowed(
        r"INSERT INTO timestamps \(parent_id, collection_id, last_modified, epoch\) SELECT ",
        {"INSERT of a SELECT", *_PARENTS},
        "The rows of all shards are made together.",
    ),
    Allowed(
        r"INSERT INTO timestamps AS counter .* SELECT |DELETE FROM (records|departures) USING "
        r"|DELETE FROM timestamps WHERE collection_id = |UPDATE (records|departures) SET parent_id"
        r"|UPDATE timestamps SET live = \(SELECT ",
        {"INSERT of a SELECT", *_PARENTS},
        "`cliquet migrate` gives a collection another number of shards, while nobody writes.",
    ),
)
"""Those of collections with shards, which a distributed database does not have (E-23.7)."""

# Those before a statement, which are no part of it.
_COMMENTS = re.compile(r"^(\s*--[^\n]*\n)+\s*")
_LITERAL = re.compile(r"'(?:[^']|'')*'|\b\d+\b")


def shape_of(text: str) -> str:
    """Return a text without its values."""
    return _LITERAL.sub("?", _COMMENTS.sub("", text))


def unexplained_problems_of(
    text: str, allowed: tuple[Allowed, ...] = ALLOWED, *, over_shards: bool = False
) -> set[str]:
    """Return the problems of the statements of a text that no exception allows."""
    unexplained = set()
    for statement in split(text):
        shape = shape_of(statement)
        problems = problems_of(statement, over_shards=over_shards)
        for one in allowed:
            if problems and re.match(one.beginning, shape, re.DOTALL):
                problems -= one.problems
        unexplained |= problems
    return unexplained
