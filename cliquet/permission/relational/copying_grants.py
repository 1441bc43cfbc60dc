"""Copies of permissions out of a database and into it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from cliquet.connections.sql import SQLClient
from cliquet.permission.grants import ACEPrincipal, Grant, UserPrincipal
from cliquet.permission.relational.dialect import PermissionDialect
from cliquet.permission.relational.queries import Queries
from cliquet.permission.relational.writing import ACEWriter

__all__ = ["GrantCopies"]

# Number of rows that an export reads at once.
_PAGE_SIZE = 500

_GRANTS: dict[str, type[Grant]] = {
    "user_principals": UserPrincipal,
    "access_control_entries": ACEPrincipal,
}


class GrantCopies:
    """Reads and writes all the rows of both tables.

    Parameters
    ----------
    client : lends connections.
    dialect : the differences between databases.
    writer : begins the transactions that write.
    """

    def __init__(self, client: SQLClient, dialect: PermissionDialect, writer: ACEWriter) -> None:
        self._client = client
        self._dialect = dialect
        self._queries = Queries(dialect)
        self._writer = writer

    def export(self) -> Iterator[Grant]:
        """Yield every principal of every user, and then of every ACE."""
        yield from itertools.starmap(UserPrincipal, self._pages("user_principals"))
        yield from itertools.starmap(ACEPrincipal, self._pages("access_control_entries"))

    def import_(self, added: Sequence[Grant], removed: Sequence[Grant]) -> None:
        """Add and remove principals at once."""
        with self._writer.writing() as session:
            for table, grant_type in _GRANTS.items():
                new = [grant for grant in added if isinstance(grant, grant_type)]
                old = [grant for grant in removed if isinstance(grant, grant_type)]
                if new:
                    session.execute(*self._dialect.insertion(table, new))
                if old:
                    present = self._dialect.present(table, old)
                    session.defer(*self._dialect.deletion(table, present))

    def _pages(self, table: str) -> Iterator[Any]:
        """Yield all the rows of a table, with only one page in memory."""
        last = None
        while True:
            query = self._queries.page(table, last, _PAGE_SIZE)
            with self._client.autocommit() as session:
                rows = session.execute(*query).fetchall()
            yield from rows
            if len(rows) < _PAGE_SIZE:
                return
            last = rows[-1]
