"""The databases that the peers share: an empty one for each, on one server that is started here."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2

ROOT = Path(__file__).resolve().parents[2]

__all__ = ["Databases", "running_databases"]


class Databases:
    """Empty databases, one for each peer and backend.

    Parameters
    ----------
    server_url : of a PostgreSQL, or ``None`` when no peer needs one.
    folder : of the files of SQLite.
    counts_statements : whether the server has ``pg_stat_statements``.
    """

    def __init__(
        self, server_url: str | None, folder: Path, *, counts_statements: bool = False
    ) -> None:
        self._server_url = server_url
        self.counts_statements = counts_statements
        self._folder = folder

    def url(self, peer: str, backend: str) -> str:
        """Make an empty database, and return its URL; empty for the memory."""
        if backend == "memory":
            return ""
        if backend == "sqlite":
            for path in self._folder.glob(f"{peer}.db*"):
                path.unlink()
            return f"sqlite:///{self._folder}/{peer}.db"
        with self._connection("postgres") as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS peer_{peer} WITH (FORCE)")
            cursor.execute(f"CREATE DATABASE peer_{peer}")
        return f"{self._server_url}/peer_{peer}"

    def statements(self, peer: str) -> int:
        """Return how many statements a peer has had run on PostgreSQL so far."""
        with self._connection("postgres") as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s"
                " JOIN pg_database d ON d.oid = s.dbid WHERE datname = %s",
                (f"peer_{peer}",),
            )
            return int(cursor.fetchone()[0])

    def tidy(self, peer: str) -> None:
        """Do for the database of a peer on PostgreSQL what autovacuum does, which is off here.

        A table that was never analyzed is read by any of its indexes, and one record that is
        written again and again is found behind all its former versions.
        """
        with self._connection(f"peer_{peer}") as connection, connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")

    @contextlib.contextmanager
    def _connection(self, database: str) -> Iterator[psycopg2.extensions.connection]:
        with contextlib.closing(psycopg2.connect(f"{self._server_url}/{database}")) as connection:
            connection.autocommit = True
            yield connection


@contextlib.contextmanager
def running_databases(*, with_postgresql: bool) -> Iterator[Databases]:
    """Start what is needed, give the databases, and stop it."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="cliquet-bench-"))
        url, counts_statements = None, False
        if with_postgresql:
            # The server of the tests: it needs no configuration of the machine.
            sys.path.insert(0, str(ROOT / "tests"))
            from servers.postgresql import running_postgresql
            from servers.postgresql_binaries import default_bindir

            # A package of binaries without the extensions serves as well, and counts nothing.
            library = Path(default_bindir()).parent / "lib" / "pg_stat_statements.so"
            counts_statements = library.exists()
            options = (
                "shared_preload_libraries=pg_stat_statements",
                "pg_stat_statements.track=top",
                "pg_stat_statements.track_utility=off",
                "pg_stat_statements.max=10000",
            )
            server = stack.enter_context(
                running_postgresql(*(options if counts_statements else ()))
            )
            url = server.url
        databases = Databases(url, Path(folder), counts_statements=counts_statements)
        if counts_statements:
            with databases._connection("postgres") as connection, connection.cursor() as cursor:
                cursor.execute("CREATE EXTENSION pg_stat_statements")
        yield databases
