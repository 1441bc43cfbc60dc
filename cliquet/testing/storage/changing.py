"""Tests of several replacements and deletions at once."""

from __future__ import annotations

from typing import Any

import pytest

from cliquet.storage import StorageBase
from cliquet.storage.exceptions import RecordNotFoundError
from cliquet.testing.storage.common import (
    HOME,
    OTHER_PARENT,
    clause,
    create_each,
    listed,
    revisions,
    timestamp,
    tombstones,
)

__all__ = ["SeveralChangesTests"]


class SeveralChangesTests:
    """Tests that ``update_many`` and ``delete_many`` do what single calls do for each record."""

    @clause("B-5.7", "B-5.11", "B-4.1", "B-4.4")
    @pytest.mark.parametrize("number", [0, 1, 4])
    @pytest.mark.parametrize("is_locked", [False, True])
    def test_several_replacements_at_once_are_replacements_one_after_the_other(
        self, storage: StorageBase, number: int, is_locked: bool
    ) -> None:
        kept, gone, *others = create_each(storage, "name", "abcd")
        storage.create(**OTHER_PARENT, record={"id": others[0]["id"], "name": "other"})
        tombstone = storage.delete(**HOME, object_id=gone["id"])
        ids = [others[1]["id"], gone["id"], "new", others[0]["id"]][:number]
        records: list[Any] = [{"id": one, "n": n, "t": [{"x": None}]} for n, one in enumerate(ids)]

        def operation() -> list[Any]:
            # What is known of the records under a lock must stay true.
            storage.find_many(**HOME, object_ids=[*ids, "nothing"])
            return storage.update_many(**HOME, records=records)

        updated = storage.atomic(operation, **HOME) if is_locked else operation()

        stamps = revisions(updated)
        assert stamps == sorted({*stamps})
        assert all(stamp > tombstone["last_modified"] for stamp in stamps)
        assert timestamp(storage) == max([tombstone["last_modified"], *stamps])
        for record, given in zip(updated, records, strict=True):
            assert record == {**given, "last_modified": record["last_modified"]}
            assert storage.get(**HOME, object_id=record["id"]) == record
        assert {*listed(storage)} == {kept["id"], *(one["id"] for one in others), *ids}
        assert storage.get_all(**HOME)[1] == len(listed(storage))
        other = storage.get(**OTHER_PARENT, object_id=others[0]["id"])
        assert other["name"] == "other"

    @clause("B-5.7")
    def test_several_replacements_at_once_may_concern_one_record_and_have_timestamps(
        self, storage: StorageBase
    ) -> None:
        records: list[Any] = [{"id": "a", "n": 1}, {"id": "b", "last_modified": 5}, {"id": "a"}]

        first, second, third = storage.update_many(**HOME, records=records)

        assert second["last_modified"] == 5
        assert third == {"id": "a", "last_modified": third["last_modified"]}
        assert third["last_modified"] > first["last_modified"]
        assert storage.find_many(**HOME, object_ids=["a"]) == [third]
        assert storage.get_all(**HOME)[1] == 2

    @clause("B-5.7")
    def test_several_replacements_at_once_begin_a_collection(self, storage: StorageBase) -> None:
        updated = storage.update_many(
            **HOME, records=[{"key": "a"}, {"key": "b"}], id_field="key", modified_field="at"
        )

        assert [record["key"] for record in updated] == ["a", "b"] == listed(storage)
        assert timestamp(storage) == updated[-1]["at"]

    @clause("B-5.12", "B-5.13", "B-4.1", "B-4.4")
    @pytest.mark.parametrize("number", [0, 1, 3])
    @pytest.mark.parametrize("is_locked", [False, True])
    def test_several_deletions_at_once_are_deletions_one_after_the_other(
        self, storage: StorageBase, number: int, is_locked: bool
    ) -> None:
        created = create_each(storage, "name", "abcd")
        storage.create(**OTHER_PARENT, record={"id": created[0]["id"]})
        ids = [created[n]["id"] for n in (2, 0, 3)][:number]

        def operation() -> list[Any]:
            storage.update(**HOME, object_id=created[1]["id"], record={"name": "e"})
            return storage.delete_many(**HOME, object_ids=ids)

        deleted = storage.atomic(operation, **HOME) if is_locked else operation()

        stamps = revisions(deleted)
        assert stamps == sorted({*stamps})
        assert deleted == tombstones(storage)
        assert [one["id"] for one in deleted] == ids
        assert timestamp(storage) == max([*revisions(storage.list_all(**HOME)), *stamps])
        assert storage.get_all(**HOME)[1] == 4 - number == len(listed(storage))
        assert storage.get_all(**OTHER_PARENT)[1] == 1

    @clause("B-5.12")
    def test_several_deletions_at_once_fail_for_an_absent_record(
        self, storage: StorageBase
    ) -> None:
        (record,) = create_each(storage, "name", "a")

        for ids in ([record["id"], "nothing"], ["nothing"]):
            with pytest.raises(RecordNotFoundError):
                storage.delete_many(**HOME, object_ids=ids)

    @clause("X-24")
    def test_several_changes_at_once_are_undone_with_their_operation(
        self, storage: StorageBase
    ) -> None:
        records = create_each(storage, "name", "abc")

        def operation() -> None:
            changed: list[Any] = [{"id": one["id"], "name": "x"} for one in records[:2]]
            storage.update_many(**HOME, records=changed)
            storage.delete_many(**HOME, object_ids=[records[2]["id"], records[0]["id"]])
            raise LookupError

        with pytest.raises(LookupError):
            storage.atomic(operation, **HOME)

        assert listed(storage, "name") == ["a", "b", "c"]
        assert tombstones(storage) == []
