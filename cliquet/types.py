"""Type aliases shared by every layer. Knows nothing of the rest of the package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple, Protocol

# JSON values are recursive; the checker gains nothing from spelling that out in every signature.
JSONValue = Any

Record = dict[str, JSONValue]
"""A JSON object with the reserved members ``id`` and ``last_modified`` (B-1.1)."""

Settings = MutableMapping[str, Any]
"""The flat mapping of Pyramid's registry (S-1.1)."""

ReadOnlySettings = Mapping[str, Any]

BoundPermission = tuple[str, str]
"""An object id and a permission (B-15.1)."""

GetBoundPermissions = Callable[[str, str], Iterable[BoundPermission]]
"""The inheritance hook of permissions (B-15.8)."""

IdGenerator = Callable[[], str]


class IdQuery(Protocol):
    """Ids of records that a permission backend finds, and has not looked for yet.

    A storage of the same database may look for them itself, as part of a listing: they are the
    value of a filter ``IN`` on the id.
    """

    def first(self, number: int) -> list[str]:
        """Look for as many of them.

        Raises
        ------
        BackendError : the service of the backend failed.
        """

    def __iter__(self) -> Iterator[str]:
        """Look for them all."""


class PoolStatus(NamedTuple):
    """How full a pool of connections is.

    Attributes
    ----------
    in_use : connections that somebody uses at the moment.
    size : connections that the pool keeps for all.
    """

    in_use: int
    size: int
