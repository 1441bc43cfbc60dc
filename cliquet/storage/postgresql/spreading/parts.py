"""The parts of a storage in PostgreSQL that has collections with shards."""

from __future__ import annotations

from typing import NamedTuple

from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.storage.joining import JoinedTransactions
from cliquet.storage.postgresql.spreading.layout import Layout
from cliquet.storage.postgresql.spreading.reading import SpreadChangeReader, SpreadReader
from cliquet.storage.postgresql.spreading.table import SpreadTable
from cliquet.storage.postgresql.spreading.writing import (
    SpreadBulkWriter,
    SpreadDepartures,
    SpreadWriter,
)
from cliquet.storage.postgresql.steps import PostgreSQLSteps
from cliquet.storage.relational.dialect import ListingDialect
from cliquet.storage.relational.made_parts import MadeParts

__all__ = ["SpreadParts", "spread"]


class SpreadParts(NamedTuple):
    """The parts that stand in front of those that work on single collections."""

    reader: SpreadReader
    writer: SpreadWriter
    bulk: SpreadBulkWriter
    departures: SpreadDepartures
    changes: SpreadChangeReader
    transactions: JoinedTransactions


def spread(
    made: MadeParts,
    client: PostgreSQLClient,
    dialect: ListingDialect,
    layout: Layout,
    *,
    is_readonly: bool,
) -> SpreadParts:
    """Return parts that know shards, and use those of single collections for each of them."""
    steps = PostgreSQLSteps(client)
    table = SpreadTable(client, dialect, steps, layout)
    reader = SpreadReader(made.reader, table, steps, is_readonly=is_readonly)
    writer = SpreadWriter(client, made.writer, table)
    departures = SpreadDepartures(client, made.departures, dialect, made.reader, table)
    return SpreadParts(
        reader,
        writer,
        SpreadBulkWriter(client, made.bulk, made.reader, steps, table),
        departures,
        SpreadChangeReader(made.changes, reader, departures, table),
        JoinedTransactions(lambda: client.current() is not None, writer.run_locked),
    )
