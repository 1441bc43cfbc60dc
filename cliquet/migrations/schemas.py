"""Schemas in SQL files, with a version, and the migrations from one version to the next (B-12.11).

The installed version is a row of the table ``metadata``: ``<name>_schema_version``. Rows
accumulate; the highest number counts (B-12.13).
"""

from __future__ import annotations

import abc
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cliquet.connections import scope
from cliquet.connections.sql import Session, SQLClient
from cliquet.monitoring import logs
from cliquet.storage.exceptions import BackendError

__all__ = ["Migrations", "Schema", "migration_path"]

# What psql knows as well: a file may be loaded by hand (B-12.18).
_INCLUSION = re.compile(r"^\\ir (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Schema:
    """The tables of one backend.

    Attributes
    ----------
    name : of the backend: ``storage``, ``permission`` or ``cache``.
    version : of ``creation``.
    folder : where the files are.
    landmark : a table of the schema, by which it is recognised.
    creation : names of the files that create everything at the present version.
    unversioned : version of tables that no row tells the version of.
    recognition : instead, where it is not always the same one: name of a file whose one statement
        tells the version from the columns, or NULL if the tables are another program's (B-12.13).
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

    Each step is committed by itself; several processes may try at once.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    @abc.abstractmethod
    def has_table(self, session: Session, name: str) -> bool:
        """Whether a table exists."""

    @abc.abstractmethod
    def run_file(self, session: Session, path: str) -> None:
        """Execute the statements of a file of the schema's folder."""

    @abc.abstractmethod
    def lock(self, session: Session) -> None:
        """Keep other processes from migrating until the transaction ends."""

    def installed_version(self, session: Session) -> int | None:
        """Return the version of the schema that is there, or ``None``."""
        return self.recorded_version(session)

    def recorded_version(self, session: Session, name: str | None = None) -> int | None:
        """Return the highest version that a row tells, or ``None``.

        Parameters
        ----------
        name : of what has the version; ``None`` for the schema.
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
        """Write down that a version is installed, unless a file has done it.

        Parameters
        ----------
        name : of what has the version; ``None`` for the schema.
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
        """Create the schema, or upgrade it version by version; others who try meanwhile wait."""
        while not self._advance(client):
            pass

    def _advance(self, client: SQLClient) -> bool:
        """Do one step, a transaction; return whether nothing remains to be done."""
        with client.begin() as session:
            self.lock(session)
            session.has_written = True
            # Not before the lock, when another process may be at work.
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
        """Check, before anything is made, what cannot be mended afterwards (B-12.12)."""

    def upgrade(self, session: Session, before: int) -> None:
        """Apply the migration from one version to the next.

        Raises
        ------
        AssertionError : another version is installed than the one it starts from (B-12.14).
        """
        found = self.installed_version(session)
        if found != before:
            # Published as such.
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
        """Run the migrations of a plugin that this database has not seen yet (B-21.30).

        Parameters
        ----------
        name : under which their versions are recorded, beside that of the schema.
        steps : in order; the first one leads to version 1. What each sends through `client` is one
            transaction, which ends with the record of its version.
        dry_run : only log what would be done.

        Raises
        ------
        BackendError : a step failed, which the message names; nothing that it did remains.
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
                # A storage whose transaction has only read may end it, to begin a new one.
                session.has_written = True
                with _named(name, version):
                    steps[version - 1]()
                self.record(session, version, name)
            logs.logger.info("migration.done", migration=name, version=version)

    def recorded_step(self, client: SQLClient, name: str) -> int:
        """Return how many migrations of a plugin this database has seen."""
        with client.connect(readonly=True) as session:
            return self.recorded_version(session, name) or 0


@contextmanager
def _named(name: str, version: int) -> Iterator[None]:
    """Have an error, of whatever kind, say which migration it comes from."""
    try:
        yield
    except Exception as error:
        logs.logger.exception("migration.failed", migration=name, version=version)
        message = f"Migration {version} of {name} failed: {type(error).__name__}: {error}"
        raise BackendError(error, message) from error
