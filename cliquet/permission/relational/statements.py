"""The statements of the permission backends, in the words that their databases share.

Every value is a bound parameter, lists included; the text of a statement depends on the number of
patterns at most (B-21.38). Knows nothing of connections.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cliquet.core.globs import Pattern, after_prefix, as_published, is_pattern, literals_of
from cliquet.types import BoundPermission

__all__ = [
    "ADD_ACE",
    "ADD_USER",
    "COLUMNS",
    "REMOVE_ACE",
    "REMOVE_USER",
    "SQL",
    "USER_PRINCIPALS",
    "Dialect",
]

COLUMNS = {
    "user_principals": ("user_id", "principal"),
    "access_control_entries": ("object_id", "permission", "principal"),
}
"""The columns of each table, which are its key (B-16.4)."""

ADD_USER = "INSERT INTO user_principals (user_id, principal) VALUES (%s, %s) ON CONFLICT DO NOTHING"
REMOVE_USER = "DELETE FROM user_principals WHERE user_id = %s AND principal = %s"
USER_PRINCIPALS = "SELECT principal FROM user_principals WHERE user_id IN (%s, %s)"
ADD_ACE = (
    "INSERT INTO access_control_entries (object_id, permission, principal) VALUES (%s, %s, %s)"
    " ON CONFLICT DO NOTHING"
)
REMOVE_ACE = (
    "DELETE FROM access_control_entries WHERE object_id = %s AND permission = %s AND principal = %s"
)

# SQLite accepts 500 terms in a union.
_MAX_PATTERNS = 200


class SQL(NamedTuple):
    """A statement, or a part of one, and the values of its placeholders."""

    text: str
    parameters: tuple[Any, ...]


@dataclass(frozen=True)
class Dialect:
    """What differs between two databases.

    Attributes
    ----------
    among : condition that the text before it is one of a list.
    list_of : makes the parameter of `among`.
    rows : makes a table of some name and columns out of rows of texts.
    like : operator that compares a whole text with a pattern, letter case included.
    run : what stands for any run of characters in such a pattern.
    escape : makes the characters of a text literal in such a pattern.
    """

    among: str
    list_of: Callable[[Iterable[str]], Any]
    rows: Callable[[str, Sequence[str], Sequence[Sequence[str]]], SQL]
    like: str
    run: str
    escape: Callable[[str], str]

    # Conditions

    def one_of(self, column: str, values: Iterable[str]) -> SQL:
        """Return the condition that a column has one of the values."""
        return SQL(f"{column} {self.among}", (self.list_of(values),))

    def matching(self, pattern: str) -> SQL:
        """Return the condition that an object id matches a pattern (B-15.12).

        The literal text that a pattern starts with is a range of the index.
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
        # Told apart by what they match: the text of two may be the same.
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
        """Return the statement that adds the rows that are not there yet."""
        columns = ", ".join(COLUMNS[table])
        rows = self.rows("given", COLUMNS[table], given)
        return SQL(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {rows.text}"
            # The condition tells the parser of SQLite that no join follows.
            " WHERE TRUE ON CONFLICT DO NOTHING",
            rows.parameters,
        )

    def page(self, table: str, last: Sequence[str] | None, size: int) -> SQL:
        """Return the query for the rows that follow one in the order of the key."""
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
        """Return whether one of the principals holds one of the bound permissions (B-16.5)."""
        bound = self._bound(granting)
        one_of = self.one_of("ace.principal", principals)
        return SQL(
            f"SELECT EXISTS (SELECT 1 {bound.text} AND {one_of.text})",
            (*bound.parameters, *one_of.parameters),
        )

    def authorized(self, granting: Sequence[BoundPermission]) -> SQL:
        """Return the principals who hold one of the bound permissions."""
        bound = self._bound(granting)
        return SQL(f"SELECT DISTINCT ace.principal {bound.text}", bound.parameters)

    def _bound(self, granting: Sequence[BoundPermission]) -> SQL:
        rows = self.rows("bound", ("object_id", "permission"), granting)
        return SQL(
            # The order of the join is that of the text in SQLite: the pairs first, then the index.
            f"FROM {rows.text} CROSS JOIN access_control_entries AS ace"
            " WHERE ace.object_id = bound.object_id AND ace.permission = bound.permission",
            rows.parameters,
        )

    def aces(self, condition: SQL, permissions: Iterable[str] | None) -> SQL:
        """Return the rows of objects, limited to some permissions."""
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
        """Return the queries for the object ids and permissions that principals hold."""
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
    ) -> tuple[SQL, SQL]:
        """Return what finds the objects on which principals hold one of some permissions.

        Parameters
        ----------
        prefix : what the object ids begin with; the rest, without slash, is the id of a record.

        Returns
        -------
        The query for these ids, and the condition that the id of a record is one of them.
        """
        is_held = self.one_of("permission", permissions)
        below = self.matching(Pattern.of(prefix, ""))
        by_principal = self.one_of("principal", principals)
        end = f"substr(object_id, {len(prefix) + 1})"
        query = SQL(
            f"SELECT DISTINCT {end} FROM access_control_entries WHERE {by_principal.text}"
            f" AND {is_held.text} AND {below.text} AND {end} = replace({end}, '/', '')",
            (*by_principal.parameters, *is_held.parameters, *below.parameters),
        )
        # One look into the key for each record, whatever the database believes of its tables.
        # PostgreSQL, where it has not counted the entries yet, would read all those of a principal
        # for each record: as a join, which it makes of IN and EXISTS, or in their index.
        of_record = self.one_of("principal || ''", principals)
        condition = SQL(
            "(records.id = replace(records.id, '/', '') AND ("
            "SELECT TRUE FROM access_control_entries WHERE object_id = %s || records.id"
            f" AND {is_held.text} AND {of_record.text} LIMIT 1))",
            (prefix, *is_held.parameters, *of_record.parameters),
        )
        return query, condition


def _union(queries: Sequence[SQL]) -> SQL:
    return SQL(
        " UNION ALL ".join(query.text for query in queries),
        tuple(parameter for query in queries for parameter in query.parameters),
    )
