"""Indexes on the fields that schemas declare; ``initialize_schema`` creates and drops them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from cliquet.connections.sql import Session, SQLClient
from cliquet.monitoring import logs
from cliquet.storage.relational import listing
from cliquet.storage.relational.declared import DeclaredIndexes
from cliquet.storage.relational.listing import SQL

__all__ = ["INDEX_PREFIX", "FieldIndexes", "IndexSteps"]

INDEX_PREFIX = "records_on_"


class IndexSteps(Protocol):
    """What one database does with its indexes in its own way."""

    def existing(self, session: Session) -> dict[str, bool]:
        """Return the names of the indexes on fields, with whether each can be used."""

    def create(self, session: Session, name: str, definition: SQL) -> None:
        """Create an index, without blocking writers if the database can do that."""

    def drop(self, session: Session, name: str) -> None:
        """Drop an index."""


class FieldIndexes:
    """Compares the indexes of a database with the declared ones.

    An index is recognised by its name, which is a digest of its definition. Indexes that no schema
    declares any more are dropped.

    Parameters
    ----------
    client : lends connections.
    dialect : differences between databases in the definition of an index.
    declared : declared indexes by collection id.
    steps : what the database does in its own way.
    """

    def __init__(
        self,
        client: SQLClient,
        dialect: listing.ListingDialect,
        declared: Mapping[str, DeclaredIndexes],
        steps: IndexSteps,
    ) -> None:
        self._client = client
        self._dialect = dialect
        self._by_collection = declared
        self._steps = steps

    def missing(self) -> list[str]:
        """Return the declared fields without an index, as ``collection: field, field``."""
        with self._client.connect(readonly=True) as session:
            existing = self._steps.existing(session)
        return [
            f"{collection_id}: {', '.join(fields)}"
            for name, collection_id, fields, _ in self._declared()
            if not existing.get(name)
        ]

    def update(self, *, dry_run: bool) -> None:
        """Create the missing indexes, drop those that are not declared, and log this.

        Parameters
        ----------
        dry_run : only log the steps, without doing them.
        """
        declared = {
            name: (collection_id, fields, definition)
            for name, collection_id, fields, definition in self._declared()
        }
        with self._client.connect(readonly=True) as session:
            existing = self._steps.existing(session)
            for name, is_valid in existing.items():
                # An interrupted creation leaves an index that is not valid.
                if name not in declared or not is_valid:
                    logs.logger.info("index.drop", index=name, dry_run=dry_run)
                    if not dry_run:
                        self._steps.drop(session, name)
            for name, (collection_id, fields, definition) in declared.items():
                if not existing.get(name):
                    logs.logger.info(
                        "index.create",
                        collection=collection_id,
                        field=", ".join(fields),
                        dry_run=dry_run,
                    )
                    if not dry_run:
                        self._steps.create(session, name, definition)

    def create_all(self, session: Session) -> None:
        """Create all indexes in new tables."""
        for name, _, _, definition in self._declared():
            self._steps.create(session, name, definition)

    def _declared(self) -> Iterator[tuple[str, str, tuple[str, ...], SQL]]:
        """Yield the name, the collection, the fields and the definition of each index."""
        for collection_id in sorted(self._by_collection):
            declared = self._by_collection[collection_id]
            for fields in (*((field,) for field in sorted(declared.fields)), *declared.together):
                definition = listing.index(self._dialect, collection_id, *fields)
                yield _name_of((*fields, *definition)), collection_id, fields, definition
            for field in sorted(declared.gin):
                found = listing.array_index(self._dialect, collection_id, field)
                if found is not None:
                    yield _name_of((field, *found)), collection_id, (f"{field} (GIN)",), found


def _name_of(definition: tuple[Any, ...]) -> str:
    # The digest is that of the definition, so that another expression is another index.
    digest = hashlib.sha256(repr(definition).encode()).hexdigest()[:32]
    return f"{INDEX_PREFIX}{digest}"
