"""Tests of the positions of collections, and of the signals that they may have moved."""

from __future__ import annotations

import time

from cliquet.storage import StorageBase
from cliquet.storage.selection import CollectionKey
from cliquet.storage.watching import Position
from cliquet.testing.storage.common import (
    HOME,
    OTHER_COLLECTION,
    OTHER_PARENT,
    clause,
    create,
    in_another_thread,
    timestamp,
)
from cliquet.testing.transactions import request_transaction

__all__ = ["TransactedWatchingTests", "WatchingTests"]

HERE = CollectionKey(**HOME)
PLACES = [HERE, CollectionKey(**OTHER_PARENT), CollectionKey(**OTHER_COLLECTION)]
NO_KEY = CollectionKey(collection_id="n\0ne", parent_id="no\0body")
PATIENCE_SECONDS = 10.0


def position(storage: StorageBase) -> Position | None:
    """Return the position of the collection of the tests."""
    return storage.collection_positions([HERE]).get(HERE)


class WatchingTests:
    """What storages tell those who wait for changes (E-14.5)."""

    @clause("E-14.5")
    def test_positions_are_timestamp_and_epoch_of_each_collection(
        self, storage: StorageBase
    ) -> None:
        create(storage)
        storage.create(**OTHER_PARENT, record={})
        storage.create(**OTHER_COLLECTION, record={})

        found = storage.collection_positions([*PLACES, NO_KEY])

        assert found == {
            key: Position(
                storage.collection_timestamp(key.collection_id, key.parent_id),
                storage.collection_history(key.collection_id, key.parent_id).epoch,
            )
            for key in PLACES
        }

    @clause("E-14.5", "B-4.2")
    def test_asking_for_positions_touches_no_collection(self, storage: StorageBase) -> None:
        assert storage.collection_positions(PLACES) == {}
        assert storage.collection_positions([]) == {}
        assert storage.all_resources_timestamps(HERE.collection_id) == {}

    @clause("E-14.5", "B-4.2")
    def test_a_first_access_is_a_position(self, storage: StorageBase) -> None:
        stamp = timestamp(storage)

        found = position(storage)

        assert found is not None
        assert found.timestamp == stamp

    @clause("E-14.5")
    def test_each_change_moves_the_position(self, storage: StorageBase) -> None:
        positions = [position(storage)]

        record = create(storage)
        positions.append(position(storage))
        storage.update(**HOME, object_id=record["id"], record={"n": 1})
        positions.append(position(storage))
        create(storage, last_modified=5)
        positions.append(position(storage))
        storage.delete(**HOME, object_id=record["id"])
        positions.append(position(storage))

        assert len(set(positions)) == 5

    @clause("E-14.5", "E-13.1")
    def test_a_flush_moves_the_position(self, storage: StorageBase) -> None:
        record = create(storage)
        before = position(storage)

        storage.flush()
        storage.create(**HOME, record=record)

        assert position(storage) != before

    @clause("E-14.5")
    def test_many_collections_are_asked_for_at_once(self, storage: StorageBase) -> None:
        keys = [CollectionKey(collection_id="many", parent_id=f"user {n}") for n in range(600)]
        for key in keys[::200]:
            storage.create(key.collection_id, key.parent_id, record={})

        assert set(storage.collection_positions(keys)) == set(keys[::200])

    @clause("E-14.5")
    def test_a_watch_tells_of_a_change(self, storage: StorageBase) -> None:
        create(storage)
        watch = storage.watch_changes()
        try:
            watch.wait(0.01)
            in_another_thread(lambda: create(storage))

            deadline = time.monotonic() + PATIENCE_SECONDS
            while not watch.wait(0.01):
                assert time.monotonic() < deadline, "the change is not noticed"
        finally:
            watch.close()

    @clause("E-14.5")
    def test_a_watch_of_this_thread_sees_its_own_changes(self, storage: StorageBase) -> None:
        watch = storage.watch_changes()
        try:
            watch.wait(0.01)
            create(storage)

            assert watch.wait(0.01)
        finally:
            watch.close()

    @clause("E-14.5")
    def test_a_watch_can_be_closed_twice(self, storage: StorageBase) -> None:
        watch = storage.watch_changes()
        watch.wait(0.01)
        watch.close()
        watch.close()


class TransactedWatchingTests:
    """The same for storages that take part in the transaction of a request."""

    @clause("E-14.5")
    def test_positions_are_those_of_committed_changes(self, storage: StorageBase) -> None:
        create(storage)
        before = position(storage)

        with request_transaction():
            create(storage)
            during = in_another_thread(lambda: position(storage))

        assert during == before
        assert position(storage) != before
