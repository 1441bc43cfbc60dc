"""Schemas in PostgreSQL: creation, checks of the database, migrations."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.connections.sql import Session
from cliquet.migrations.schemas import Migrations, migration_path
from cliquet.monitoring import logs
from cliquet.transactions import scope

__all__ = ["PostgreSQLMigrations"]

# Any number is good, as long as no other program uses it.
_ADVISORY_LOCK = 0x636C69717565
_ADVISORY_LOCK_ALONE = _ADVISORY_LOCK + 1

_TRY_LOCK = (
    # The lock is held as long as the other connection needs it.
    "SET LOCAL idle_in_transaction_session_timeout = 0; SELECT pg_try_advisory_xact_lock(%s)"
)
_LOCK_INTERVAL_SECONDS = 0.1

_ANOTHER_ROW = "SELECT 1 FROM metadata WHERE name NOT LIKE '%\\_schema\\_version' LIMIT 1"


class PostgreSQLMigrations(Migrations):
    """Creates or upgrades one schema in PostgreSQL."""

    @scope.without_time_limits()
    def run(self, client: PostgreSQLClient, *, dry_run: bool = False) -> None:
        """Bring the schema to its present version, whether or not it exists already.

        Parameters
        ----------
        dry_run : only log the steps, without doing them.

        Raises
        ------
        AssertionError : the database is not in UTF-8.
        BackendError : the server cannot be reached, or refuses.
        """
        if not dry_run:
            self.bring_up(client)
            return
        with client.connect(readonly=True) as session:
            self._announce(self.installed_version(session))

    @contextmanager
    def alone(self, client: PostgreSQLClient) -> Iterator[None]:
        """Keep other processes out of a block with statements that cannot be in a transaction.

        The block itself must not be in a transaction. A process that waits asks repeatedly, each
        time in a transaction of its own. The creation of an index waits until the transactions have
        ended in which a statement was running at some moment: one that waited for this process
        would keep it waiting for ever.
        """
        is_alone = False
        while not is_alone:
            with client.aside().begin() as session:
                is_alone = session.execute(_TRY_LOCK, (_ADVISORY_LOCK_ALONE,)).fetchone()[0]
                if is_alone:
                    yield
            if not is_alone:
                time.sleep(_LOCK_INTERVAL_SECONDS)
        # The next steps may not need that connection for a long time.
        client.aside().dispose()

    def _announce(self, installed: int | None) -> None:
        if installed is None:
            logs.logger.info(
                "schema.to_create", schema=self.schema.name, version=self.schema.version
            )
        for version in range(installed or self.schema.version, self.schema.version):
            path = migration_path(version, version + 1)
            logs.logger.info("schema.to_migrate", schema=self.schema.name, file=path)

    def installed_version(self, session: Session) -> int | None:
        """Return the version of the schema in the database; ``None`` if there is none (B-12.13)."""
        version = self.recorded_version(session)
        if version is not None or not self.has_table(session, self.schema.landmark):
            return version
        if self.schema.recognition is None:
            return self.schema.unversioned
        has_metadata = self.has_table(session, "metadata")
        # The rows of the other backends, which share the table, do not count.
        if has_metadata and session.execute(_ANOTHER_ROW).fetchone() is not None:
            # The tables are from the time before versions were recorded.
            return 1
        row = session.execute(self.schema.read(self.schema.recognition)).fetchone()
        recognised: int | None = row[0]
        if recognised is None or (recognised != self.schema.version and not has_metadata):
            # The table belongs to another program, and the creation of ours will fail.
            return None
        logs.logger.warning("schema.no_version", schema=self.schema.name, assumed=recognised)
        return recognised

    def check_database(self, session: Session) -> None:
        """Check properties of the database that cannot be changed afterwards.

        Raises
        ------
        AssertionError : the database is not in UTF-8.
        """
        encoding = session.execute(
            "SELECT pg_encoding_to_char(encoding) FROM pg_database"
            " WHERE datname = current_database()"
        ).fetchone()[0]
        if encoding.lower().replace("-", "") != "utf8":
            # This type of error is published (S-11.8).
            raise AssertionError(f"Unexpected database encoding {encoding}")
        timezone = session.execute("SELECT current_setting('TIMEZONE')").fetchone()[0]
        if timezone.upper() not in ("UTC", "ETC/UTC"):
            message = f"Database timezone is not UTC ({timezone})"
            warnings.warn(message, UserWarning, stacklevel=2)
            logs.logger.warning(message)

    def has_table(self, session: Session, name: str) -> bool:
        # `to_regclass` may still remember from before the wait that there is no such table.
        found = session.execute(
            "SELECT 1 FROM pg_catalog.pg_class WHERE relname = %s AND relkind IN ('r', 'p')"
            " AND pg_catalog.pg_table_is_visible(oid)",
            (name,),
        )
        return found.fetchone() is not None

    def run_file(self, session: Session, path: str) -> None:
        session.execute(self.schema.read(path))

    def lock(self, session: Session) -> None:
        session.execute("SELECT pg_advisory_xact_lock(%s)", (_ADVISORY_LOCK,))
