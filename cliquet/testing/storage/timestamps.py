"""Tests of the timestamps of records and of collections."""

from __future__ import annotations

import time
from typing import Any

import pytest

from cliquet.storage import StorageBase
from cliquet.storage.exceptions import RecordNotFoundError, UnicityError
from cliquet.storage.timestamps import MAX_TIMESTAMP
from cliquet.testing.storage.common import (
    COLLECTION,
    HOME,
    OTHER_COLLECTION,
    OTHER_PARENT,
    clause,
    create,
    listed,
    revisions,
    timestamp,
    tombstones,
)

AHEAD_MS = 1_000_000


class TimestampTests:
    """Tests that timestamps are distinct, and that they grow."""

    @clause("B-4.1")
    def test_the_collection_timestamp_is_that_of_the_last_change(
        self, storage: StorageBase
    ) -> None:
        record = create(storage)
        assert timestamp(storage) == record["last_modified"]

        updated = storage.update(**HOME, object_id=record["id"], record={})
        assert timestamp(storage) == updated["last_modified"]

        deleted = storage.delete(**HOME, object_id=record["id"])
        assert timestamp(storage) == deleted["last_modified"]
        assert type(timestamp(storage)) is int

    @clause("B-4.2", "H-9.3")
    def test_an_untouched_collection_keeps_its_first_timestamp(self, storage: StorageBase) -> None:
        first = timestamp(storage)
        # After the pause, the clock would give another value.
        time.sleep(0.01)

        assert timestamp(storage) == first

    @clause("H-9.3")
    def test_reading_never_advances_the_timestamp(self, storage: StorageBase) -> None:
        record = create(storage)
        before = timestamp(storage)

        storage.get(**HOME, object_id=record["id"])
        storage.get_all(**HOME)
        storage.count_all(**HOME)
        with pytest.raises(RecordNotFoundError):
            storage.get(**HOME, object_id="unknown")
        with pytest.raises(RecordNotFoundError):
            storage.delete(**HOME, object_id="unknown")
        storage.delete_all(**OTHER_PARENT)

        assert timestamp(storage) == before

    @clause("B-4.3", "H-9.2")
    def test_the_first_change_is_later_than_the_first_access(self, storage: StorageBase) -> None:
        first = timestamp(storage)

        assert create(storage)["last_modified"] > first

    @clause("B-4.3", "B-4.5", "B-22.1", "H-9.2")
    def test_changes_in_a_row_have_increasing_timestamps(self, storage: StorageBase) -> None:
        records = [create(storage, n=n) for n in range(300)]

        stamps = revisions(records)
        assert stamps == sorted(set(stamps))
        assert timestamp(storage) == stamps[-1]

    @clause("B-4.3")
    def test_every_kind_of_change_advances_the_timestamp(self, storage: StorageBase) -> None:
        stamps = []
        for _ in range(10):
            record = create(storage)
            stamps.append(record["last_modified"])
            updated = storage.update(**HOME, object_id=record["id"], record={})
            stamps.append(updated["last_modified"])
            stamps.append(storage.delete(**HOME, object_id=record["id"])["last_modified"])

        assert stamps == sorted(set(stamps))

    @clause("B-1.3")
    def test_collections_have_their_own_timestamps(self, storage: StorageBase) -> None:
        create(storage, last_modified=timestamp(storage) + AHEAD_MS)

        assert storage.collection_timestamp(**OTHER_PARENT) < timestamp(storage)
        assert storage.collection_timestamp(**OTHER_COLLECTION) < timestamp(storage)

    @clause("B-4.7")
    @pytest.mark.parametrize("supplied", [12, 1_448_000_000_000, 9_000_000_000_000])
    def test_a_timestamp_supplied_to_an_untouched_collection_is_its_own(
        self, storage: StorageBase, supplied: int
    ) -> None:
        record = create(storage, last_modified=supplied)

        assert record["last_modified"] == supplied
        assert timestamp(storage) == supplied

    @clause("B-4.7", "H-9.1")
    def test_a_future_timestamp_becomes_the_collections(self, storage: StorageBase) -> None:
        future = timestamp(storage) + AHEAD_MS

        record = create(storage, last_modified=future)

        assert record["last_modified"] == future
        assert storage.get(**HOME, object_id=record["id"])["last_modified"] == future
        assert timestamp(storage) == future

    @clause("B-4.9", "B-4.4")
    def test_timestamps_go_on_from_a_future_one(self, storage: StorageBase) -> None:
        future = timestamp(storage) + AHEAD_MS
        create(storage, last_modified=future)

        assert revisions([create(storage), create(storage)]) == [future + 1, future + 2]

    @clause("B-4.9", "X-28")
    @pytest.mark.parametrize("supplied", [253402300799999, 2**52, MAX_TIMESTAMP - 20])
    def test_timestamps_go_on_from_any_that_there_is(
        self, storage: StorageBase, supplied: int
    ) -> None:
        create(storage, id="a", last_modified=supplied)

        stamps = [storage.update(**HOME, object_id="a", record={})["last_modified"]]
        stamps.append(storage.atomic(lambda: create(storage, id="b"), **HOME)["last_modified"])
        stamps.append(storage.delete(**HOME, object_id="a")["last_modified"])
        stamps += revisions([create(storage), create(storage)])
        stamps += sorted(revisions(storage.delete_all(**HOME)))

        assert stamps == list(range(supplied + 1, supplied + 9))
        assert timestamp(storage) == supplied + 8

    @clause("X-28", "X-19")
    @pytest.mark.parametrize("is_atomic", [False, True])
    @pytest.mark.parametrize("room", [0, 1])
    def test_after_the_last_timestamp_a_collection_goes_on_from_the_clock(
        self, storage: StorageBase, room: int, is_atomic: bool
    ) -> None:
        create(storage, id="a")
        before = timestamp(storage)
        create(storage, id="last", last_modified=MAX_TIMESTAMP - room)
        assert timestamp(storage) == MAX_TIMESTAMP - room

        def write() -> list[int]:
            stamps = [create(storage)["last_modified"]]
            stamps.append(storage.update(**HOME, object_id="a", record={})["last_modified"])
            stamps.append(storage.delete(**HOME, object_id="a")["last_modified"])
            stamps += sorted(revisions(storage.delete_all(**HOME)))
            return stamps

        stamps = storage.atomic(write, **HOME) if is_atomic else write()

        expected = [MAX_TIMESTAMP] * room
        assert stamps[:room] == expected
        assert before <= stamps[room]
        assert stamps[room:] == sorted(set(stamps[room:]))
        assert max(stamps[room:]) == timestamp(storage) < MAX_TIMESTAMP

    @clause("X-28", "B-4.12")
    def test_records_deleted_together_do_not_pass_the_last_timestamp(
        self, storage: StorageBase
    ) -> None:
        for n in range(5):
            create(storage, n=n)
        create(storage, last_modified=MAX_TIMESTAMP - 3)

        stamps = revisions(storage.delete_all(**HOME))

        assert len(set(stamps)) == 6
        assert max(stamps) <= MAX_TIMESTAMP
        assert create(storage)["last_modified"] <= MAX_TIMESTAMP

    @clause("X-28", "B-4.7")
    @pytest.mark.parametrize("supplied", [MAX_TIMESTAMP + 1, 2**62, 2**64, -1, -(2**62), -(2**64)])
    def test_a_timestamp_that_no_client_could_give_back_is_refused(
        self, storage: StorageBase, supplied: int
    ) -> None:
        before = create(storage, id="mine")

        with pytest.raises(ValueError, match="from 0 to 9007199254740991"):
            create(storage, last_modified=supplied)
        with pytest.raises(ValueError, match="from 0 to 9007199254740991"):
            storage.update(**HOME, object_id="mine", record={"last_modified": supplied})
        with pytest.raises(ValueError, match="from 0 to 9007199254740991"):
            storage.delete(**HOME, object_id="mine", last_modified=supplied)

        assert listed(storage, "last_modified") == [before["last_modified"]]
        assert timestamp(storage) == before["last_modified"]

    @clause("B-4.7", "X-19", "H-9.12")
    def test_a_past_timestamp_stays_on_the_record_and_advances_the_collection(
        self, storage: StorageBase
    ) -> None:
        before = create(storage)["last_modified"]

        record = create(storage, last_modified=before - 10)

        assert record["last_modified"] == before - 10
        assert storage.get(**HOME, object_id=record["id"]) == record
        assert timestamp(storage) > before

    @clause("X-19", "H-9.1")
    def test_a_past_timestamp_advances_a_collection_that_was_only_read(
        self, storage: StorageBase
    ) -> None:
        before = timestamp(storage)

        record = create(storage, last_modified=before - 10)

        assert record["last_modified"] == before - 10
        assert timestamp(storage) > before

    @clause("B-4.7", "B-21.5")
    def test_a_timestamp_equal_to_the_collections_is_bumped(self, storage: StorageBase) -> None:
        before = create(storage)["last_modified"]

        record = create(storage, last_modified=before)

        assert record["last_modified"] > before
        assert timestamp(storage) == record["last_modified"]

    @clause("B-21.5")
    def test_an_update_with_the_record_as_read_is_bumped(self, storage: StorageBase) -> None:
        record = create(storage, name="Girolle")

        updated = storage.update(**HOME, object_id=record["id"], record=record)

        assert updated["last_modified"] > record["last_modified"]
        assert timestamp(storage) == updated["last_modified"]

    @clause("B-4.7")
    def test_updates_take_supplied_timestamps(self, storage: StorageBase) -> None:
        record = create(storage)
        future = record["last_modified"] + AHEAD_MS

        ahead = storage.update(**HOME, object_id=record["id"], record={"last_modified": future})
        assert ahead["last_modified"] == timestamp(storage) == future

        behind = storage.update(**HOME, object_id=record["id"], record={"last_modified": 5})
        assert behind["last_modified"] == 5
        assert timestamp(storage) > future

    @clause("B-4.7", "B-5.15")
    @pytest.mark.parametrize("offset", [-AHEAD_MS, AHEAD_MS])
    def test_deletions_take_supplied_timestamps(self, storage: StorageBase, offset: int) -> None:
        record = create(storage)
        supplied = record["last_modified"] + offset

        deleted = storage.delete(**HOME, object_id=record["id"], last_modified=supplied)

        assert deleted["last_modified"] == supplied
        assert revisions(tombstones(storage)) == [supplied]
        if offset > 0:
            assert timestamp(storage) == supplied
        else:
            assert timestamp(storage) > record["last_modified"]

    @clause("B-4.7", "B-21.5")
    def test_a_deletion_at_the_collections_timestamp_is_bumped(self, storage: StorageBase) -> None:
        record = create(storage)

        deleted = storage.delete(
            **HOME, object_id=record["id"], last_modified=record["last_modified"]
        )

        assert deleted["last_modified"] > record["last_modified"]
        assert timestamp(storage) == deleted["last_modified"]

    @clause("B-4.10", "B-22.5", "D-58", "H-9.11")
    def test_records_may_share_a_past_timestamp(self, storage: StorageBase) -> None:
        create(storage)
        for n in range(3):
            create(storage, n=n, last_modified=1234)

        assert listed(storage, "last_modified")[:3] == [1234, 1234, 1234]

    @clause("B-4.12")
    def test_a_tombstone_has_the_timestamp_of_the_collection(self, storage: StorageBase) -> None:
        record = create(storage)

        deleted = storage.delete(**HOME, object_id=record["id"])

        assert deleted["last_modified"] == timestamp(storage)
        assert tombstones(storage) == [deleted]

    @clause("B-4.12", "H-9.4")
    def test_records_deleted_together_have_distinct_timestamps(self, storage: StorageBase) -> None:
        before = revisions([create(storage, n=n) for n in range(5)])[-1]

        stamps = revisions(storage.delete_all(**HOME))

        assert len(set(stamps)) == 5
        assert min(stamps) > before
        assert max(stamps) == timestamp(storage)
        assert sorted(stamps) == revisions(tombstones(storage))

    @clause("B-4.13")
    def test_a_deletion_without_tombstone_advances_the_timestamp(
        self, storage: StorageBase
    ) -> None:
        before = create(storage, id="mine")["last_modified"]

        deleted = storage.delete(**HOME, object_id="mine", with_deleted=False)

        assert deleted["last_modified"] == timestamp(storage) > before

    @clause("B-4.13")
    def test_deletions_without_tombstones_advance_the_timestamp(self, storage: StorageBase) -> None:
        before = revisions([create(storage), create(storage)])[-1]

        deleted = storage.delete_all(**HOME, with_deleted=False)

        assert min(revisions(deleted)) > before
        assert max(revisions(deleted)) == timestamp(storage)

    @clause("B-4.14", "B-22.46")
    @pytest.mark.parametrize("options", [{}, {"before": 9_000_000_000_000}, {"max_retained": 0}])
    def test_purging_keeps_the_timestamp(
        self, storage: StorageBase, options: dict[str, Any]
    ) -> None:
        record = create(storage)
        storage.delete(**HOME, object_id=record["id"])
        before = timestamp(storage)

        assert storage.purge_deleted(**HOME, **options) == 1

        assert timestamp(storage) == before
        assert create(storage)["last_modified"] > before

    @clause("B-22.46", "H-9.1")
    def test_a_collection_emptied_without_trace_keeps_its_timestamp(
        self, storage: StorageBase
    ) -> None:
        future = timestamp(storage) + AHEAD_MS
        create(storage, last_modified=future)
        storage.delete_all(**HOME, with_deleted=False)
        storage.purge_deleted(None, "*")

        assert timestamp(storage) == future + 1

    @clause("B-7.3")
    def test_a_refused_write_moves_no_timestamp(self, storage: StorageBase) -> None:
        create(storage, id="mine", phone="1")
        before = timestamp(storage)

        with pytest.raises(UnicityError):
            storage.create(**HOME, record={"phone": "1"}, unique_fields=("phone",))

        assert timestamp(storage) == before

    @clause("B-21.3")
    def test_timestamps_of_a_collection_are_given_by_parent(self, storage: StorageBase) -> None:
        mine = create(storage)
        his = storage.create(**OTHER_PARENT, record={})
        his = storage.delete(**OTHER_PARENT, object_id=his["id"], with_deleted=False)
        read = storage.collection_timestamp(COLLECTION, "carol")
        storage.create(**OTHER_COLLECTION, record={})

        assert storage.all_resources_timestamps(COLLECTION) == {
            "alice": mine["last_modified"],
            "bob": his["last_modified"],
            "carol": read,
        }
