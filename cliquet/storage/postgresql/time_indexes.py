"""The indexes by which PostgreSQL lists the records of a collection in the order of time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.connections.sql import Session
from cliquet.monitoring import logs
from cliquet.storage.postgresql.indexes import PostgreSQLIndexes
from cliquet.storage.relational.text import SQL

__all__ = ["DEFINITIONS", "TimeIndexes"]

_KEY: Final = "(parent_id, collection_id, last_modified, id)"
# Each takes the place of one that had the same columns in descending order. There, each new record
# came before all others, so that PostgreSQL split pages in the middle, and left one half of each
# empty. What comes last fills them, and an index is read backwards at no cost.
DEFINITIONS: Final[Mapping[str, SQL]] = {
    "records_in_time": SQL(_KEY),
    "records_live_in_time": SQL(f"{_KEY} WHERE NOT deleted"),
}
"""The indexes by their names, as the SQL after ``ON records``."""

_FORMER: Final = ("records_by_time", "records_live_by_time")


class TimeIndexes:
    """Replaces the indexes of former releases, one after the other, while others read and write.

    Each step can be interrupted: as long as a new index is not complete, its former one is used.
    All releases work with either of them, so that the version of the schema stays the same.
    """

    def __init__(self, client: PostgreSQLClient, steps: PostgreSQLIndexes) -> None:
        self._client = client
        self._steps = steps

    def update(self, *, dry_run: bool) -> None:
        """Make the missing ones, drop the former ones, and log this.

        Parameters
        ----------
        dry_run : only log the steps, without doing them.
        """
        with self._client.connect(readonly=True) as session:
            existing = self._steps.existing(session, "records_")
            if not existing:
                # A dry run has no tables.
                return
            for (name, definition), former in zip(DEFINITIONS.items(), _FORMER, strict=True):
                is_valid = existing.get(name)
                if not is_valid:
                    logs.logger.info("index.replace", index=name, dry_run=dry_run)
                    if not dry_run:
                        self._make(session, name, definition, is_left=is_valid is False)
                if former in existing:
                    logs.logger.info("index.drop", index=former, dry_run=dry_run)
                    if not dry_run:
                        self._steps.drop(session, former)

    def _make(self, session: Session, name: str, definition: SQL, *, is_left: bool) -> None:
        if is_left:
            # An interrupted creation has left it.
            self._steps.drop(session, name)
        self._steps.create(session, name, definition)
