"""The statements of the permission backends, in the SQL that both databases understand.

Every value is a bound parameter, lists included. The text of a statement only depends on the number
of patterns. The module knows nothing of connections.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from cliquet.connections.sql import SQL
from cliquet.core.globs import Pattern, as_published, literals_of
from cliquet.permission.base import AUTHENTICATED
from cliquet.permission.relational.dialect import COLUMNS, PermissionDialect
from cliquet.types import BoundPermission

__all__ = [
    "ACES",
    "ADD_ACE",
    "ADD_USER",
    "REMOVE_ACE",
    "REMOVE_ACES",
    "REMOVE_USER",
    "USER_PRINCIPALS",
    "IdTexts",
    "Queries",
]

ADD_USER: Final = (
    "INSERT INTO user_principals (user_id, principal) VALUES (%s, %s) ON CONFLICT DO NOTHING"
)
REMOVE_USER: Final = "DELETE FROM user_principals WHERE user_id = %s AND principal = %s"
USER_PRINCIPALS: Final = "SELECT principal FROM user_principals WHERE user_id IN (%s, %s)"
ACES: Final = "SELECT permission, principal FROM access_control_entries WHERE object_id = %s"
ADD_ACE: Final = (
    "INSERT INTO access_control_entries (object_id, permission, principal) VALUES (%s, %s, %s)"
    " ON CONFLICT DO NOTHING"
)
REMOVE_ACES: Final = "DELETE FROM access_control_entries WHERE object_id = %s"
REMOVE_ACE: Final = (
    "DELETE FROM access_control_entries WHERE object_id = %s AND permission = %s AND principal = %s"
)

# SQLite accepts at most 500 terms in a union.
_MAX_PATTERNS: Final = 200


class IdTexts(NamedTuple):
    """The SQL about some ids, for `cliquet.connections.selected_ids.SelectedIds`."""

    query: SQL
    search: Callable[[int], SQL]
    is_member: SQL
    is_found: SQL


class Queries:
    """The statements about permissions.

    Parameters
    ----------
    dialect : the differences between databases.
    """

    def __init__(self, dialect: PermissionDialect) -> None:
        self._dialect = dialect

    def removal(
        self, object_id: str, permissions: Iterable[str], kept: Mapping[str, Iterable[str]]
    ) -> SQL:
        """Return the statement that removes ACEs of some permissions of an object.

        Parameters
        ----------
        kept : principals by permission, which stay.
        """
        replaced = self._dialect.one_of("permission", permissions)
        text = f"{REMOVE_ACES} AND {replaced.text}"
        parameters: list[Any] = [object_id, *replaced.parameters]
        for name in sorted(kept):
            staying = self._dialect.one_of("principal", sorted(kept[name]))
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
        bound = self._dialect.granting(granting)
        one_of = self._dialect.one_of("ace.principal", principals)
        return SQL(
            f"SELECT EXISTS (SELECT 1 {bound.text} AND {one_of.text})",
            (*bound.parameters, *one_of.parameters),
        )

    def authorized(self, granting: Sequence[BoundPermission]) -> SQL:
        """Return the query for the principals that have one of the bound permissions."""
        bound = self._dialect.granting(granting)
        return SQL(f"SELECT DISTINCT ace.principal {bound.text}", bound.parameters)

    def objects(self, condition: SQL) -> SQL:
        """Return the query for the ids of objects."""
        text = f"SELECT DISTINCT object_id FROM access_control_entries WHERE {condition.text}"
        return SQL(text, condition.parameters)

    def aces(self, condition: SQL, permissions: Iterable[str] | None) -> SQL:
        """Return the query for the rows of objects, limited to some permissions."""
        text = (
            "SELECT object_id, permission, principal FROM access_control_entries"
            f" WHERE {condition.text}"
        )
        if permissions is None:
            return SQL(text, condition.parameters)
        limit = self._dialect.one_of("permission", permissions)
        return SQL(f"{text} AND {limit.text}", (*condition.parameters, *limit.parameters))

    def accessible(
        self,
        principals: Iterable[str],
        bound_permissions: Iterable[BoundPermission] | None,
        *,
        with_children: bool,
    ) -> list[SQL]:
        """Return the queries for the object ids and permissions of principals."""
        held = self._dialect.one_of("principal", principals)
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
            condition = self._dialect.matching(pattern)
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

    def has_no_more(self, user_id: str, principals: Iterable[str]) -> SQL:
        """Return the condition that a user has none but these principals."""
        is_known = self._dialect.one_of("principal", principals)
        return SQL(
            f"NOT EXISTS ({USER_PRINCIPALS} AND NOT ({is_known.text}))",
            (user_id, AUTHENTICATED, *is_known.parameters),
        )

    def ids_below(
        self, prefix: str, permissions: Iterable[str], principals: Iterable[str]
    ) -> IdTexts:
        """Return the SQL that finds the objects on which principals have one of some permissions.

        Parameters
        ----------
        prefix : beginning of the object ids; the rest, without a slash, is the id of a record.
        """
        permissions, principals = list(permissions), list(principals)
        is_held = self._dialect.one_of("permission", permissions)
        by_principal = self._dialect.one_of("principal", principals)
        below = self._dialect.matching(Pattern.of(prefix, ""))
        end = f"substr(object_id, {len(prefix) + 1})"
        is_below = SQL(f"{below.text} AND {self._dialect.is_segment.format(end)}", below.parameters)
        query = SQL(
            f"SELECT {end} AS id FROM access_control_entries WHERE {by_principal.text}"
            f" AND {is_held.text} AND {is_below.text}",
            (*by_principal.parameters, *is_held.parameters, *is_below.parameters),
        )

        def search(number: int) -> SQL:
            text, parameters = query
            if self._dialect.searches_each:
                # PostgreSQL reads the whole table if it expects to meet enough entries soon. It
                # goes through the index for one principal and one permission in its order.
                pairs = list(itertools.product(principals, permissions))
                held = self._dialect.rows("held", ("principal", "permission"), pairs)
                text = (
                    f"SELECT {end} AS id FROM {held.text} CROSS JOIN LATERAL"
                    " (SELECT object_id FROM access_control_entries AS ace"
                    " WHERE ace.principal = held.principal AND ace.permission = held.permission"
                    f" AND {is_below.text} ORDER BY object_id LIMIT %s) AS one"
                )
                parameters = (*held.parameters, *is_below.parameters, number)
            return SQL(f"{text} LIMIT %s", (*parameters, number))

        # This forces one lookup in the key for each record, whatever the statistics of the database
        # are. As long as PostgreSQL has not counted the entries, it would read all those of a
        # principal for each record, as a join (into which it turns IN and EXISTS) or in their
        # index.
        of_record = self._dialect.one_of("principal || ''", principals)
        is_member = SQL(
            f"({self._dialect.is_segment.format('records.id')} AND ("
            "SELECT TRUE FROM access_control_entries WHERE object_id = %s || records.id"
            f" AND {is_held.text} AND {of_record.text} LIMIT 1))",
            (prefix, *is_held.parameters, *of_record.parameters),
        )
        is_found = SQL(
            f"records.id {self._dialect.among_query.format(query.text)}", query.parameters
        )
        return IdTexts(query, search, is_member, is_found)


def _union(queries: Sequence[SQL]) -> SQL:
    return SQL(
        " UNION ALL ".join(query.text for query in queries),
        tuple(parameter for query in queries for parameter in query.parameters),
    )
