"""The differences between databases in the text of the statements about permissions.

Every value is a bound parameter, lists included. The module knows nothing of connections.
"""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from cliquet.connections.sql import SQL
from cliquet.core.globs import after_prefix, is_pattern, literals_of
from cliquet.types import BoundPermission

__all__ = ["COLUMNS", "PermissionDialect"]

COLUMNS: Final = {
    "user_principals": ("user_id", "principal"),
    "access_control_entries": ("object_id", "permission", "principal"),
}
"""The columns of each table, which are also its key."""


class PermissionDialect(abc.ABC):
    """What one database writes in its own way, and conditions that are made of it."""

    among: str
    """Condition that the preceding expression is one of a list, which :meth:`list_of` makes."""

    among_query: str
    """Condition that the preceding expression is one of the results of a query.

    The query, for which ``{}`` stands, runs once and before anything else.
    """

    like: str
    """Operator that compares a whole text with a pattern; it distinguishes "a" and "A"."""

    run: str
    """Wildcard for any characters in such a pattern."""

    is_segment: str
    """Condition that a text has no slash, to be formatted with the text."""

    is_within_process: bool
    """Whether the rows of a query need not travel."""

    searches_each: bool
    """Whether a search for a few entries must name one principal at a time."""

    @abc.abstractmethod
    def list_of(self, texts: Iterable[str]) -> Any:
        """Return the parameter of :attr:`among`."""

    @abc.abstractmethod
    def rows(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> SQL:
        """Return a table with a name and columns that has these rows of texts."""

    @abc.abstractmethod
    def escape(self, text: str) -> str:
        """Return a text as a part of a pattern in which no character has a meaning."""

    @abc.abstractmethod
    def deletion(self, table: str, condition: SQL) -> SQL:
        """Return the statement that deletes rows; deletions of other rows must not wait for it."""

    def addition(self, aces: Sequence[tuple[str, str, str]]) -> SQL:
        """Return the statement that adds the ACEs that do not exist yet."""
        return self.insertion("access_control_entries", aces)

    def granting(self, bound_permissions: Sequence[BoundPermission]) -> SQL:
        """Return the ``FROM`` and ``WHERE`` for the entries ``ace`` of some bound permissions."""
        rows = self.rows("bound", ("object_id", "permission"), bound_permissions)
        return SQL(
            # SQLite joins in the order of the text: first the pairs, and then the index.
            f"FROM {rows.text} CROSS JOIN access_control_entries AS ace"
            " WHERE ace.object_id = bound.object_id AND ace.permission = bound.permission",
            rows.parameters,
        )

    # What is made of the above

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
