"""The part of the storage contract that prepares the place of the records: schema and indexes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cliquet.monitoring import logs

__all__ = ["StorageUpkeep"]


class StorageUpkeep:
    """The methods that commands call before a service runs."""

    def initialize_schema(self, dry_run: bool = False) -> None:
        """Create the schema of the backend; do nothing if it exists (B-3.8).

        Parameters
        ----------
        dry_run : only log the steps, without doing them.
        """
        raise NotImplementedError

    def run_migrations(
        self, name: str, steps: Sequence[Callable[[Any], None]], dry_run: bool = False
    ) -> None:
        """Run the migrations of a plugin that have not been run on this storage yet (B-21.30).

        See :func:`cliquet.initialization.migrations.add_migrations`. A storage that cannot record
        them runs none.

        .. versionadded:: 3.2

        Parameters
        ----------
        name : name of the plugin.
        steps : functions in their order, each of which is called with this storage. The changes of
            a failed one are undone.
        dry_run : only log the steps, without doing them.
        """
        logs.logger.info("migration.without_effect", migration=name)

    def declare_indexes(
        self,
        collection_id: str,
        fields: Sequence[str | tuple[str, ...]],
        *,
        gin_fields: Sequence[str] = (),
    ) -> None:
        """Declare the fields of a collection that clients use in filters and sorting (E-10.1).

        :meth:`initialize_schema` then creates the missing indexes. A backend without indexes
        ignores it.

        .. versionadded:: 3.2

        Parameters
        ----------
        fields : names, also dotted ones, including the unique fields; a tuple of names for an index
            on several fields.
        gin_fields : names of fields with arrays in which clients look for values.
        """

    def declare_shards(self, collection_id: str, number: int) -> None:
        """Declare over how many counters a collection is spread (E-23).

        :meth:`initialize_schema` then moves its records. A storage in which one write waits for
        the other anyway ignores it.

        .. versionadded:: 3.2

        Parameters
        ----------
        number : from 1 to 64.
        """

    def differing_shards(self) -> list[str]:
        """Return the declared collections that the server has spread over another number.

        The storage refuses to read and to write them, until :meth:`initialize_schema` has moved
        their records.

        .. versionadded:: 3.2
        """
        return []

    def lacks_tables(self) -> bool:
        """Return whether :meth:`initialize_schema` has never run, and is needed (E-10.2).

        .. versionadded:: 3.2
        """
        return False

    def missing_indexes(self) -> list[str]:
        """Return the declared fields that have no index yet, as ``collection: field`` (E-10.2).

        .. versionadded:: 3.2
        """
        return []
