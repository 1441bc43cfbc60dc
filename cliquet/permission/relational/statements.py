"""The statements of the permission backends, in the SQL that both databases understand.

Every value is a bound parameter, lists included. The text of a statement only depends on the number
of patterns. The module knows nothing of connections.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cliquet.connections.sql import SQL
from cliquet.core.globs import Pattern, after_prefix, as_published, is_pattern, literals_of
from cliquet.types import BoundPermission

__all__ = [
    "ACES",
    "ADD_ACE",
    "ADD_USER",
    "COLUMNS",
    "REMOVE_ACE",
    "REMOVE_ACES",
    "REMOVE_USER",
    "SQL",
    "USER_PRINCIPALS",
    "PermissionDialect",
]

COLUMNS = {
    "user_principals": ("user_id", "principal"),
    "access_control_entries": ("object_id", "permission", "principal"),
}
"""The columns of each table, which are also its key."""

ADD_USER = "INSERT INTO user_principals (user_id, principal) VALUES (%s, %s) ON CONFLICT DO NOTHING"
REMOVE_USER = "DELETE FROM user_principals WHERE user_id = %s AND principal = %s"
USER_PRINCIPALS = "SELECT principal FROM user_principals WHERE user_id IN (%s, %s)"
ACES = "SELECT permission, principal FROM access_control_entries WHERE object_id = %s"
ADD_ACE = (
    "INSERT INTO access_control_entries (object_id, permission, principal) VALUES (%s, %s, %s)"
    " ON CONFLICT DO NOTHING"
)
REMOVE_ACES = "DELETE FROM access_control_entries WHERE object_id = %s"
REMOVE_ACE = (
    "DELETE FROM access_control_entries WHERE object_id = %s AND permission = %s AND principal = %s"
)

# SQLite accepts at most 500 terms in a union.
_MAX_PATTERNS = 200


class IdTexts(NamedTuple):
    """The SQL about some ids, for `cliquet.connections.selected_ids.SelectedIds`."""

    query: SQL
    search: Callable[[int], SQL]
    is_member: SQL
    is_found: SQL


@dataclass(frozen=True)
class PermissionDialect:
    """The differences between two databases.

    Attributes
    ----------
    among : condition that the preceding expression is one of a list.
    list_of : function that makes the parameter of `among`.
    rows : function that makes a table with a name and columns from rows of texts.
    like : operator that compares a whole text with a pattern, and distinguishes upper and lower
        case.
    run : wildcard for any characters in such a pattern.
    escape : function that makes a text literal in such a pattern.
    among_query : condition that the preceding expression is one of the results of a query, which
        runs once and before anything else.
    searches_each : whether a search for a few entries must name one principal at a time.
    """

    among: str
    list_of: Callable[[Iterable[str]], Any]
    rows: Callable[[str, Sequence[str], Sequence[Sequence[str]]], SQL]
    like: str
    run: str
    escape: Callable[[str], str]
    among_query: str
    searches_each: bool

    # Conditions

    def one_of(self, column: str, values: Iterable[str]) -> SQL:
        """Return the condition that a column has one of the values."""
        return SQL(f"{column} {self.among}", (self.list_of(values),))

    def matching(self, pattern: str) -> SQL:
        """Return the condition that an object id matches a pattern.

        The literal text at the beginning of a pattern becomes a range of the index.
        """
        if not is_pattern(pattern):
            return SQL("object_id = %s", (str(pattern),))
        first, *middle, last = literals_of(pattern)
        conditions = []
        parameters = []
        if first:
            conditions.append("object_id >= %s")
            parameters.append(first)
        end = after_prefix(first)
        if end is not None:
            conditions.append("object_id < %s")
            parameters.append(end)
        parts = [first, *filter(None, middle), last]
        if any(parts[1:]):
            conditions.append(f"object_id {self.like} %s")
            parameters.append(self.run.join(self.escape(part) for part in parts))
        return SQL(" AND ".join(conditions) or "TRUE", tuple(parameters))

    def selected(self, object_ids: Collection[str]) -> SQL:
        """Return the condition that an object id is one of these, or matches one of them."""
        texts = []
        parameters: list[Any] = []
        literal = sorted({str(one) for one in object_ids if not is_pattern(one)})
        if literal:
            texts.append(self.one_of("object_id", literal))
        # Patterns are distinguished by their literals, because two may have the same text.
        patterns = {literals_of(one): one for one in object_ids if is_pattern(one)}
        texts += [self.matching(patterns[literals]) for literals in sorted(patterns)]
        for text in texts:
            parameters += text.parameters
        return SQL(" OR ".join(f"({text.text})" for text in texts), tuple(parameters))

    def present(self, table: str, given: Sequence[Sequence[str]]) -> SQL:
        """Return the condition that a row is one of these."""
        columns = ", ".join(COLUMNS[table])
        rows = self.rows("given", COLUMNS[table], given)
        return SQL(f"({columns}) IN (SELECT {columns} FROM {rows.text})", rows.parameters)

    # Statements

    def insertion(self, table: str, given: Sequence[Sequence[str]]) -> SQL:
        """Return the statement that adds the rows that do not exist yet."""
        columns = ", ".join(COLUMNS[table])
        rows = self.rows("given", COLUMNS[table], given)
        return SQL(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {rows.text}"
            # The condition shows the parser of SQLite that no join follows.
            " WHERE TRUE ON CONFLICT DO NOTHING",
            rows.parameters,
        )

    def addition(self, aces: Sequence[tuple[str, str, str]]) -> SQL:
        """Return the statement that adds the ACEs of one object that do not exist yet."""
        return self.insertion("access_control_entries", aces)

    def removal(
        self, object_id: str, permissions: Iterable[str], kept: Mapping[str, Iterable[str]]
    ) -> SQL:
        """Return the statement that removes ACEs of some permissions of an object.

        Parameters
        ----------
        kept : principals by permission, which stay.
        """
        replaced = self.one_of("permission", permissions)
        text = f"{REMOVE_ACES} AND {replaced.text}"
        parameters: list[Any] = [object_id, *replaced.parameters]
        for name in sorted(kept):
            staying = self.one_of("principal", sorted(kept[name]))
            text += f" AND NOT (permission = %s AND {staying.text})"
            parameters += [name, *staying.parameters]
        return SQL(text, tuple(parameters))

    def page(self, table: str, last: Sequence[str] | None, size: int) -> SQL:
        """Return the query for the rows after one in the order of the key."""
        columns = ", ".join(COLUMNS[table])
        after = ""
        parameters: tuple[str, ...] = ()
        if last is not None:
            places = ", ".join(["%s"] * len(COLUMNS[table]))
            after, parameters = f" WHERE ({columns}) > ({places})", tuple(last)
        return SQL(
            f"SELECT {columns} FROM {table}{after} ORDER BY {columns} LIMIT %s",
            (*parameters, size),
        )

    def is_granted(self, granting: Sequence[BoundPermission], principals: Iterable[str]) -> SQL:
        """Return the query for whether a principal has one of the bound permissions."""
        bound = self._granting(granting)
        one_of = self.one_of("ace.principal", principals)
        return SQL(
            f"SELECT EXISTS (SELECT 1 {bound.text} AND {one_of.text})",
            (*bound.parameters, *one_of.parameters),
        )

    def authorized(self, granting: Sequence[BoundPermission]) -> SQL:
        """Return the query for the principals that have one of the bound permissions."""
        bound = self._granting(granting)
        return SQL(f"SELECT DISTINCT ace.principal {bound.text}", bound.parameters)

    def _granting(self, granting: Sequence[BoundPermission]) -> SQL:
        rows = self.rows("bound", ("object_id", "permission"), granting)
        return SQL(
            # SQLite joins in the order of the text: first the pairs, and then the index.
            f"FROM {rows.text} CROSS JOIN access_control_entries AS ace"
            " WHERE ace.object_id = bound.object_id AND ace.permission = bound.permission",
            rows.parameters,
        )

    def aces(self, condition: SQL, permissions: Iterable[str] | None) -> SQL:
        """Return the query for the rows of objects, limited to some permissions."""
        text = (
            "SELECT object_id, permission, principal FROM access_control_entries"
            f" WHERE {condition.text}"
        )
        if permissions is None:
            return SQL(text, condition.parameters)
        limit = self.one_of("permission", permissions)
        return SQL(f"{text} AND {limit.text}", (*condition.parameters, *limit.parameters))

    def accessible(
        self,
        principals: Iterable[str],
        bound_permissions: Iterable[BoundPermission] | None,
        *,
        with_children: bool,
    ) -> list[SQL]:
        """Return the queries for the object ids and permissions of principals."""
        held = self.one_of("principal", principals)
        text = f"SELECT object_id, permission FROM access_control_entries WHERE {held.text}"
        if bound_permissions is None:
            return [SQL(text, held.parameters)]
        queries = []
        wanted = {
            (literals_of(pattern), permission): pattern
            for given, permission in bound_permissions
            for pattern in (as_published(given),)
        }
        for (_, permission), pattern in sorted(wanted.items()):
            condition = self.matching(pattern)
            query = f"{text} AND permission = %s AND {condition.text}"
            parameters = (*held.parameters, permission, *condition.parameters)
            if not with_children:
                query += " AND length(object_id) - length(replace(object_id, '/', '')) <= %s"
                parameters += (pattern.count("/"),)
            queries.append(SQL(query, parameters))
        return [
            _union(queries[start : start + _MAX_PATTERNS])
            for start in range(0, len(queries), _MAX_PATTERNS)
        ]

    def ids_below(
        self, prefix: str, permissions: Iterable[str], principals: Iterable[str]
    ) -> IdTexts:
        """Return the SQL that finds the objects on which principals have one of some permissions.

        Parameters
        ----------
        prefix : beginning of the object ids; the rest, without a slash, is the id of a record.
        """
        permissions, principals = list(permissions), list(principals)
        is_held = self.one_of("permission", permissions)
        by_principal = self.one_of("principal", principals)
        below = self.matching(Pattern.of(prefix, ""))
        end = f"substr(object_id, {len(prefix) + 1})"
        whole = f"length({end}) <= length(replace({end}, '/', ''))"
        is_below = SQL(f"{below.text} AND {whole}", below.parameters)
        query = SQL(
            f"SELECT {end} AS id FROM access_control_entries WHERE {by_principal.text}"
            f" AND {is_held.text} AND {is_below.text}",
            (*by_principal.parameters, *is_held.parameters, *is_below.parameters),
        )

        def search(number: int) -> SQL:
            text, parameters = query
            if self.searches_each:
                # PostgreSQL reads the whole table if it expects to meet enough entries soon. It
                # goes through the index for one principal and one permission in its order.
                pairs = list(itertools.product(principals, permissions))
                held = self.rows("held", ("principal", "permission"), pairs)
                text = (
                    f"SELECT {end} AS id FROM {held.text} CROSS JOIN LATERAL"
                    " (SELECT object_id FROM access_control_entries AS ace"
                    " WHERE ace.principal = held.principal AND ace.permission = held.permission"
                    f" AND {is_below.text} ORDER BY object_id LIMIT %s) AS one"
                )
                parameters = (*held.parameters, *is_below.parameters, number)
            return SQL(
                f"SELECT id, count(*) OVER () FROM ({text} LIMIT %s) AS found",
                (*parameters, number),
            )

        # This forces one lookup in the key for each record, whatever the statistics of the database
        # are. As long as PostgreSQL has not counted the entries, it would read all those of a
        # principal for each record, as a join (into which it turns IN and EXISTS) or in their
        # index.
        of_record = self.one_of("principal || ''", principals)
        is_member = SQL(
            "(records.id = replace(records.id, '/', '') AND ("
            "SELECT TRUE FROM access_control_entries WHERE object_id = %s || records.id"
            f" AND {is_held.text} AND {of_record.text} LIMIT 1))",
            (prefix, *is_held.parameters, *of_record.parameters),
        )
        is_found = SQL(f"records.id {self.among_query.format(query.text)}", query.parameters)
        return IdTexts(query, search, is_member, is_found)


def _union(queries: Sequence[SQL]) -> SQL:
    return SQL(
        " UNION ALL ".join(query.text for query in queries),
        tuple(parameter for query in queries for parameter in query.parameters),
    )
