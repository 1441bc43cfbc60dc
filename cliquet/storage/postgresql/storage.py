"""The storage in PostgreSQL, and its schema."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.connections.postgresql.replica import Replica
from cliquet.migrations.distribution import Place, distribute, has_citus
from cliquet.migrations.postgresql import PostgreSQLMigrations
from cliquet.migrations.schemas import Schema
from cliquet.storage.atomicity import Replaced, Seen, StaleReadError
from cliquet.storage.base import (
    DEFAULT_DELETED_FIELD,
    DEFAULT_ID_FIELD,
    DEFAULT_MODIFIED_FIELD,
)
from cliquet.storage.exceptions import BackendError
from cliquet.storage.postgresql.dialect import PostgreSQLDialect
from cliquet.storage.postgresql.indexes import PostgreSQLIndexes
from cliquet.storage.postgresql.lone_writes import LoneWriter
from cliquet.storage.postgresql.replica_choice import ChoosingReader
from cliquet.storage.postgresql.spreading.copying import WholeTransfer
from cliquet.storage.postgresql.spreading.layout import Layout
from cliquet.storage.postgresql.spreading.parts import spread
from cliquet.storage.postgresql.steps import PostgreSQLSteps
from cliquet.storage.postgresql.time_indexes import TimeIndexes
from cliquet.storage.relational.indexes import FieldIndexes
from cliquet.storage.relational.reading import Reader
from cliquet.storage.relational.storage import RelationalStorage
from cliquet.storage.selection import CollectionKey, Names, replacing_draft
from cliquet.types import ACEInsertion, Record

__all__ = ["Storage"]

PLACES = (
    Place("records", "parent_id"),
    Place("timestamps", "parent_id", beside="records"),
    Place("departures", "parent_id", beside="records"),
)


class Storage(RelationalStorage):
    """Storage in PostgreSQL.

    .. code-block:: ini

        cliquet.storage_backend = cliquet.storage.postgresql
        cliquet.storage_url = postgresql://user:password@localhost:5432/database

    The command ``cliquet migrate`` creates the schema. Timestamps come from the clock of the server
    (B-4.6).

    Parameters
    ----------
    client : lends connections; another storage may have the same client.
    is_readonly : whether the service never writes.
    replica : serves requests that only read, as far as it can.
    """

    makes_round_trips = True
    schema_version = 15
    client: PostgreSQLClient
    _migrations: PostgreSQLMigrations

    def __init__(
        self,
        client: PostgreSQLClient,
        *,
        is_readonly: bool = False,
        replica: Replica | None = None,
    ) -> None:
        dialect, steps = PostgreSQLDialect(), PostgreSQLSteps(client)
        super().__init__(
            client,
            dialect,
            steps,
            is_readonly=is_readonly,
            make_reader=Reader if replica is None else partial(ChoosingReader, replica=replica),
        )
        self._alone = LoneWriter(client, steps.known_epochs)
        self.replica = replica
        index_steps = PostgreSQLIndexes()
        self._time_indexes = TimeIndexes(client, index_steps)
        self._indexes = FieldIndexes(client, dialect, self._declared, index_steps)
        self._migrations = PostgreSQLMigrations(
            Schema(
                "storage",
                self.schema_version,
                Path(__file__).parent,
                landmark="records",
                creation=("schema.sql", "functions.sql"),
                recognition="recognition.sql",
            )
        )
        self._dialect = dialect
        self._layout = Layout(client, self._migrations)
        self._knows_shards = False
        # It is asked when it matters for the first time, and does not change often.
        self._is_distributed = cache(lambda: has_citus(client))
        self._transfer = WholeTransfer(self._transfer, self._layout)

    def initialize_schema(self, dry_run: bool = False) -> None:
        self._migrations.run(self.client, dry_run=dry_run)
        self._layout.update(dry_run=dry_run)
        if dry_run:
            self._update_indexes(dry_run=True)
        else:
            with self._migrations.alone(self.client):
                self._update_indexes(dry_run=False)

    def distribute(self, dry_run: bool = False) -> None:
        """Spread the tables over the servers of Citus, by the parent of the records (E-9.5).

        .. versionadded:: 3.2

        Raises
        ------
        BackendError : the database is not the coordinator of Citus, or refuses; or collections
            have shards.
        """
        self._layout.require_whole_collections()
        lock = self._migrations.lock
        distribute(self.client, PLACES, lock, with_functions=True, dry_run=dry_run)

    def _update_indexes(self, *, dry_run: bool) -> None:
        self._time_indexes.update(dry_run=dry_run)
        self._indexes.update(dry_run=dry_run)

    def declare_shards(self, collection_id: str, number: int) -> None:
        self._layout.declare(collection_id, number)
        if number > 1:
            self._know_shards()

    def differing_shards(self) -> list[str]:
        try:
            differing = self._layout.differing()
        except BackendError:
            # Nobody knows it yet, and collections may be spread. The first request finds out.
            self._know_shards()
            raise
        if differing:
            # The collections are refused, also those that the service does not want to spread.
            self._know_shards()
        return differing

    def _know_shards(self) -> None:
        """Let the parts know shards; a service without any has none of their work."""
        if self._knows_shards:
            return
        self._knows_shards = True
        parts = spread(
            self._made, self.client, self._dialect, self._layout, is_readonly=self.is_readonly
        )
        self._reader = parts.reader
        self._writer = parts.writer
        self._bulk = parts.bulk
        self._departures = parts.departures
        self._changes = parts.changes
        self._transactions = parts.transactions

    @property
    def locks_late(self) -> bool:
        return not self._knows_shards

    def create_alone(
        self,
        collection_id: str,
        parent_id: str,
        record: Record,
        aces: ACEInsertion | None = None,
        *,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        auth: str | None = None,
    ) -> Record:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        names = Names(id_field, modified_field, DEFAULT_DELETED_FIELD)
        self._require_alone()
        draft = replacing_draft(key, record[id_field], record, names)
        timestamp = self._alone.insert(draft, aces)
        if timestamp is None:
            # The row follows with the record, in the transaction of the request.
            return self._writer.put(draft._replace(is_new=True, has_random_id=True))
        return draft.completed(timestamp)

    def update_seen(
        self,
        collection_id: str,
        parent_id: str,
        object_id: str,
        record: Record,
        seen: Seen,
        *,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        auth: str | None = None,
    ) -> Replaced:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        names = Names(id_field, modified_field, DEFAULT_DELETED_FIELD)
        self._require_alone()
        # Citus would have to join tables of different servers.
        if seen.aces is not None and self._is_distributed():
            raise StaleReadError
        return self._alone.replaced(replacing_draft(key, object_id, record, names), seen)

    def _require_alone(self) -> None:
        if not self.locks_late or self.client.current() is not None:
            raise StaleReadError

    def watch_replica(self, tell: Callable[[str], None]) -> None:
        """Let a function know what becomes of each read that the replica could serve.

        .. versionadded:: 3.2
        """
        reader = self._made.reader
        if isinstance(reader, ChoosingReader):
            reader.tell = tell

    def lacks_tables(self) -> bool:
        return self._get_installed_version() is None

    def missing_indexes(self) -> list[str]:
        return self._indexes.missing() if self._declared else []

    def _get_installed_version(self) -> int | None:
        """Return the version of the schema in the database (B-24)."""
        with self.client.connect(readonly=True) as session:
            return self._migrations.installed_version(session)

    def _execute_sql_file(self, path: str) -> None:
        """Run a file of this folder, and commit (B-24.1)."""
        with self.client.connect(force_commit=True) as session:
            self._migrations.run_file(session, path)
