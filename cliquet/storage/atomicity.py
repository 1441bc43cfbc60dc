"""The part of a storage's contract that is about operations of several calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["StorageAtomicity"]

T = TypeVar("T")
U = TypeVar("U")


class StorageAtomicity:
    """What is done together, and what belongs to it elsewhere."""

    joins_transactions: bool = True
    """Whether what is written within a request is committed, or undone, with the request.

    A storage of which that is not so overrides :meth:`atomic` and :meth:`with_effects`, so that
    what a write changes elsewhere, permissions above all, is kept if and only if the write is.

    .. versionadded:: 3.2
    """

    def atomic(self, operation: Callable[[], T], *, collection_id: str, parent_id: str) -> T:
        """Run `operation` as one storage transaction on a collection, and return its result.

        What `operation` reads of the collection stays true until what it writes is visible: nobody
        else writes the collection in between. A precondition, a merge or a choice between creation
        and replacement is judged in it (B-22.15, B-22.17, D-53 to D-56, X-24). When it raises,
        nothing that it wrote remains. Calls may be nested.

        It may be run several times. What it does in other backends of this library is undone with
        it, and kept once the storage has committed; it must have no other effect.

        A backend that does not override this method runs `operation` without any protection.

        Parameters
        ----------
        operation : calls the other methods of this storage on the same collection.

        Raises
        ------
        BackendError : the collection could not be locked in time; the error is retryable.
        """
        return operation()

    def with_effects(
        self,
        write: Callable[[], T],
        effects: Callable[[T | None], U],
        *,
        collection_id: str,
        parent_id: str,
    ) -> tuple[T, U]:
        """Run a write that needs no lock, and what it changes in other backends.

        The effects are kept if the write is, and not before it (X-30). Calls may be made within
        :meth:`atomic`.

        .. versionadded:: 3.2

        Parameters
        ----------
        write : makes one call of this storage.
        effects : called with what `write` returned; or, by a storage that does not join
            transactions, with ``None`` before it.

        Returns
        -------
        What both return.
        """
        written = write()
        return written, effects(written)
