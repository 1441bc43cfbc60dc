"""The part of the contract of a storage that lets it look for ids in another backend's tables."""

from __future__ import annotations

from cliquet.types import IdQuery

__all__ = ["StorageSelecting"]


class StorageSelecting:
    """What a storage can join with its listings: by default nothing, and ids travel."""

    def can_join(self, ids: IdQuery) -> bool:
        """Return whether `ids` may be the value of a filter ``IN`` on the id.

        Of :meth:`get_all`, :meth:`list_all`, :meth:`count_all` and :meth:`delete_all`. A subclass
        that overrides one of them overrides this method too, if that is still so.

        .. versionadded:: 3.2

        Parameters
        ----------
        ids : from ``accessible_ids()`` of a permission backend.
        """
        return False
