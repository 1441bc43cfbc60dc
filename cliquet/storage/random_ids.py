"""Ids that nobody else can have, because the generator of the library has drawn them."""

from __future__ import annotations

from typing import Final

from cliquet.storage.generators import UUID4

__all__ = ["RANDOM", "Drawn"]


class Drawn:
    """Gives an id that :class:`~cliquet.storage.generators.UUID4` has made before.

    It is for those who need the id before the record is stored.
    """

    def __init__(self, object_id: str) -> None:
        self._object_id = object_id

    def __call__(self) -> str:
        """Return the id."""
        return self._object_id


RANDOM: Final = frozenset((UUID4, Drawn))
"""The types of generators that give ids which no other record can have."""
