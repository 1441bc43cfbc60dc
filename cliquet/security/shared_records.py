"""What a search for the shared records of a collection has found, and at which moment."""

from __future__ import annotations

from typing import NamedTuple

from cliquet.storage.selection import CollectionKey
from cliquet.types import IdQuery

__all__ = ["FoundAt", "SharedRecords"]


class FoundAt(NamedTuple):
    """The moment at which the shared records of a collection were found, or an earlier one.

    Attributes
    ----------
    key : the collection.
    timestamp : its timestamp then, in ms.
    """

    key: CollectionKey
    timestamp: int


class SharedRecords(NamedTuple):
    """The shared records of a collection, as one search has found them.

    Attributes
    ----------
    ids : of the records; ``None`` if there are so many that the list finds them by `query`.
    query : query that finds them in the database of the storage; ``None`` if there is none.
    """

    ids: tuple[str, ...] | None
    query: IdQuery | None = None

    def as_list(self) -> list[str]:
        """Return the ids, which the query may have to find now."""
        return list(self.query or () if self.ids is None else self.ids)
