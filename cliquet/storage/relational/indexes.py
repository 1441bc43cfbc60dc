"""Indexes on the fields that schemas declare; ``initialize_schema`` creates and drops them."""

from __future__ import annotations

import abc
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from cliquet.connections.sql import Session, SQLClient
from cliquet.monitoring import logs
from cliquet.storage.relational import listing
from cliquet.storage.relational.declared import DeclaredIndexes
from cliquet.storage.relational.listing import SQL

__all__ = ["INDEX_PREFIX", "FieldIndexes"]

INDEX_PREFIX = "records_on_"


class FieldIndexes(abc.ABC):
    """Compares the indexes of a database with the declared ones.

    An index is recognised by its name, which is a digest of its definition. Indexes that no schema
    declares any more are dropped.

    Parameters
    ----------
    declared : declared indexes by collection id.
    """

    def __init__(
        self,
        client: SQLClient,
        dialect: listing.ListingDialect,
        declared: Mapping[str, DeclaredIndexes],
    ) -> None:
        self.client: Any = client
        self._dialect = dialect
        self._by_collection = declared

    @abc.abstractmethod
    def existing(self, session: Session) -> dict[str, bool]:
        """Return the names of the indexes on fields, with whether each can be used."""

    @abc.abstractmethod
    def create(self, session: Session, name: str, definition: SQL) -> None:
        """Create an index, without blocking writers if the database can do that."""

    @abc.abstractmethod
    def drop(self, session: Session, name: str) -> None:
        """Drop an index."""

    def missing(self) -> list[str]:
        """Return the declared fields without an index, as ``collection: field, field``."""
        with self.client.connect(readonly=True) as session:
            existing = self.existing(session)
        return [
            f"{collection_id}: {', '.join(fields)}"
            for name, collection_id, fields in self._declared()
            if not existing.get(name)
        ]

    def update(self, *, dry_run: bool) -> None:
        """Create the missing indexes, drop those that are not declared, and log this.

        Parameters
        ----------
        dry_run : only log the steps, without doing them.
        """
        declared = {name: (collection, fields) for name, collection, fields in self._declared()}
        with self.client.connect(readonly=True) as session:
            existing = self.existing(session)
            for name, is_valid in existing.items():
                # An interrupted creation leaves an index that is not valid.
                if name not in declared or not is_valid:
                    logs.logger.info("index.drop", index=name, dry_run=dry_run)
                    if not dry_run:
                        self.drop(session, name)
            for name, (collection_id, fields) in declared.items():
                if not existing.get(name):
                    logs.logger.info(
                        "index.create",
                        collection=collection_id,
                        field=", ".join(fields),
                        dry_run=dry_run,
                    )
                    if not dry_run:
                        self.create(
                            session, name, listing.index(self._dialect, collection_id, *fields)
                        )

    def create_all(self, session: Session) -> None:
        """Create all indexes in new tables."""
        for name, collection_id, fields in self._declared():
            self.create(session, name, listing.index(self._dialect, collection_id, *fields))

    def _declared(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        for collection_id in sorted(self._by_collection):
            declared = self._by_collection[collection_id]
            for fields in (*((field,) for field in sorted(declared.fields)), *declared.together):
                # The digest is that of the definition, so that another expression is another index.
                text = repr((*fields, *listing.index(self._dialect, collection_id, *fields)))
                digest = hashlib.sha256(text.encode()).hexdigest()[:32]
                yield f"{INDEX_PREFIX}{digest}", collection_id, fields
