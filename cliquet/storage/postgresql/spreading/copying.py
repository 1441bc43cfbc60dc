"""Copies of a storage in PostgreSQL, which have no shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cliquet.storage.exceptions import BackendError
from cliquet.storage.postgresql.spreading.layout import Layout
from cliquet.storage.transfer import (
    CollectionTimestamp,
    ExportedCollection,
    ImportedCollection,
    StorageTransfer,
)

__all__ = ["WholeTransfer"]


class WholeTransfer(StorageTransfer):
    """Copies collections that have one counter each, and refuses databases with others.

    Another storage would take each shard for a collection, and so would commands, which know no
    resources.
    """

    is_transferable = True

    def __init__(self, transfer: StorageTransfer, layout: Layout) -> None:
        self._transfer = transfer
        self._layout = layout

    def export_timestamps(self, parent_ids: Sequence[str] = ()) -> Iterator[CollectionTimestamp]:
        # Commands that purge go through the shards one by one.
        return self._transfer.export_timestamps(parent_ids)

    def export(self, parent_ids: Sequence[str] = ()) -> Iterator[ExportedCollection]:
        self._refuse_shards()
        return self._transfer.export(parent_ids)

    def import_(self, collections: Sequence[ImportedCollection]) -> None:
        self._refuse_shards()
        self._transfer.import_(collections)

    def rewind(self, collection_id: str, parent_id: str, now: int) -> int | None:
        self._refuse_shards()
        return self._transfer.rewind(collection_id, parent_id, now)

    def forget_untouched(self, before: int) -> int:
        return self._transfer.forget_untouched(before)

    def _refuse_shards(self) -> None:
        """Make sure that no collection is spread.

        Raises
        ------
        BackendError : some are.
        """
        names = self._layout.spread_collections()
        if names:
            raise BackendError(
                message=f"Collections with shards cannot be copied or set back: {', '.join(names)}."
                " Set shards = 1 for their resources, stop the service, and run `cliquet migrate`."
            )
