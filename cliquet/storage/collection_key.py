"""The names of collections, as they travel inside the storages.

The published methods take two texts. They make one of these values of them at once, by keyword:
nothing behind them sees two texts that might be swapped unnoticed. The type checker refuses a value
that is made of positions, and a pair of texts in the place of one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from cliquet.core.globs import is_pattern

__all__ = ["CollectionKey", "Scope"]


class _KeyNames(NamedTuple):
    parent_id: str
    collection_id: str


class CollectionKey(_KeyNames):
    """The name of one collection: its parent and its id.

    They are in the order of the tables' keys, in which collections are exported and locked.
    """

    __slots__ = ()

    def __new__(cls, *, collection_id: str, parent_id: str) -> CollectionKey:
        return tuple.__new__(cls, (parent_id, collection_id))

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]:
        # Copies and pickles are made by keyword as well.
        return (), self._asdict()


class _ScopeNames(NamedTuple):
    parent_id: str
    collection_id: str | None


class Scope(_ScopeNames):
    """One collection, or several: all those of the parents that match a pattern (B-21.19).

    Parameters
    ----------
    collection_id : ``None`` for every collection of the parents.
    parent_id : a name, or a :class:`~cliquet.core.globs.Pattern`.
    """

    __slots__ = ()

    def __new__(cls, *, collection_id: str | None, parent_id: str) -> Scope:
        return tuple.__new__(cls, (parent_id, collection_id))

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]:
        return (), self._asdict()

    @property
    def key(self) -> CollectionKey | None:
        """The one collection that it is, or ``None`` if it may be several."""
        if self.collection_id is None or is_pattern(self.parent_id):
            return None
        return CollectionKey(collection_id=self.collection_id, parent_id=self.parent_id)
