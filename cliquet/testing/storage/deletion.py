"""Tests of the deletion of one or many records, of tombstones and of purges."""

from __future__ import annotations

from typing import Any

import pytest

from cliquet.core.globs import Pattern
from cliquet.storage import StorageBase
from cliquet.storage.exceptions import RecordNotFoundError
from cliquet.storage.query import Sort
from cliquet.testing.storage.common import (
    COLLECTION,
    HOME,
    OTHER_COLLECTION,
    OTHER_PARENT,
    clause,
    create,
    create_each,
    listed,
    revisions,
    rule,
    timestamp,
    tombstones,
    where,
)
from cliquet.types import Record

RENAMED: dict[str, Any] = {"id_field": "uid", "modified_field": "rev", "deleted_field": "gone"}


def deleted(storage: StorageBase, number: int, /, **place: Any) -> list[Record]:
    """Create and delete records; return their tombstones, the oldest first."""
    home = place or HOME
    ids = [storage.create(**home, record={})["id"] for _ in range(number)]
    return [storage.delete(**home, object_id=object_id) for object_id in ids]


class DeletionTests:
    """Tests of deletions, and of the tombstones that they leave."""

    @clause("B-5.12", "B-1.4", "B-5.13")
    def test_a_deletion_returns_the_tombstone_that_it_leaves(self, storage: StorageBase) -> None:
        record = create(storage, name="Girolle")

        tombstone = storage.delete(**HOME, object_id=record["id"])

        assert tombstone == {
            "id": record["id"],
            "last_modified": timestamp(storage),
            "deleted": True,
        }
        assert tombstone["deleted"] is True
        assert tombstones(storage) == [tombstone]
        assert listed(storage) == []

    @clause("B-5.12", "B-2.3")
    def test_only_a_live_record_can_be_deleted(self, storage: StorageBase) -> None:
        record = create(storage)
        storage.delete(**HOME, object_id=record["id"])

        for object_id in (record["id"], "unknown"):
            with pytest.raises(RecordNotFoundError) as caught:
                storage.delete(**HOME, object_id=object_id)
            assert caught.value.args == (object_id,)

    @clause("B-5.13", "B-22.29")
    def test_nothing_remains_without_tombstone(self, storage: StorageBase) -> None:
        record = create(storage)

        result = storage.delete(**HOME, object_id=record["id"], with_deleted=False)

        assert result.keys() == {"id", "last_modified", "deleted"}
        assert listed(storage, include_deleted=True) == []

    @clause("B-5.14", "B-22.29")
    def test_deleting_twice_leaves_one_tombstone(self, storage: StorageBase) -> None:
        create(storage, id="mine")
        storage.delete(**HOME, object_id="mine")
        create(storage, id="mine")

        second = storage.delete(**HOME, object_id="mine")

        assert tombstones(storage) == [second]
        create(storage, id="mine")
        storage.delete(**HOME, object_id="mine", with_deleted=False)
        assert tombstones(storage) == []

    @clause("B-3.11", "B-22.14")
    def test_fields_of_tombstones_can_be_renamed(self, storage: StorageBase) -> None:
        first, second = create(storage), create(storage)

        one = storage.delete(**HOME, object_id=first["id"], **RENAMED)
        (other,) = storage.delete_all(**HOME, filters=where("uid", "EQ", second["id"]), **RENAMED)

        assert one == {"uid": first["id"], "rev": one["rev"], "gone": True}
        assert other == {"uid": second["id"], "rev": timestamp(storage), "gone": True}
        options: dict[str, Any] = {"id_field": "uid", "modified_field": "rev"}
        assert storage.purge_deleted(**HOME, before=other["rev"], **options) == 1
        assert listed(storage, include_deleted=True) == [second["id"]]

    @clause("B-5.16")
    def test_all_records_can_be_deleted(self, storage: StorageBase) -> None:
        records = create_each(storage, "n", range(3))
        storage.create(**OTHER_PARENT, record={})
        storage.create(**OTHER_COLLECTION, record={})

        result = storage.delete_all(**HOME)

        assert {t["id"] for t in result} == {record["id"] for record in records}
        assert all(t.keys() == {"id", "last_modified", "deleted"} for t in result)
        assert sorted(revisions(result)) == revisions(tombstones(storage))
        assert storage.count_all(**HOME) == 0
        assert storage.count_all(**OTHER_PARENT) == storage.count_all(**OTHER_COLLECTION) == 1

    @clause("B-5.16")
    def test_the_records_that_match_are_deleted(self, storage: StorageBase) -> None:
        records = create_each(storage, "n", range(5))

        result = storage.delete_all(**HOME, filters=where("n", "MIN", 3))

        assert {t["id"] for t in result} == {records[3]["id"], records[4]["id"]}
        assert listed(storage, "n") == [0, 1, 2]
        assert storage.delete_all(**HOME, filters=where("n", "EQ", 99)) == []

    @clause("B-5.16")
    def test_former_tombstones_are_not_touched(self, storage: StorageBase) -> None:
        (former,) = deleted(storage, 1)
        record = create(storage)

        result = storage.delete_all(**HOME)

        assert [t["id"] for t in result] == [record["id"]]
        assert tombstones(storage)[0] == former
        assert storage.delete_all(**HOME, filters=where("last_modified", "GT", 0)) == []

    @clause("B-5.17")
    def test_records_can_be_deleted_together_without_tombstones(self, storage: StorageBase) -> None:
        (former,) = deleted(storage, 1)
        create_each(storage, "n", range(3))

        result = storage.delete_all(**HOME, with_deleted=False)

        assert len(result) == 3
        assert tombstones(storage) == [former]

    @clause("B-5.18", "B-22.18")
    def test_every_deleted_record_is_returned(self, storage: StorageBase) -> None:
        records = create_each(storage, "n", range(300))

        result = storage.delete_all(**HOME)

        assert {t["id"] for t in result} == {record["id"] for record in records}

    @clause("B-21.23")
    def test_one_page_can_be_deleted(self, storage: StorageBase) -> None:
        create_each(storage, "n", [4, 0, 3, 1, 2, 5])

        result = storage.delete_all(
            **HOME,
            filters=where("n", "LT", 5),
            sorting=[Sort("n", 1)],
            pagination_rules=[rule(("n", "GT", 0))],
            limit=2,
        )

        assert len(result) == 2
        assert sorted(listed(storage, "n")) == [0, 3, 4, 5]

    @clause("B-21.19", "B-22.43")
    def test_records_of_several_parents_can_be_deleted(self, storage: StorageBase) -> None:
        for parent in ("a_1", "a_2", "ab1"):
            storage.create(COLLECTION, parent, {"id": "same"})

        result = storage.delete_all(COLLECTION, "a_*")

        assert [t["id"] for t in result] == ["same", "same"]
        assert storage.count_all(COLLECTION, Pattern("a*")) == 1
        assert storage.count_all(COLLECTION, "ab1") == 1
        assert storage.count_all(COLLECTION, "a_1", include_deleted=True) == 1

    @clause("B-21.19")
    @pytest.mark.parametrize(("parent_id", "left"), [("alice", 1), ("*", 0)])
    def test_records_of_all_collections_can_be_deleted(
        self, storage: StorageBase, parent_id: str, left: int
    ) -> None:
        for place in (HOME, OTHER_COLLECTION, OTHER_PARENT):
            storage.create(**place, record={})

        result = storage.delete_all(None, parent_id)

        assert len(result) == 3 - left
        assert storage.count_all(**HOME) == storage.count_all(**OTHER_COLLECTION) == 0
        assert storage.count_all(**OTHER_PARENT) == left

    @clause("B-5.19")
    def test_all_tombstones_can_be_purged(self, storage: StorageBase) -> None:
        record = create(storage)
        deleted(storage, 3)
        deleted(storage, 1, **OTHER_PARENT)

        assert storage.purge_deleted(**HOME) == 3
        assert storage.purge_deleted(**HOME) == 0

        assert listed(storage, include_deleted=True) == [record["id"]]
        assert storage.count_all(**OTHER_PARENT, include_deleted=True) == 1

    @clause("B-5.19")
    def test_old_tombstones_can_be_purged(self, storage: StorageBase) -> None:
        record = create(storage)
        first, second, third = deleted(storage, 3)

        purged = storage.purge_deleted(**HOME, before=second["last_modified"])

        assert purged == 1
        assert tombstones(storage) == [second, third]
        assert first["id"] not in listed(storage, include_deleted=True)
        assert listed(storage) == [record["id"]]

    @clause("B-21.24", "B-22.42")
    @pytest.mark.parametrize("retained", [0, 1, 2, 3, 9])
    def test_the_most_recent_tombstones_can_be_kept(
        self, storage: StorageBase, retained: int
    ) -> None:
        elsewhere = deleted(storage, 3, **OTHER_PARENT)
        record = create(storage)
        mine = deleted(storage, 3)

        purged = storage.purge_deleted(COLLECTION, "alice", max_retained=retained)

        kept = min(retained, 3)
        assert purged == 3 - kept
        assert tombstones(storage) == mine[3 - kept :]
        assert listed(storage) == [record["id"]]
        assert storage.count_all(**OTHER_PARENT, include_deleted=True) == len(elsewhere)

    @clause("B-21.24", "B-21.19", "B-22.42")
    def test_tombstones_are_retained_by_collection(self, storage: StorageBase) -> None:
        for place in (HOME, OTHER_PARENT, OTHER_COLLECTION):
            deleted(storage, 3, **place)

        assert storage.purge_deleted(None, "*", max_retained=2) == 3

        for place in (HOME, OTHER_PARENT, OTHER_COLLECTION):
            assert storage.count_all(**place, include_deleted=True) == 2

    @clause("B-21.19")
    @pytest.mark.parametrize(
        ("collection_id", "parent_id", "purged"),
        [(COLLECTION, "*", 2), (None, "alice", 2), (None, "*", 3), (COLLECTION, "b*", 1)],
    )
    def test_tombstones_of_several_collections_can_be_purged(
        self, storage: StorageBase, collection_id: str | None, parent_id: str, purged: int
    ) -> None:
        for place in (HOME, OTHER_PARENT, OTHER_COLLECTION):
            deleted(storage, 1, **place)

        assert storage.purge_deleted(collection_id, parent_id) == purged

        assert storage.purge_deleted(None, "*") == 3 - purged

    @clause("B-21.24")
    def test_the_two_ways_of_purging_exclude_each_other(self, storage: StorageBase) -> None:
        deleted(storage, 1)

        with pytest.raises(ValueError, match="max_retained"):
            storage.purge_deleted(**HOME, before=1, max_retained=1)

        assert len(tombstones(storage)) == 1

    @clause("B-21.25", "B-22.42")
    @pytest.mark.parametrize("filters", [None, []])
    def test_the_most_recent_records_can_be_kept(self, storage: StorageBase, filters: Any) -> None:
        records = create_each(storage, "n", range(5))
        storage.update(**HOME, object_id=records[0]["id"], record={"n": 0})
        storage.create(**OTHER_PARENT, record={"id": records[1]["id"]})
        former = deleted(storage, 2)

        trimmed = storage.trim_objects(**HOME, filters=filters, max_objects=2)

        assert trimmed == 3
        assert listed(storage, "n") == [4, 0]
        assert storage.count_all(**OTHER_PARENT) == 1
        assert tombstones(storage)[:2] == former

    @clause("B-21.25")
    def test_records_that_do_not_match_are_neither_trimmed_nor_counted(
        self, storage: StorageBase
    ) -> None:
        for n in range(6):
            create(storage, n=n, even=n % 2 == 0)

        trimmed = storage.trim_objects(**HOME, filters=where("even", "EQ", True), max_objects=1)

        assert trimmed == 2
        assert listed(storage, "n") == [1, 3, 4, 5]

    @clause("B-22.42")
    @pytest.mark.parametrize(("with_deleted", "left"), [(True, 2), (False, 0)])
    def test_trimming_leaves_tombstones_as_other_deletions_do(
        self, storage: StorageBase, with_deleted: bool, left: int
    ) -> None:
        records = create_each(storage, "n", range(3))

        storage.trim_objects(**HOME, filters=[], max_objects=1, with_deleted=with_deleted)

        trimmed = [record["id"] for record in records[:left]]
        assert [tombstone["id"] for tombstone in tombstones(storage)] == trimmed
        assert timestamp(storage) > records[-1]["last_modified"]
