"""Tests of a record that is read together with the ACEs of an object."""

from __future__ import annotations

import pytest

from cliquet.storage import StorageBase
from cliquet.testing.storage.common import (
    HOME,
    OTHER_COLLECTION,
    OTHER_PARENT,
    clause,
    create,
)
from cliquet.testing.storage.records import RENAMED, UNKNOWN


class _ACEs:
    """The ACEs of a backend of which the storage knows nothing."""

    def __init__(self, aces: dict[str, set[str]]) -> None:
        self._aces = aces

    def read(self) -> dict[str, set[str]]:
        return self._aces


class JointReadTests:
    """Tests of the reads for a permission backend."""

    @clause("B-5.6", "B-23.22")
    def test_a_record_is_found_with_the_aces_of_an_object(self, storage: StorageBase) -> None:
        record = create(storage, name="Girolle")
        aces = _ACEs({"read": {"alice"}})

        found = storage.find_with_aces(**HOME, object_id=record["id"], aces=aces)

        assert found == (record, {"read": {"alice"}})
        renamed, _ = storage.find_with_aces(
            **HOME, object_id=record["id"], aces=aces, **RENAMED, auth="Basic bWF0"
        )
        assert renamed == {"uid": record["id"], "rev": record["last_modified"], "name": "Girolle"}

    @clause("B-5.6", "B-23.22")
    @pytest.mark.parametrize("place", [HOME, OTHER_PARENT, OTHER_COLLECTION])
    def test_aces_are_found_where_there_is_no_record(
        self, storage: StorageBase, place: dict[str, str]
    ) -> None:
        record = create(storage)
        if place is HOME:
            storage.delete(**HOME, object_id=record["id"])

        for object_id in (record["id"], UNKNOWN, "", "a\0b"):
            found = storage.find_with_aces(**place, object_id=object_id, aces=_ACEs({"a": {"b"}}))
            assert found == (None, {"a": {"b"}})

    @clause("B-23.22")
    def test_aces_of_an_unknown_backend_are_not_joined(self, storage: StorageBase) -> None:
        assert not storage.can_join_aces(_ACEs({}), **HOME)
