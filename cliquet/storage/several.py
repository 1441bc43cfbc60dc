"""The published methods that read and write several records of a collection at once."""

from __future__ import annotations

from collections.abc import Sequence

from cliquet.storage.base import (
    DEFAULT_DELETED_FIELD,
    DEFAULT_ID_FIELD,
    DEFAULT_MODIFIED_FIELD,
)
from cliquet.storage.parts import ReadingMany, WritingMany
from cliquet.storage.published import PublishedStorage
from cliquet.storage.selection import CollectionKey, Names, new_draft, replacing_draft
from cliquet.types import IdGenerator, Record

__all__ = ["StorageOfSeveral"]


class StorageOfSeveral(PublishedStorage):
    """A storage for which several records cost less than each of them."""

    _reader: ReadingMany
    _writer: WritingMany

    def find_many(
        self,
        collection_id: str,
        parent_id: str,
        object_ids: Sequence[str],
        *,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        auth: str | None = None,
    ) -> list[Record]:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        names = Names(id_field, modified_field, DEFAULT_DELETED_FIELD)
        return self._reader.find_many(key, object_ids, names)

    def create_many(
        self,
        collection_id: str,
        parent_id: str,
        records: Sequence[Record],
        *,
        id_generator: IdGenerator | None = None,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        auth: str | None = None,
    ) -> list[Record]:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        generator = id_generator or self.id_generator
        names = Names(id_field, modified_field, DEFAULT_DELETED_FIELD)
        return self._writer.create_all(
            [new_draft(key, record, generator, names) for record in records]
        )

    def update_many(
        self,
        collection_id: str,
        parent_id: str,
        records: Sequence[Record],
        *,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        auth: str | None = None,
    ) -> list[Record]:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        names = Names(id_field, modified_field, DEFAULT_DELETED_FIELD)
        return self._writer.put_all(
            [replacing_draft(key, record[id_field], record, names) for record in records]
        )

    def delete_many(
        self,
        collection_id: str,
        parent_id: str,
        object_ids: Sequence[str],
        *,
        id_field: str = DEFAULT_ID_FIELD,
        modified_field: str = DEFAULT_MODIFIED_FIELD,
        deleted_field: str = DEFAULT_DELETED_FIELD,
        auth: str | None = None,
    ) -> list[Record]:
        key = CollectionKey(collection_id=collection_id, parent_id=parent_id)
        names = Names(id_field, modified_field, deleted_field)
        return self._writer.delete_each(key, object_ids, names)
