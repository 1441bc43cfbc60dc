"""What the storages share whose writes wait for the end of the request."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import TypeVar

from cliquet.connections import own_transactions, scope
from cliquet.storage.atomicity import StorageAtomicity
from cliquet.storage.collection_key import CollectionKey

__all__ = ["JoiningStorage"]

T = TypeVar("T")
U = TypeVar("U")


class JoiningStorage(StorageAtomicity):
    """A storage that joins the transaction of the request.

    Where there is none, an operation has one of its own, which the other backends join as well.
    """

    @abc.abstractmethod
    def _is_in_transaction(self) -> bool:
        """Whether this thread is in a transaction of the storage, outside any request."""

    @abc.abstractmethod
    def _atomic(self, operation: Callable[[], T], key: CollectionKey) -> T:
        """Lock a collection in the transaction under way, and run an operation."""

    def atomic(self, operation: Callable[[], T], *, collection_id: str, parent_id: str) -> T:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        if scope.current() is None and not self._is_in_transaction():
            return own_transactions.run(lambda: self._atomic(operation, key))
        return self._atomic(operation, key)

    def with_effects(
        self,
        write: Callable[[], T],
        effects: Callable[[T | None], U],
        *,
        collection_id: str,
        parent_id: str,
    ) -> tuple[T, U]:
        def run() -> tuple[T, U]:
            written = write()
            return written, effects(written)

        if scope.current() is None:
            return self.atomic(run, collection_id=collection_id, parent_id=parent_id)
        return run()
