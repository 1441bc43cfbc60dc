"""What is particular to the storage in memory; the rest is the contract's suite."""

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.application_clock import ApplicationClockTests
from support.clocks import Clock
from support.configured import config_of
from support.garbage import uncollected

from cliquet.storage import StorageBase, memory
from cliquet.storage.exceptions import BackendError, RecordNotFoundError, UnicityError
from cliquet.storage.memory import collection
from cliquet.storage.query import Sort
from cliquet.testing.storage.common import (
    HOME,
    OTHER_PARENT,
    create,
    create_each,
    in_another_thread,
    listed,
    timestamp,
)
from cliquet.testing.transactions import request_transaction


@pytest.fixture
def storage() -> Any:
    return memory.Storage()


@pytest.mark.clause("B-9.1", "B-3.10", "S-11.1")
def test_each_storage_made_from_a_configuration_is_empty() -> None:
    config = config_of({})
    first = memory.load_from_config(config)
    create(first)

    second = memory.load_from_config(config)

    assert isinstance(second, memory.Storage)
    assert listed(second) == []


class TestClock(ApplicationClockTests):
    pass


@pytest.mark.clause("B-4.4", "H-9.2")
def test_a_burst_within_one_millisecond_runs_ahead_of_the_clock(
    storage: StorageBase, clock: Clock
) -> None:
    stamps = [create(storage)["last_modified"] for _ in range(3)]

    assert stamps == [clock.now, clock.now + 1, clock.now + 2]


@pytest.mark.clause("B-4.2", "H-9.3", "B-4.3")
def test_the_first_access_takes_the_time_and_the_first_write_is_later(
    storage: StorageBase, clock: Clock
) -> None:
    assert timestamp(storage) == clock.now
    clock.now -= 10
    assert timestamp(storage) == clock.now + 10

    assert create(storage)["last_modified"] == clock.now + 11


@pytest.mark.clause("X-19", "H-9.9")
def test_a_past_timestamp_takes_the_collection_to_the_present(
    storage: StorageBase, clock: Clock
) -> None:
    create(storage)
    clock.now += 1000

    create(storage, last_modified=5)

    assert timestamp(storage) == clock.now


@pytest.mark.clause("D-60")
def test_a_first_access_during_the_first_write_is_earlier_within_one_millisecond(
    storage: StorageBase, clock: Clock
) -> None:
    with request_transaction():
        create(storage)
        read = in_another_thread(lambda: timestamp(storage))
        assert timestamp(storage) == clock.now

    assert read == clock.now - 1
    assert timestamp(storage) == clock.now


@pytest.mark.clause("B-5.2")
def test_a_null_id_or_timestamp_is_made_by_the_storage(storage: Any) -> None:
    record = create(storage, id=None, last_modified=None)

    assert storage.id_generator.match(record["id"])
    assert record["last_modified"] == timestamp(storage)


@pytest.mark.clause("B-1.1")
def test_an_id_that_is_no_text_is_refused(storage: StorageBase) -> None:
    with pytest.raises(TypeError):
        create(storage, id=5)

    assert listed(storage) == []


@pytest.mark.clause("B-9.3", "B-4.15", "B-24")
def test_a_failure_to_make_a_timestamp_is_raised_and_writes_nothing(
    storage: StorageBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = create(storage, n=1)

    def fail(*_: Any) -> None:
        raise BackendError(ValueError("down"))

    with monkeypatch.context() as patch:
        patch.setattr(storage, "_bump_timestamp", fail)
        for call in (
            lambda: create(storage),
            lambda: storage.update(**HOME, object_id=record["id"], record={}),
            lambda: storage.delete(**HOME, object_id=record["id"]),
            lambda: storage.delete_all(**HOME),
            lambda: storage.collection_timestamp(**OTHER_PARENT),
        ):
            with pytest.raises(BackendError):
                call()
        assert timestamp(storage) == record["last_modified"]

    assert storage.list_all(**HOME, include_deleted=True) == [record]


@pytest.mark.clause("X-22", "B-22.9")
def test_timestamps_of_collections_only_read_are_bounded(
    storage: StorageBase, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "MAX_FIRST_ACCESSES", 3)
    for name in "abc":
        storage.collection_timestamp("mushroom", name)
    clock.now += 10
    storage.collection_timestamp("mushroom", "a")

    storage.collection_timestamp("mushroom", "d")

    before, now = clock.now - 10, clock.now
    assert storage.all_resources_timestamps("mushroom") == {"a": before, "c": before, "d": now}


@pytest.mark.clause("B-22.9", "B-9.4")
def test_reading_unknown_collections_leaves_no_trace(
    storage: StorageBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "MAX_FIRST_ACCESSES", 10)

    def read(parent_id: Any) -> None:
        storage.collection_timestamp("mushroom", parent_id)
        storage.get_all("mushroom", parent_id, include_deleted=True)
        storage.count_all("mushroom", parent_id)
        storage.delete_all("mushroom", parent_id)
        storage.purge_deleted("mushroom", parent_id)
        for call in (storage.get, storage.delete):
            with pytest.raises(RecordNotFoundError):
                call("mushroom", parent_id, "unknown")

    for n in range(20):
        read(str(n))
    before = number_of_objects(storage)

    for n in range(20, 60):
        read(str(n))

    assert number_of_objects(storage) == before


@pytest.mark.clause("B-22.9", "X-18")
def test_refused_writes_to_unknown_collections_leave_no_trace(storage: StorageBase) -> None:
    def refused(parent_id: Any) -> None:
        with pytest.raises(TypeError):
            storage.create("mushroom", parent_id, {"last_modified": "x"}, unique_fields=("n",))

    refused("0")
    before = number_of_objects(storage)

    for n in range(1, 40):
        refused(str(n))

    assert number_of_objects(storage) == before


@pytest.mark.clause("B-22.12")
@pytest.mark.parametrize("operation", ["get", "create", "update", "delete", "timestamp", "count"])
def test_the_work_for_one_record_does_not_depend_on_the_others(operation: str) -> None:
    assert calls_for(operation, 10) == calls_for(operation, 1000)


def calls_for(operation: Any, size: Any) -> Any:
    """Count the functions called by one operation on a collection of that size."""
    storage = memory.Storage()
    for n in range(size):
        storage.create(**HOME, record={"id": str(n), "phone": n}, unique_fields=("phone",))
    unique = {"unique_fields": ("phone",)}
    operations = {
        "get": lambda: storage.get(**HOME, object_id="3"),
        "create": lambda: storage.create(**HOME, record={"id": "x", "phone": -1}, **unique),  # type: ignore[arg-type]
        "update": lambda: storage.update(**HOME, object_id="3", record={"phone": 3}, **unique),  # type: ignore[arg-type]
        "delete": lambda: storage.delete(**HOME, object_id="3"),
        "timestamp": lambda: timestamp(storage),
        "count": lambda: storage.count_all(**HOME),
    }
    count = 0

    def profile(frame: Any, event: Any, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    with uncollected():
        sys.setprofile(profile)
        try:
            operations[operation]()
        finally:
            sys.setprofile(None)
    return count


def number_of_objects(storage: Any) -> Any:
    """Count the objects reachable from the dictionaries of the storage."""
    return sum(
        len(content)
        for content in (
            storage._state.first_accesses,
            storage._state.collections.items(),
            storage._state.counters.items(),
            storage._state.collections._committed,
            storage._state.counters._committed,
            storage._state.store._journal,
            storage._state.store._touched,
        )
    )


@pytest.mark.clause("X-18")
def test_a_batch_of_refused_writes_leaves_unique_values_exact(storage: Any) -> None:
    unique = {"unique_fields": ("phone",)}
    storage.create(**HOME, record={"id": "a", "phone": 1}, **unique)
    with request_transaction() as transaction:
        savepoint = transaction.savepoint()
        storage.update(**HOME, object_id="a", record={"phone": 2}, **unique)
        savepoint.rollback()
        storage.create(**HOME, record={"id": "b", "phone": 2}, **unique)

    assert sorted(listed(storage, "phone")) == [1, 2]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "update", "delete", "erase", "purge", "savepoint", "rollback"]),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([None, 1, 2]),
    ),
    max_size=25,
)


@pytest.mark.clause("X-18", "X-23", "B-7.1", "B-1.5", "B-21.10")
@given(STEPS, st.booleans())
def test_any_history_leaves_the_storage_consistent(steps: list[Any], commits: bool) -> None:
    storage = memory.Storage()
    create(storage, id="a", phone=1)
    initial = storage.list_all(**HOME, include_deleted=True)
    with request_transaction() as transaction:
        savepoint = transaction.savepoint()
        expected = storage.list_all(**HOME, include_deleted=True)
        for step, object_id, phone in steps:
            if step == "savepoint":
                savepoint = transaction.savepoint()
                expected = storage.list_all(**HOME, include_deleted=True)
            elif step == "rollback":
                savepoint.rollback()
                assert by_id(storage.list_all(**HOME, include_deleted=True)) == by_id(expected)
            else:
                change(storage, step, object_id, phone)
            check_consistency(storage)
        if not commits:
            transaction.abort()

    check_consistency(storage)
    if not commits:
        assert storage.list_all(**HOME, include_deleted=True) == initial


def change(storage: Any, step: Any, object_id: Any, phone: Any) -> None:
    record = {"id": object_id, "phone": phone}
    try:
        if step == "create":
            storage.create(**HOME, record=record, unique_fields=("phone",))
        elif step == "update":
            storage.update(**HOME, object_id=object_id, record=record, unique_fields=("phone",))
        elif step == "purge":
            storage.purge_deleted(**HOME)
        else:
            storage.delete(**HOME, object_id=object_id, with_deleted=step == "delete")
    except (UnicityError, RecordNotFoundError):
        pass


def check_consistency(storage: Any) -> None:
    everything = storage.list_all(**HOME, include_deleted=True, sorting=[Sort("id", 1)])
    live = [record for record in everything if "deleted" not in record]
    phones = [record["phone"] for record in live if record["phone"] is not None]
    assert len(by_id(everything)) == len(everything)
    assert len(set(phones)) == len(phones)
    assert storage.count_all(**HOME) == len(live)


def by_id(records: Any) -> dict[Any, Any]:
    return {record["id"]: record for record in records}


@pytest.mark.clause("B-1.7", "B-22.8")
@pytest.mark.parametrize("value", [(1, 2), {"a": (1,)}])
def test_a_tuple_comes_back_as_an_array(
    storage: StorageBase, value: dict[str, Any] | tuple[Any, ...]
) -> None:
    record = create(storage, value=value)

    assert record["value"] in ([1, 2], {"a": [1]})


@pytest.mark.clause("B-5.16")
def test_records_are_deleted_in_the_order_of_their_last_changes(storage: StorageBase) -> None:
    first, second, third = create_each(storage, "n", range(3))
    storage.update(**HOME, object_id=first["id"], record={})

    result = storage.delete_all(**HOME)

    expected = [second["id"], third["id"], first["id"]]
    assert [tombstone["id"] for tombstone in result] == expected


@pytest.mark.clause("B-7.2")
def test_values_stored_twice_before_they_were_unique_are_found_one_by_one(storage: Any) -> None:
    for object_id in "abc":
        create(storage, id=object_id, phone="1")
    unique = {"unique_fields": ("phone",)}
    storage.create(**HOME, record={"phone": "2"}, **unique)

    for _ in range(3):
        with pytest.raises(UnicityError) as caught:
            storage.create(**HOME, record={"phone": "1"}, **unique)
        storage.delete(**HOME, object_id=caught.value.record["id"])

    assert storage.create(**HOME, record={"phone": "1"}, **unique)


@pytest.mark.clause("B-7.1", "D-58")
def test_the_reserved_fields_are_not_compared_as_unique_ones(storage: Any) -> None:
    unique = {"unique_fields": ("id", "last_modified")}
    create(storage, last_modified=5)

    record = storage.create(**HOME, record={"last_modified": 5}, **unique)
    storage.update(**HOME, object_id=record["id"], record={}, **unique)

    assert storage.count_all(**HOME) == 2
