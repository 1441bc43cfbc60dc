"""Type aliases for all layers. The module knows nothing of the rest of the package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple, Protocol

# JSON values are recursive, but a recursive type would not help the checker.
JSONValue = Any

Record = dict[str, JSONValue]
"""A JSON object with the reserved members ``id`` and ``last_modified`` (B-1.1)."""

Settings = MutableMapping[str, Any]
"""The flat mapping of settings in the registry of Pyramid."""

ReadOnlySettings = Mapping[str, Any]

BoundPermission = tuple[str, str]
"""An object id and a permission."""

GetBoundPermissions = Callable[[str, str], Iterable[BoundPermission]]
"""A function that returns the bound permissions that grant another one (B-15.8)."""

IdGenerator = Callable[[], str]


class IdQuery(Protocol):
    """Ids of records that a permission backend can find, and has not read yet.

    They are the value of a filter ``IN`` on the id. A storage in the same database may find them
    itself, as a part of its query.
    """

    def first(self, number: int) -> list[str]:
        """Return that many of the ids.

        Raises
        ------
        BackendError : the server of the backend failed.
        """

    def __iter__(self) -> Iterator[str]:
        """Yield all the ids."""


class ACEQuery(Protocol):
    """The ACEs of one object, which a permission backend can find, and has not read yet.

    A storage in the same database may read them together with the record.
    """

    def read(self) -> dict[str, set[str]]:
        """Return the principals by permission.

        Raises
        ------
        BackendError : the server of the backend failed.
        """


class ACEInsertion(Protocol):
    """The ACEs of one new object, which a permission backend could store, and has not stored yet.

    A storage in the same database may store them together with the record.
    """

    @property
    def client(self) -> Any:
        """The client of the backend."""


class PoolStatus(NamedTuple):
    """The use of a pool of connections.

    Attributes
    ----------
    in_use : number of connections that are in use.
    size : number of connections that the pool keeps.
    """

    in_use: int
    size: int
