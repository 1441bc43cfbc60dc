"""The part of the storage contract for queries in the tables of a permission backend."""

from __future__ import annotations

from collections.abc import Callable

from cliquet.storage.exceptions import RecordNotFoundError
from cliquet.types import ACEQuery, IdQuery, Record

__all__ = ["StorageSelecting"]


class StorageSelecting:
    """Says which queries a storage can join; by default none, and the backends answer in turn."""

    get: Callable[..., Record]

    makes_round_trips: bool = False
    """Whether a statement less is worth more than some work, because the database is remote.

    .. versionadded:: 3.2
    """

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

    def can_join_aces(self, aces: ACEQuery, *, collection_id: str, parent_id: str) -> bool:
        """Return whether :meth:`find_with_aces` now reads a record and these ACEs at once.

        It does not while the present transaction has locked the collection.

        .. versionadded:: 3.2

        Parameters
        ----------
        aces : query from ``select_aces()`` of a permission backend.
        """
        return False

    def find_with_aces(
        self,
        collection_id: str,
        parent_id: str,
        object_id: str,
        aces: ACEQuery,
        *,
        id_field: str = "id",
        modified_field: str = "last_modified",
        auth: str | None = None,
    ) -> tuple[Record | None, dict[str, set[str]]]:
        """Return the record that :meth:`get` finds, or ``None``, and the ACEs of an object.

        The ACEs are also those of an object that has no record. They are never older than the
        record. A subclass that overrides :meth:`get` must override this method too, if it still
        reads both at once.

        .. versionadded:: 3.2

        Parameters
        ----------
        aces : query from ``select_aces()`` of a permission backend.
        """
        try:
            record = self.get(
                collection_id,
                parent_id,
                object_id,
                id_field=id_field,
                modified_field=modified_field,
                auth=auth,
            )
        except RecordNotFoundError:
            return None, aces.read()
        return record, aces.read()
