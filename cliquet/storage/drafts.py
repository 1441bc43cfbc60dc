"""Makes what is to be stored of the arguments of ``create``."""

from __future__ import annotations

from collections.abc import Sequence

from cliquet.storage import generators
from cliquet.storage.selection import CollectionKey, Draft, Names
from cliquet.storage.values import copy_object
from cliquet.types import IdGenerator, Record

__all__ = ["new_draft"]


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
    is_random = object_id is None and type(generator) is generators.UUID4
    if object_id is None:
        object_id = generator()
    if not isinstance(object_id, str):
        raise TypeError(f"The id of a record is a text, not {object_id!r}.")
    supplied = data.pop(names.modified_field, None)
    return Draft(
        key, object_id, data, supplied, unique_fields, names, is_new=True, has_random_id=is_random
    )
