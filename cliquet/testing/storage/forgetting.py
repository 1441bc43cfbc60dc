"""Tests that timestamps of empty collections can be forgotten without harm."""

from __future__ import annotations

import time

import pytest

from cliquet.storage import StorageBase
from cliquet.storage.transfer import StorageTransfer
from cliquet.testing.storage.common import (
    HOME,
    OTHER_COLLECTION,
    OTHER_PARENT,
    clause,
    create,
    in_threads,
    listed,
    timestamp,
    tombstones,
)

WRITERS = 4


def homes(storage: StorageBase) -> set[tuple[str, str]]:
    """Return the collections that have a timestamp, with their parents."""
    return {(one.collection_id, one.parent_id) for one in storage.export_timestamps()}


class ForgettingTests:
    """Tests of the removal of timestamps of collections that hold nothing."""

    @pytest.fixture
    def forgetting(self, storage: StorageBase) -> StorageBase:
        """Return the storage, if it can forget timestamps."""
        if type(storage).forget_untouched is StorageTransfer.forget_untouched:
            pytest.skip("this storage has no forget_untouched()")
        return storage

    @clause("X-22", "B-4.2", "H-9.3")
    def test_first_accesses_before_a_time_are_forgotten(self, forgetting: StorageBase) -> None:
        old = timestamp(forgetting)
        time.sleep(0.01)
        recent = forgetting.collection_timestamp(**OTHER_PARENT)
        assert old < recent

        assert forgetting.forget_untouched(old) == 0
        assert forgetting.forget_untouched(recent) == 1
        assert homes(forgetting) == {(OTHER_PARENT["collection_id"], OTHER_PARENT["parent_id"])}
        assert forgetting.collection_timestamp(**OTHER_PARENT) == recent
        assert forgetting.forget_untouched(recent) == 0

    @clause("X-22", "B-4.3", "H-9.1")
    def test_what_follows_is_later_than_what_was_told(self, forgetting: StorageBase) -> None:
        told = timestamp(forgetting)
        time.sleep(0.01)
        assert forgetting.forget_untouched(told + 1) == 1
        again = timestamp(forgetting)
        time.sleep(0.01)
        assert forgetting.forget_untouched(again + 1) == 1

        record = create(forgetting)

        assert told < again < record["last_modified"] == timestamp(forgetting)
        assert listed(forgetting) == [record["id"]]

    @clause("X-22")
    def test_collections_that_hold_something_are_kept(self, forgetting: StorageBase) -> None:
        record = create(forgetting)
        gone = forgetting.create(**OTHER_PARENT, record={})
        forgetting.delete(**OTHER_PARENT, object_id=gone["id"])
        forgetting.collection_timestamp(**OTHER_COLLECTION)
        before = timestamp(forgetting)
        time.sleep(0.01)

        assert forgetting.forget_untouched(time.time_ns() // 1_000_000) == 1

        assert timestamp(forgetting) == before
        assert listed(forgetting) == [record["id"]]
        assert len(homes(forgetting)) == 2
        assert forgetting.count_all(**HOME) == 1
        assert tombstones(forgetting) == []

    @clause("X-22", "D-60")
    def test_nothing_that_is_written_meanwhile_is_forgotten(self, forgetting: StorageBase) -> None:
        for number in range(5):
            home = {**HOME, "parent_id": f"parent{number}"}
            told = forgetting.collection_timestamp(**home)
            time.sleep(0.002)

            def work(rank: int, home: dict[str, str] = home, told: int = told) -> int:
                if rank == 0:
                    return forgetting.forget_untouched(told + 1)
                created = forgetting.create(home["collection_id"], home["parent_id"], {})
                stamp: int = created["last_modified"]
                return stamp

            stamps = [one for one in in_threads(WRITERS + 1, work)[1:] if isinstance(one, int)]

            assert len(set(stamps)) == WRITERS
            assert min(stamps) > told
            assert forgetting.collection_timestamp(**home) == max(stamps)
            assert forgetting.count_all(**home) == WRITERS
