"""Tests of unique fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from cliquet.storage import StorageBase
from cliquet.storage.exceptions import UnicityError
from cliquet.testing.storage.common import HOME, OTHER_PARENT, clause, create, listed
from cliquet.types import Record

PHONE = ("phone",)


def create_unique(
    storage: StorageBase, unique_fields: Sequence[str] = PHONE, /, **fields: Any
) -> Record:
    """Store a record with values of `unique_fields` that no other record may have."""
    return storage.create(**HOME, record=fields, unique_fields=unique_fields)


class UnicityTests:
    """Tests of the rule that no two records have the same value of a unique field."""

    @clause("B-7.1", "B-7.3", "B-2.4")
    def test_a_value_taken_is_refused_with_the_field_and_the_record(
        self, storage: StorageBase
    ) -> None:
        existing = create_unique(storage, phone="1", name="Girolle")

        with pytest.raises(UnicityError) as caught:
            create_unique(storage, phone="1")

        assert caught.value.field == "phone"
        assert caught.value.record == existing
        assert "phone" in str(caught.value)
        assert listed(storage) == [existing["id"]]

    @clause("B-7.1", "B-22.26")
    def test_the_field_named_is_the_one_that_clashes(self, storage: StorageBase) -> None:
        fields = ("phone", "mail", "name")
        create_unique(storage, fields, phone="1", mail="a", name="x")
        second = create_unique(storage, fields, phone="2", mail="b", name="y")

        with pytest.raises(UnicityError) as caught:
            create_unique(storage, fields, phone="3", mail="b", name="z")

        assert caught.value.field == "mail"
        assert caught.value.record == second

    @clause("B-22.26", "B-7.4")
    def test_the_id_is_named_when_it_clashes(self, storage: StorageBase) -> None:
        existing = create_unique(storage, id="mine", phone="1")

        with pytest.raises(UnicityError) as caught:
            create_unique(storage, id="mine", phone="2")

        assert caught.value.field == "id"
        assert caught.value.record == existing

    @clause("B-7.4")
    @pytest.mark.parametrize("fields", [["phone"], ("phone",)])
    def test_any_sequence_names_the_fields(
        self, storage: StorageBase, fields: Sequence[str]
    ) -> None:
        create_unique(storage, fields, id="mine", phone="1")

        with pytest.raises(UnicityError):
            create_unique(storage, fields, id="other", phone="1")

    @clause("B-7.2")
    @pytest.mark.parametrize("fields", [{}, {"phone": None}])
    def test_null_and_missing_values_are_not_compared(
        self, storage: StorageBase, fields: dict[str, Any]
    ) -> None:
        first = create_unique(storage, **fields)
        second = create_unique(storage, **fields)
        create_unique(storage, id="other", phone="1")
        storage.update(**HOME, object_id=first["id"], record=fields, unique_fields=PHONE)
        storage.delete(**HOME, object_id="other")

        assert sorted(listed(storage)) == sorted([first["id"], second["id"]])

    @clause("B-7.2")
    @pytest.mark.parametrize("with_deleted", [True, False])
    def test_deleted_records_do_not_count(self, storage: StorageBase, with_deleted: bool) -> None:
        existing = create_unique(storage, phone="1")
        storage.delete(**HOME, object_id=existing["id"], with_deleted=with_deleted)

        record = create_unique(storage, phone="1")

        assert listed(storage) == [record["id"]]
        with pytest.raises(UnicityError) as caught:
            create_unique(storage, phone="1")
        assert caught.value.record == record

    @clause("B-7.2", "B-1.3")
    def test_other_parents_do_not_count(self, storage: StorageBase) -> None:
        storage.create(**OTHER_PARENT, record={"phone": "1"}, unique_fields=PHONE)

        assert create_unique(storage, phone="1")["phone"] == "1"

    @clause("B-7.2")
    def test_records_stored_without_the_option_count(self, storage: StorageBase) -> None:
        create(storage, phone="1", id="a")
        create(storage, phone="1", id="b")

        with pytest.raises(UnicityError) as caught:
            create_unique(storage, phone="1")

        assert caught.value.record["id"] in {"a", "b"}
        storage.delete(**HOME, object_id=caught.value.record["id"])
        with pytest.raises(UnicityError):
            create_unique(storage, phone="1")

    @clause("B-7.1")
    def test_a_value_given_up_is_free(self, storage: StorageBase) -> None:
        record = create_unique(storage, phone="1")
        storage.update(**HOME, object_id=record["id"], record={"phone": "2"})

        create_unique(storage, phone="1")

        with pytest.raises(UnicityError) as caught:
            create_unique(storage, phone="2")
        assert caught.value.record["id"] == record["id"]

    @clause("B-7.1", "B-7.3")
    def test_an_update_to_a_value_taken_is_refused(self, storage: StorageBase) -> None:
        existing = create_unique(storage, phone="1")
        record = create_unique(storage, phone="2")

        with pytest.raises(UnicityError) as caught:
            storage.update(
                **HOME, object_id=record["id"], record={"phone": "1"}, unique_fields=PHONE
            )

        assert caught.value.field == "phone"
        assert caught.value.record == existing
        assert storage.get(**HOME, object_id=record["id"]) == record

    @clause("B-5.10")
    def test_an_update_that_creates_is_checked(self, storage: StorageBase) -> None:
        create_unique(storage, phone="1")

        with pytest.raises(UnicityError):
            storage.update(**HOME, object_id="new", record={"phone": "1"}, unique_fields=PHONE)

        assert len(listed(storage)) == 1

    @clause("B-7.6", "B-5.10")
    def test_a_record_may_keep_its_value(self, storage: StorageBase) -> None:
        record = create_unique(storage, phone="1")

        updated = storage.update(
            **HOME, object_id=record["id"], record={"phone": "1", "n": 1}, unique_fields=PHONE
        )

        assert updated["n"] == 1

    @clause("B-7.5")
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (1, 1.0),
            ("é", "é"),
            ('it\'s "quoted" \\ : / %', 'it\'s "quoted" \\ : / %'),
            ([1, {"a": None}], [1, {"a": None}]),
            ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
            (False, False),
            ("", ""),
            (0, 0),
        ],
    )
    def test_equal_values_clash(self, storage: StorageBase, first: Any, second: Any) -> None:
        create_unique(storage, phone=first)

        with pytest.raises(UnicityError):
            create_unique(storage, phone=second)

    @clause("B-7.5")
    def test_values_of_other_types_do_not_clash(self, storage: StorageBase) -> None:
        for value in (1, "1", True, [1], {"a": 1}, "true", "A", "a", "a ", 0, False, ""):
            create_unique(storage, phone=value)

        assert storage.count_all(**HOME) == 12

    @clause("B-3.11", "B-7.3")
    def test_the_existing_record_has_the_names_of_the_call(self, storage: StorageBase) -> None:
        record = create_unique(storage, phone="1")

        with pytest.raises(UnicityError) as caught:
            storage.create(
                **HOME,
                record={"phone": "1"},
                unique_fields=PHONE,
                id_field="uid",
                modified_field="rev",
            )

        expected = {"uid": record["id"], "rev": record["last_modified"], "phone": "1"}
        assert caught.value.record == expected
