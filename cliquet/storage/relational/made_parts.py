"""The parts of a storage in SQL, as they were made."""

from __future__ import annotations

from typing import NamedTuple

from cliquet.storage.relational.all_changes import ChangeReader
from cliquet.storage.relational.bulk import BulkWriter
from cliquet.storage.relational.departures import Departures
from cliquet.storage.relational.reading import Reader
from cliquet.storage.relational.writing import Writer

__all__ = ["MadeParts"]


class MadeParts(NamedTuple):
    """The parts that work on single collections; others may stand in front of them."""

    reader: Reader
    writer: Writer
    bulk: BulkWriter
    departures: Departures
    changes: ChangeReader
