"""The part of the storage contract for queries that find ids in tables of another backend."""

from __future__ import annotations

from cliquet.types import IdQuery

__all__ = ["StorageSelecting"]


class StorageSelecting:
    """Says which queries for ids a storage can join; by default none, and ids are transferred."""

    def can_join(self, ids: IdQuery) -> bool:
        """Return whether `ids` may be the value of a filter ``IN`` on the id.

        This is about the filters of :meth:`get_all`, :meth:`list_all`, :meth:`count_all` and
        :meth:`delete_all`. A subclass that overrides one of them must override this method too, if
        it still supports such a value.

        .. versionadded:: 3.2

        Parameters
        ----------
        ids : query from ``accessible_ids()`` of a permission backend.
        """
        return False
