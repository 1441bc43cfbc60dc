"""Tests of one record: creation, reading, replacement."""

from __future__ import annotations

from typing import Any

import pytest

from cliquet.storage import StorageBase
from cliquet.storage.exceptions import RecordNotFoundError, UnicityError
from cliquet.testing.storage.common import (
    COLLECTION,
    HOME,
    OTHER_COLLECTION,
    OTHER_PARENT,
    clause,
    create,
    listed,
    timestamp,
    tombstones,
)

RENAMED: dict[str, Any] = {"id_field": "uid", "modified_field": "rev"}
UNKNOWN = "5f0e4f0c-7f0d-4f3b-9d5f-0c2f8b6d7e11"

VALUES = [
    None,
    True,
    False,
    0,
    -1,
    2**53 + 1,
    2**63 - 1,
    -(2**63),
    0.5,
    -1.25e-7,
    123456.789,
    "",
    "null",
    "0566199093",
    "Amanite tue-mouches, élégante",
    "\U0001f344 日本語",
    "quote ' \" back\\slash : / % _ * ? [",
    "line\nbreak\ttab",
    [],
    {},
    [1, "a", None, [True, {"b": []}]],
    {"person": {"age": 3, "tags": ["x", {"y": None}]}, "a.b": 1, "": 2},
]


class RecordTests:
    """Tests of the operations on one record."""

    @clause("B-3.8")
    def test_the_schema_can_be_made_twice(self, storage: StorageBase) -> None:
        record = create(storage, name="Girolle")

        storage.initialize_schema()
        storage.initialize_schema()

        assert storage.get(**HOME, object_id=record["id"]) == record

    @clause("B-5.1", "B-5.5")
    def test_a_created_record_is_read_back_as_it_was_returned(self, storage: StorageBase) -> None:
        record = create(storage, name="Girolle", spots=3)

        assert record["name"] == "Girolle"
        assert record["spots"] == 3
        assert record.keys() == {"id", "last_modified", "name", "spots"}
        assert storage.get(**HOME, object_id=record["id"]) == record

    @pytest.mark.parametrize("value", VALUES, ids=repr)
    @clause("B-1.7")
    def test_json_values_come_back_with_their_type(self, storage: StorageBase, value: Any) -> None:
        record = create(storage, value=value)

        read = storage.get(**HOME, object_id=record["id"])["value"]

        assert repr(read) == repr(value) or (read == value and type(read) is dict)

    @pytest.mark.parametrize("value", [b"bytes", {"deep": [b"bytes"]}, object(), {1, 2}, {1: 2}])
    @clause("B-1.8")
    def test_what_json_cannot_carry_is_refused_on_creation(
        self, storage: StorageBase, value: Any
    ) -> None:
        with pytest.raises(TypeError):
            create(storage, value=value)

        assert listed(storage) == []

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
    @clause("B-1.8")
    def test_numbers_that_json_lacks_are_refused(self, storage: StorageBase, value: Any) -> None:
        with pytest.raises(TypeError):
            create(storage, value=value)

        assert listed(storage) == []

    @clause("B-1.8")
    def test_what_json_cannot_carry_is_refused_on_update(self, storage: StorageBase) -> None:
        record = create(storage, value=1)
        before = timestamp(storage)

        with pytest.raises(TypeError):
            storage.update(**HOME, object_id=record["id"], record={"value": b"bytes"})

        assert storage.get(**HOME, object_id=record["id"]) == record
        assert timestamp(storage) == before

    @clause("B-5.2")
    def test_an_id_is_made_by_the_generator_given(self, storage: StorageBase) -> None:
        record = storage.create(**HOME, record={}, id_generator=lambda: "made-up")

        assert record["id"] == "made-up"

    @clause("B-3.2", "B-5.2")
    def test_an_id_is_made_by_the_default_generator(self, storage: StorageBase) -> None:
        first, second = create(storage), create(storage)

        assert first["id"] != second["id"]
        assert storage.id_generator.match(first["id"])  # type: ignore[attr-defined]

    @clause("B-5.2")
    def test_an_id_given_in_the_record_is_kept(self, storage: StorageBase) -> None:
        assert create(storage, id="mine")["id"] == "mine"

    @clause("B-5.3", "B-2.4")
    def test_creating_a_live_id_again_names_the_id_and_the_record(
        self, storage: StorageBase
    ) -> None:
        existing = create(storage, id="mine", name="Girolle")
        before = timestamp(storage)

        with pytest.raises(UnicityError) as caught:
            create(storage, id="mine", name="Cèpe")

        assert caught.value.field == "id"
        assert caught.value.record == existing
        assert timestamp(storage) == before

    @clause("B-5.3", "B-1.5")
    def test_a_tombstone_is_replaced_by_a_creation(self, storage: StorageBase) -> None:
        create(storage, id="mine")
        storage.delete(**HOME, object_id="mine")

        create(storage, id="mine")

        assert tombstones(storage) == []
        assert listed(storage, include_deleted=True) == ["mine"]

    @clause("B-5.6", "B-2.3")
    def test_reading_an_unknown_id_raises_with_the_id(self, storage: StorageBase) -> None:
        with pytest.raises(RecordNotFoundError) as caught:
            storage.get(**HOME, object_id=UNKNOWN)

        assert caught.value.args == (UNKNOWN,)

    @clause("B-5.6")
    def test_a_tombstone_is_not_read_as_a_record(self, storage: StorageBase) -> None:
        record = create(storage)
        storage.delete(**HOME, object_id=record["id"])

        with pytest.raises(RecordNotFoundError):
            storage.get(**HOME, object_id=record["id"])

    @clause("B-5.7", "B-5.9")
    def test_an_update_replaces_the_whole_record(self, storage: StorageBase) -> None:
        record = create(storage, name="Girolle", spots=3)

        updated = storage.update(**HOME, object_id=record["id"], record={"name": "Cèpe"})

        assert updated.keys() == {"id", "last_modified", "name"}
        assert updated["name"] == "Cèpe"
        assert updated["last_modified"] > record["last_modified"]
        assert storage.get(**HOME, object_id=record["id"]) == updated

    @clause("B-5.7")
    def test_an_update_of_an_unknown_id_creates_it(self, storage: StorageBase) -> None:
        updated = storage.update(**HOME, object_id=UNKNOWN, record={"name": "Cèpe"})

        assert updated["id"] == UNKNOWN
        assert storage.get(**HOME, object_id=UNKNOWN) == updated

    @clause("B-5.8")
    def test_the_id_given_as_argument_wins(self, storage: StorageBase) -> None:
        given = {"id": "another", "name": "Cèpe"}

        updated = storage.update(**HOME, object_id=UNKNOWN, record=given)

        assert updated["id"] == UNKNOWN
        assert given == {"id": "another", "name": "Cèpe"}
        assert listed(storage) == [UNKNOWN]

    @clause("B-5.11", "B-22.11", "B-1.5", "D-61")
    def test_an_update_revives_a_deleted_record(self, storage: StorageBase) -> None:
        record = create(storage)
        storage.delete(**HOME, object_id=record["id"])

        storage.update(**HOME, object_id=record["id"], record={"name": "Cèpe"})

        assert listed(storage, include_deleted=True) == [record["id"]]
        assert tombstones(storage) == []
        storage.delete(**HOME, object_id=record["id"])
        assert [tombstone["id"] for tombstone in tombstones(storage)] == [record["id"]]

    @clause("B-1.3")
    @pytest.mark.parametrize("elsewhere", [OTHER_PARENT, OTHER_COLLECTION])
    def test_collections_are_isolated(
        self, storage: StorageBase, elsewhere: dict[str, Any]
    ) -> None:
        record = create(storage, name="Girolle")

        with pytest.raises(RecordNotFoundError):
            storage.get(**elsewhere, object_id=record["id"])
        with pytest.raises(RecordNotFoundError):
            storage.delete(**elsewhere, object_id=record["id"])
        storage.update(**elsewhere, object_id=record["id"], record={"name": "Cèpe"})

        assert storage.get(**HOME, object_id=record["id"]) == record
        assert storage.get(**elsewhere, object_id=record["id"])["name"] == "Cèpe"

    @clause("B-1.2")
    @pytest.mark.parametrize(
        ("collection_id", "parent_id"), [("", ""), ("", "p"), ("c", ""), ("été", "日本:'%_/x")]
    )
    def test_any_text_names_a_collection(
        self, storage: StorageBase, collection_id: str, parent_id: str
    ) -> None:
        record = storage.create(collection_id, parent_id, {"name": "Girolle"})

        assert storage.get(collection_id, parent_id, record["id"]) == record
        assert storage.list_all(collection_id, parent_id) == [record]
        assert storage.count_all(collection_id, parent_id) == 1

    @clause("B-22.13")
    def test_names_with_dots_do_not_interfere(self, storage: StorageBase) -> None:
        storage.create("a", "b.c", {"id": "d"})
        storage.create("a", "b", {"id": "c.d"})
        storage.create("a.b", "c", {"id": "d"})

        assert [r["id"] for r in storage.list_all("a", "b.c")] == ["d"]
        assert [r["id"] for r in storage.list_all("a", "b")] == ["c.d"]
        assert [r["id"] for r in storage.list_all("a.b", "c")] == ["d"]

    @clause("P-35.15", "P-29.1", "B-0.5")
    def test_arguments_may_be_given_in_the_documented_order(self, storage: StorageBase) -> None:
        record = storage.create("c", "p", {"n": 1}, lambda: "made-up", ("n",), "uid", "rev", None)
        read = storage.get("c", "p", "made-up", "uid", "rev", None)
        updated = storage.update("c", "p", "made-up", {"n": 2}, ("n",), "uid", "rev", None)
        listed = storage.get_all("c", "p", [], [], [], 1, False, "uid", "rev", "gone", None)
        deleted = storage.delete("c", "p", "made-up", True, "uid", "rev", "gone", None, None)

        assert read == record
        assert listed == ([updated], 1)
        assert deleted == {"uid": "made-up", "rev": deleted["rev"], "gone": True}

    @clause("B-3.7")
    def test_every_method_takes_the_authorization_header(self, storage: StorageBase) -> None:
        auth = "Basic bWF0OjE="

        record = storage.create(**HOME, record={}, auth=auth)
        storage.get(**HOME, object_id=record["id"], auth=auth)
        storage.update(**HOME, object_id=record["id"], record={}, auth=auth)
        storage.get_all(**HOME, auth=auth)
        storage.list_all(**HOME, auth=auth)
        storage.count_all(**HOME, auth=auth)
        storage.collection_timestamp(**HOME, auth=auth)
        storage.delete(**HOME, object_id=record["id"], auth=auth)
        storage.delete_all(**HOME, auth=auth)
        storage.purge_deleted(**HOME, auth=auth)
        storage.flush(auth=auth)

        assert storage.count_all(**HOME, include_deleted=True, auth=auth) == 0

    @clause("B-3.11", "B-22.14")
    def test_fields_can_be_renamed_for_one_call(self, storage: StorageBase) -> None:
        created = storage.create(**HOME, record={"uid": "mine", "n": 1}, **RENAMED)
        updated = storage.update(**HOME, object_id="mine", record={"n": 2}, **RENAMED)

        assert created.keys() == updated.keys() == {"uid", "rev", "n"}
        assert storage.get(**HOME, object_id="mine", **RENAMED) == updated
        with pytest.raises(UnicityError) as caught:
            storage.create(**HOME, record={"uid": "mine"}, **RENAMED)
        assert caught.value.field == "uid"
        assert caught.value.record == updated
        read = storage.get(**HOME, object_id="mine")
        assert read == {"id": "mine", "last_modified": updated["rev"], "n": 2}

    @clause("B-3.11", "B-4.7")
    def test_a_renamed_timestamp_can_be_supplied(self, storage: StorageBase) -> None:
        future = timestamp(storage) + 100_000

        record = storage.create(**HOME, record={"rev": future}, **RENAMED)

        assert record["rev"] == future
        assert timestamp(storage) == future

    @clause("B-5.1", "B-5.8")
    def test_the_record_given_is_not_modified(self, storage: StorageBase) -> None:
        given: dict[str, Any] = {"tags": ["a"]}

        record = storage.create(**HOME, record=given)
        storage.update(**HOME, object_id=record["id"], record=given)

        assert given == {"tags": ["a"]}

    @clause("B-22.8", "B-9.4")
    def test_changing_what_was_given_or_returned_does_not_change_the_store(
        self, storage: StorageBase
    ) -> None:
        given: dict[str, Any] = {"deep": {"tags": ["a"]}}
        created = storage.create(**HOME, record=given)
        object_id = created["id"]
        updated = storage.update(**HOME, object_id=object_id, record=given)

        for value in (given, created, updated, storage.get(**HOME, object_id=object_id)):
            value["deep"]["tags"].append("b")
            value["added"] = True
        for value in (*storage.list_all(**HOME), *storage.get_all(**HOME)[0]):
            value["deep"]["tags"].append("b")
            value["id"] = "another"

        read = storage.get(**HOME, object_id=object_id)
        assert read["deep"] == {"tags": ["a"]}
        assert read.keys() == {"id", "last_modified", "deep"}

    @clause("B-22.8")
    def test_changing_a_record_returned_by_an_error_does_not_change_the_store(
        self, storage: StorageBase
    ) -> None:
        create(storage, id="mine", tags=["a"])
        with pytest.raises(UnicityError) as caught:
            create(storage, id="mine")

        caught.value.record["tags"].append("b")

        assert storage.get(**HOME, object_id="mine")["tags"] == ["a"]

    @clause("B-22.8")
    def test_deleting_does_not_change_a_record_read_before(self, storage: StorageBase) -> None:
        record = create(storage, name="Girolle")
        copy = dict(record)

        storage.delete(**HOME, object_id=record["id"])

        assert record == copy

    @clause("B-3.9")
    def test_flush_removes_everything_and_leaves_the_storage_usable(
        self, storage: StorageBase
    ) -> None:
        storage.create(**HOME, record={"last_modified": 9_000_000_000_000})
        storage.create(**OTHER_PARENT, record={})
        deleted = storage.create(**OTHER_COLLECTION, record={})
        storage.delete(**OTHER_COLLECTION, object_id=deleted["id"])
        storage.collection_timestamp(COLLECTION, "only read")

        storage.flush()

        assert storage.all_resources_timestamps(COLLECTION) == {}
        for place in (HOME, OTHER_PARENT, OTHER_COLLECTION):
            assert storage.get_all(**place, include_deleted=True) == ([], 0)
        assert timestamp(storage) < 9_000_000_000_000
        assert create(storage)["id"]
