"""The values inside the storages: collections, names, selections and records.

The published methods take two texts for a collection. They make a :class:`CollectionKey` or a
:class:`Scope` from them at once, by keyword, so that no code behind them can swap the two texts
unnoticed. The type checker refuses positional arguments, and a pair of texts instead of such a
value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from cliquet.core.globs import is_pattern
from cliquet.storage.generators import UUID4
from cliquet.storage.query import Filter, PaginationRule, Sort
from cliquet.storage.values import copy_object
from cliquet.types import IdGenerator, Record

__all__ = ["CollectionKey", "Draft", "Names", "Scope", "Selection", "new_draft"]


class _KeyNames(NamedTuple):
    parent_id: str
    collection_id: str


class CollectionKey(_KeyNames):
    """The name of one collection: its parent and its id.

    They have the order of the keys of the tables, in which collections are exported and locked.
    """

    __slots__ = ()

    def __new__(cls, *, collection_id: str, parent_id: str) -> CollectionKey:
        return tuple.__new__(cls, (parent_id, collection_id))

    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]:
        # Copies and pickles are made by keyword too.
        return (), self._asdict()


class _ScopeNames(NamedTuple):
    parent_id: str
    collection_id: str | None


class Scope(_ScopeNames):
    """One collection, or all those of the parents that match a pattern (B-21.19).

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
        """The only collection of the scope, or ``None`` if there may be several."""
        parent_id = self.parent_id
        if self.collection_id is None or (type(parent_id) is not str and is_pattern(parent_id)):
            return None
        return CollectionKey(collection_id=self.collection_id, parent_id=self.parent_id)


class Names(NamedTuple):
    """The names of the three reserved fields in one call."""

    id_field: str
    modified_field: str
    deleted_field: str


class Selection(NamedTuple):
    """The records that a list returns or a deletion deletes.

    Attributes
    ----------
    limit : greatest number of records; ``None`` or 0 for no limit.
    include_deleted : whether tombstones are included.
    """

    scope: Scope
    names: Names
    filters: Sequence[Filter] = ()
    sorting: Sequence[Sort] = ()
    pagination_rules: Sequence[PaginationRule] = ()
    limit: int | None = None
    include_deleted: bool = False
    as_text: bool = False


class Draft(NamedTuple):
    """A record that will be stored.

    Attributes
    ----------
    data : the record without its id and timestamp, in a copy that nobody else has.
    supplied : the timestamp that the caller wants, not yet checked; ``None`` to make one.
    unique_fields : fields whose values no other live record may have; they may include reserved
        ones.
    is_new : whether a live record with this id is an error.
    has_random_id : whether nobody else can have the id.
    """

    key: CollectionKey
    id: str
    data: dict[str, Any]
    supplied: Any
    unique_fields: Sequence[str]
    names: Names
    is_new: bool = False
    has_random_id: bool = False

    def completed(self, timestamp: int) -> Record:
        """Return the copy with its id and timestamp."""
        self.data[self.names.id_field] = self.id
        self.data[self.names.modified_field] = timestamp
        return self.data


def new_draft(
    key: CollectionKey,
    record: Record,
    generator: IdGenerator,
    names: Names,
    unique_fields: Sequence[str] = (),
) -> Draft:
    """Return what is to be stored for a new record.

    Raises
    ------
    TypeError : the record is no JSON object, or its id is not a text.
    """
    data = copy_object(record)
    object_id = data.pop(names.id_field, None)
    # No other record can have a random id, but it may have an id of another generator.
    is_random = object_id is None and type(generator) is UUID4
    if object_id is None:
        object_id = generator()
    if not isinstance(object_id, str):
        raise TypeError(f"The id of a record is a text, not {object_id!r}.")
    supplied = data.pop(names.modified_field, None)
    return Draft(
        key, object_id, data, supplied, unique_fields, names, is_new=True, has_random_id=is_random
    )


def replacing_draft(
    key: CollectionKey,
    object_id: str,
    record: Record,
    names: Names,
    unique_fields: Sequence[str] = (),
) -> Draft:
    """Return what is to be stored under an id, whether or not there is a record.

    Raises
    ------
    TypeError : the record is no JSON object.
    """
    data = copy_object(record)
    data.pop(names.id_field, None)
    supplied = data.pop(names.modified_field, None)
    return Draft(key, object_id, data, supplied, unique_fields, names)
