"""The part of the storage contract for reads that take fewer round trips than single ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from cliquet.core.shortcuts import Shortcut
from cliquet.storage.exceptions import RecordNotFoundError
from cliquet.types import ACEQuery, IdQuery, Record

__all__ = ["StorageSelecting", "finds_at_once"]


class StorageSelecting:
    """Says what a storage reads at once; by default nothing, and the calls are made in turn."""

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

    def first_ids(
        self,
        ids: IdQuery,
        number: int,
        *,
        collection_id: str,
        parent_id: str,
        are_counted: bool = True,
    ) -> tuple[list[str], int | None]:
        """Return some ids of a query, and the timestamp of a collection at that moment (H-9.8).

        A subclass that overrides :meth:`collection_timestamp` must override this method too, if it
        still knows both at once.

        .. versionadded:: 3.2

        Parameters
        ----------
        ids : query for which :meth:`can_join` is true.
        number : how many ids.
        are_counted : whether a list of their records certainly follows, for which it matters
            whether there are many more.

        Returns
        -------
        The ids, and the timestamp in ms: ids that are found later differ only by changes with later
        timestamps. It is ``None`` if it is not known, or if the collection was never touched.
        """
        return ids.first(number), None

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

    def find_many(
        self,
        collection_id: str,
        parent_id: str,
        object_ids: Sequence[str],
        *,
        id_field: str = "id",
        modified_field: str = "last_modified",
        auth: str | None = None,
    ) -> list[Record]:
        """Return the records that :meth:`get` finds for some ids, in any order.

        Ids without a live record are left out. Callers use the method if :func:`finds_at_once` says
        that it does the same as ``get``.

        .. versionadded:: 3.2

        Parameters
        ----------
        object_ids : different ids.
        """
        found = []
        for object_id in object_ids:
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
                continue
            found.append(record)
        return found

    def look_ahead(
        self,
        collection_id: str,
        parent_id: str,
        object_ids: Sequence[str],
        aces: Mapping[str, Mapping[str, Iterable[str]]],
    ) -> None:
        """Read records that the present transaction will read next, each within :meth:`atomic`.

        This has no effect but on the number of round trips: by default it does nothing. A storage
        may do something if the transaction has locked the collection. What it has read counts until
        something of it changes.

        .. versionadded:: 3.2

        Parameters
        ----------
        object_ids : different ids, of objects that may have no record.
        aces : the ACEs of the objects, by id, which were read under the same lock.
        """


_FINDS = Shortcut("find_many", "get")


def finds_at_once(storage: object) -> bool:
    """Return whether ``find_many`` of a storage does the same as its ``get``.

    It may not, if an application has changed only the latter in a subclass, or has replaced it.
    """
    return _FINDS.is_open(storage)
