"""Schemas in SQL files, which have a version, and migrations from one version to the next.

The installed version is a row of the table ``metadata``: ``<name>_schema_version``. Old rows stay;
the highest number is the version.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cliquet.connections.sql import Session, SQLClient
from cliquet.monitoring import logs
from cliquet.storage.exceptions import BackendError
from cliquet.transactions import scope

__all__ = ["Migrations", "Schema", "migration_path"]

# psql has the same command, so that a file may also be loaded by hand.
_INCLUSION = re.compile(r"^\\ir (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Schema:
    """The tables of one backend.

    Attributes
    ----------
    name : name of the backend: ``storage``, ``permission`` or ``cache``.
    version : version that the files in ``creation`` create.
    folder : folder of the files.
    landmark : a table of the schema; the schema exists if it exists.
    creation : names of the files that create everything at the present version.
    unversioned : version of existing tables if no row has their version.
    recognition : used instead, if that version is not always the same: name of a file with one
        statement, which finds the version from the columns, or gives NULL if the tables belong to
        another program (B-12.13).
    """

    name: str
    version: int
    folder: Path
    landmark: str
    creation: tuple[str, ...] = ("schema.sql",)
    unversioned: int | None = None
    recognition: str | None = None

    def read(self, path: str) -> str:
        """Return the statements of a file of the folder.

        A line ``\\ir other.sql`` is replaced by the other file, relative to the first.
        """
        file = self.folder / path

        def included(match: re.Match[str]) -> str:
            return self.read(str(file.parent / match[1]))

        return _INCLUSION.sub(included, file.read_text("utf-8"))


def migration_path(before: int, after: int) -> str:
    """Return the path of the migration between two versions (B-24.1)."""
    return f"migrations/migration_{before:03}_{after:03}.sql"


class Migrations(abc.ABC):
    """Creates or upgrades one schema.

    Each step is committed by itself. Several processes may try at the same time.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    @abc.abstractmethod
    def has_table(self, session: Session, name: str) -> bool:
        """Return whether a table exists."""

    @abc.abstractmethod
    def run_file(self, session: Session, path: str) -> None:
        """Execute the statements of a file in the folder of the schema."""

    @abc.abstractmethod
    def lock(self, session: Session) -> None:
        """Keep other processes from migrating until the transaction ends."""

    def installed_version(self, session: Session) -> int | None:
        """Return the version of the schema in the database, or ``None`` if there is none."""
        return self.recorded_version(session)

    def recorded_version(self, session: Session, name: str | None = None) -> int | None:
        """Return the highest version that a row contains, or ``None``.

        Parameters
        ----------
        name : name of the plugin; ``None`` for the schema itself.
        """
        if not self.has_table(session, "metadata"):
            return None
        row = session.execute(
            "SELECT max(CAST(value AS INTEGER)) FROM metadata WHERE name = %s",
            (f"{name or self.schema.name}_schema_version",),
        ).fetchone()
        version: int | None = row[0]
        return version

    def create(self, session: Session) -> None:
        """Create everything at the present version."""
        for path in self.schema.creation:
            self.run_file(session, path)
        self.record(session, self.schema.version)
        logs.logger.info("schema.created", schema=self.schema.name, version=self.schema.version)

    def record(self, session: Session, version: int, name: str | None = None) -> None:
        """Record that a version is installed, unless a file has done so.

        Parameters
        ----------
        name : name of the plugin; ``None`` for the schema itself.
        """
        if self.recorded_version(session, name) == version:
            return
        if not self.has_table(session, "metadata"):
            session.execute(
                "CREATE TABLE metadata (name VARCHAR(128) NOT NULL, value VARCHAR(512) NOT NULL)"
            )
        session.execute(
            "INSERT INTO metadata (name, value) VALUES (%s, %s)",
            (f"{name or self.schema.name}_schema_version", str(version)),
        )

    def bring_up(self, client: SQLClient) -> None:
        """Create the schema, or upgrade it version by version; other processes wait meanwhile."""
        while not self._advance(client):
            pass

    def _advance(self, client: SQLClient) -> bool:
        """Do one step in one transaction; return whether nothing remains to be done."""
        with client.begin() as session:
            self.lock(session)
            session.has_written = True
            # It is read after the lock, because another process may have been at work before.
            installed = self.installed_version(session)
            if installed is None:
                self.check_database(session)
                self.create(session)
                return True
            if installed < self.schema.version:
                self.upgrade(session, installed)
                installed += 1
            return installed >= self.schema.version

    def check_database(self, session: Session) -> None:  # noqa: B027 - there may be nothing to check
        """Check, before anything is created, properties that cannot be changed afterwards."""

    def upgrade(self, session: Session, before: int) -> None:
        """Apply the migration from one version to the next.

        Raises
        ------
        AssertionError : the installed version is not the one that the migration starts from.
        """
        found = self.installed_version(session)
        if found != before:
            # This type of error is published (B-12.14).
            raise AssertionError(
                f"{self.schema.name}: the migration starts from version {before},"
                f" and {found} is installed."
            )
        after = before + 1
        self.run_file(session, migration_path(before, after))
        self.record(session, after)
        logs.logger.info("schema.migrated", schema=self.schema.name, version=after)

    @scope.without_time_limits()
    def run_steps(
        self,
        client: SQLClient,
        name: str,
        steps: Sequence[Callable[[], None]],
        *,
        dry_run: bool = False,
    ) -> None:
        """Run the migrations of a plugin that have not been run on this database yet (B-21.30).

        Parameters
        ----------
        name : name under which the version is recorded, beside that of the schema.
        steps : migrations in their order; the first one leads to version 1. All statements that one
            sends through `client` are one transaction, which ends with the record of its version.
        dry_run : only log the steps, without doing them.

        Raises
        ------
        BackendError : a step failed. The message names it, and its changes are undone.
        """
        for version in range(self.recorded_step(client, name) + 1, len(steps) + 1):
            if dry_run:
                logs.logger.info("migration.to_run", migration=name, version=version)
                continue
            with client.begin() as session:
                self.lock(session)
                if (self.recorded_version(session, name) or 0) >= version:
                    # Another process was faster.
                    continue
                # A transaction that has only read may be ended, and replaced by a new one.
                session.has_written = True
                with _named(name, version):
                    steps[version - 1]()
                self.record(session, version, name)
            logs.logger.info("migration.done", migration=name, version=version)

    def recorded_step(self, client: SQLClient, name: str) -> int:
        """Return how many migrations of a plugin have been run on this database."""
        with client.connect(readonly=True) as session:
            return self.recorded_version(session, name) or 0


@contextmanager
def _named(name: str, version: int) -> Iterator[None]:
    """Add the name of the migration to any error of a block."""
    try:
        yield
    except Exception as error:
        logs.logger.exception("migration.failed", migration=name, version=version)
        message = f"Migration {version} of {name} failed: {type(error).__name__}: {error}"
        raise BackendError(error, message) from error
