"""The storage in Redis: the contract's suite, and what is particular to it."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
import redis as driver
from redis import Redis
from servers.redis import redis_process, running_redis
from servers.starting import start_process
from support.application_clock import ApplicationClockTests
from support.busy import BUSY_SECONDS
from support.clocks import Clock
from support.configured import loading
from support.redis_support import keys_of, watching_commands

from cliquet.cache import redis as cache_redis
from cliquet.core.globs import Pattern
from cliquet.permission import redis as permission_redis
from cliquet.permission.memory import Permission
from cliquet.settings import SettingError
from cliquet.storage import StorageBase, redis
from cliquet.storage.base import Page
from cliquet.storage.exceptions import (
    BackendError,
    ReadonlyError,
    RecordNotFoundError,
    UnicityError,
)
from cliquet.storage.history import History
from cliquet.storage.query import Sort
from cliquet.storage.redis import transactions
from cliquet.storage.transfer import ExportedEntry, ImportedCollection
from cliquet.testing.bounded import Thread, run_until
from cliquet.testing.storage import UntransactedStorageContract
from cliquet.testing.storage.common import (
    COLLECTION,
    HOME,
    OTHER_PARENT,
    create,
    in_another_thread,
    in_threads,
    listed,
    timestamp,
    where,
)

NAMESPACE = "cliquet:storage:"
load = loading(redis, "storage")


@pytest.fixture
def storage(redis_client: Redis) -> Any:
    return redis.Storage(redis_client)


class TestStorage(UntransactedStorageContract):
    pass


@pytest.mark.clause("E-13.1", "E-13.3")
def test_data_of_before_have_no_horizon_and_get_an_epoch(
    storage: StorageBase, redis_client: Redis
) -> None:
    (stamp,) = (storage.delete(**HOME, object_id=create(storage)["id"])["last_modified"],)
    redis_client.delete(f"{NAMESPACE}epochs:{COLLECTION}")

    page, _ = storage.get_all(**HOME, include_deleted=True)
    assert isinstance(page, Page)
    assert page.history == History()
    readonly = redis.Storage(redis_client, is_readonly=True)
    assert readonly.collection_history(**HOME) == History()
    create(storage)
    first = storage.collection_history(**HOME)

    assert re.fullmatch("[0-9a-f]{8}", first.epoch)
    assert storage.collection_history(**HOME) == first
    storage.purge_deleted(**HOME)
    assert storage.collection_history(**HOME) == History(stamp, first.epoch)
    assert readonly.collection_history(**HOME) == History(stamp, first.epoch)


# Configuration


@pytest.mark.clause("B-10.2", "B-3.10", "S-11.1", "B-10.4")
def test_the_configuration_names_the_server_which_is_not_asked_yet() -> None:
    storage = load("redis://:secret@nowhere.example:7000/3")

    assert isinstance(storage, redis.Storage)
    assert storage.settings == {
        "host": "nowhere.example",
        "port": 7000,
        "password": "secret",
        "db": 3,
    }


@pytest.mark.clause("P-29.5")
@pytest.mark.parametrize("module", [redis, permission_redis, cache_redis])
def test_the_published_names_are_there(module: ModuleType) -> None:
    assert callable(module.create_from_config)
    assert callable(module.wrap_redis_error)


# Keys


PAIRS = [
    ("a", "b"),
    ("a", "b.c"),
    ("a.b", "c"),
    ("a:b", "c"),
    ("a", "b:c"),
    ("", "a"),
    ("a", ""),
    ("", ""),
    ("1:a", "b"),
    ("1:a:b", ""),
    ("1", ":a"),
    ("é", "é"),
    ("a*", "*"),
    ("\x00", "\ud800"),
]


@pytest.mark.clause("B-22.13", "B-10.10", "B-1.2", "B-22.27")
def test_collections_never_interfere_whatever_their_names(storage: StorageBase) -> None:
    for rank, (collection, parent) in enumerate(PAIRS):
        for object_id in ("c", "records", "id:1", "\ud800\x00é"):
            record = {"id": object_id, "rank": rank, "f:g": object_id}
            storage.create(collection, parent, record, unique_fields=("f:g",))
    storage.create("a", "b.c", {"id": "gone"})
    storage.delete("a", "b.c", "gone")

    for rank, (collection, parent) in enumerate(PAIRS):
        assert storage.get(collection, parent, "c")["rank"] == rank
        assert storage.get(collection, parent, "\ud800\x00é")["rank"] == rank


@pytest.mark.clause("B-7.1", "B-22.13")
def test_indexes_never_interfere_whatever_the_names(storage: StorageBase) -> None:
    names = [("a", "b", "c:d"), ("a", "b:c", "d"), ("a:b", "c", "d"), ("a", "b", "c")]
    for collection, parent, field in names:
        storage.create(collection, parent, {field: 1}, unique_fields=(field,))

    for collection, parent, field in names:
        with pytest.raises(UnicityError) as raised:
            storage.create(collection, parent, {field: 1}, unique_fields=(field,))
        assert raised.value.field == field


@pytest.mark.clause("B-1.7", "B-22.27")
@pytest.mark.parametrize(
    "value",
    [2**64, -(10**30), "\ud800", "\x00", 1.0, -0.0, 1e300, 5e-324, {"\udfff": ["\ud800", 2**70]}],
    ids=repr,
)
def test_what_fast_json_cannot_carry_comes_back_as_it_was(
    storage: StorageBase, value: dict[str, Any] | float | str
) -> None:
    record = create(storage, value=value)

    read = storage.get(**HOME, object_id=record["id"])["value"]

    assert (read, type(read)) == (value, type(value))
    assert storage.list_all(**HOME) == [record]


@pytest.mark.clause("B-22.28", "B-10.9")
def test_a_flush_removes_all_that_is_the_storages_and_nothing_else(
    storage: StorageBase, redis_client: Redis
) -> None:
    redis_client.set("foreign", 1)
    cache = cache_redis.Cache(redis_client)
    cache.set("key", "value")
    permission = permission_redis.Permission(redis_client)
    permission.add_principal_to_ace("/o/1", "read", "alice")
    permission.add_user_principal("alice", "group")
    others = keys_of(redis_client)
    for collection, parent in PAIRS:
        storage.create(collection, parent, {"phone": 1}, unique_fields=("phone",))
        record = storage.create(collection, parent, {})
        storage.delete(collection, parent, record["id"])
    storage.collection_timestamp("read", "only")
    assert len(keys_of(redis_client)) > len(others)

    storage.flush()

    assert keys_of(redis_client) == others
    assert storage.list_all("a", Pattern("*"), include_deleted=True) == []
    assert storage.all_resources_timestamps("a") == {}


@pytest.mark.clause("B-22.29", "B-10.10")
def test_what_is_deleted_without_trace_leaves_no_key_behind(
    storage: StorageBase, redis_client: Redis
) -> None:
    create(storage, id="kept", phone=0)
    before = keys_of(redis_client)
    for n in range(1, 4):
        storage.create(**HOME, record={"id": "same", "phone": n}, unique_fields=("phone",))
        storage.delete(**HOME, object_id="same")
    with_tombstone = keys_of(redis_client)
    create(storage, id="same")
    storage.delete(**HOME, object_id="same", with_deleted=False)

    # The index of the unique field is new, and holds one record. The horizon is one text for the
    # whole collection.
    own = (b":fields:", b":purged:")
    left = {key for key in keys_of(redis_client) - before if not any(one in key for one in own)}
    assert {key.split(b":")[2] for key in left} == {b"unique", b"values"}
    assert {redis_client.type(key) for key in left} == {b"zset", b"hash"}
    assert with_tombstone - keys_of(redis_client) == {
        b"cliquet:storage:tombstones:8:mushroom:alice"
    }
    storage.delete(**HOME, object_id="kept", with_deleted=False)
    assert b"cliquet:storage:records:8:mushroom:alice" not in keys_of(redis_client)
    assert not [key for key in keys_of(redis_client) if b":unique:" in key or b":values:" in key]


@pytest.mark.clause("E-7.3", "B-22.29")
def test_a_collection_that_is_forgotten_leaves_no_key(
    storage: StorageBase, redis_client: Redis
) -> None:
    storage.create(**HOME, record={"phone": 1}, unique_fields=("phone",))

    storage.import_([ImportedCollection(HOME["parent_id"], COLLECTION, None)])

    assert keys_of(redis_client) == set()


# Costs


def fill(storage: Any, number: Any) -> None:
    storage.flush()
    for n in range(number):
        record = {"id": f"{n:05}", "phone": n}
        storage.create(**HOME, record=record, unique_fields=("phone",))
        if n % 3 == 0:
            storage.create(**HOME, record={"id": f"x{n}", "phone": -1 - n})
            storage.delete(**HOME, object_id=f"x{n}")
        storage.create(COLLECTION, f"parent {n}", {})


def one_of_each(storage: Any) -> None:
    unique = {"unique_fields": ("phone",)}
    storage.create(**HOME, record={"id": "new", "phone": "new"}, **unique)
    storage.get(**HOME, object_id="new")
    storage.update(**HOME, object_id="new", record={"phone": "other"}, **unique)
    for call in (storage.create, storage.update):
        extra = {} if call == storage.create else {"object_id": "new"}
        with pytest.raises(UnicityError):
            call(**HOME, record={"phone": 3}, **unique, **extra)
    storage.collection_timestamp(**HOME)
    storage.count_all(**HOME)
    storage.find_tombstone(**HOME, object_id="x0")
    storage.list_all(**HOME, filters=where("id", "IN", ["00001", "00002"]))

    def merge() -> None:
        record = storage.get(**HOME, object_id="new")
        record["more"] = True
        storage.update(**HOME, object_id="new", record=record, **unique)

    storage.atomic(merge, **HOME)
    storage.delete(**HOME, object_id="new")


@pytest.mark.clause("B-22.12", "B-23.12", "B-10.7")
@pytest.mark.usefixtures("clock")
def test_what_one_record_costs_does_not_depend_on_their_number(
    storage: StorageBase, redis_client: Redis
) -> None:
    runs = []
    # The first time, scripts are loaded.
    for number in (10, 10, 300):
        fill(storage, number)
        with watching_commands(redis_client) as commands:
            one_of_each(storage)
        runs.append(Counter((command.name, command.key) for command in commands))

    assert runs[1] == runs[2]
    # Whatever reads a key whole; the fields of a collection are few.
    whole = {(name, key.split(":")[2]) for name, key in runs[2] if name in READ_WHOLE}
    assert whole == {("HGETALL", "fields")}


READ_WHOLE = {"KEYS", "SCAN", "HSCAN", "HGETALL", "HVALS", "HKEYS", "SMEMBERS", "ZRANGE"}


@pytest.mark.clause("B-22.12")
def test_one_call_on_one_record_is_one_round_trip(storage: Any, redis_client: Redis) -> None:
    unique = {"unique_fields": ("phone",)}
    storage.create(**HOME, record={"id": "a", "phone": 1}, **unique)

    with watching_commands(redis_client) as commands:
        storage.create(**HOME, record={"id": "b", "phone": 2}, **unique)
        storage.update(**HOME, object_id="a", record={"phone": 3}, **unique)
        storage.get(**HOME, object_id="a")
        storage.delete(**HOME, object_id="a")

    sent = [command.name for command in commands if not command.is_of_a_script]
    assert sent == ["EVALSHA", "EVALSHA", "HGET", "EVALSHA"]


@pytest.mark.clause("X-24")
def test_an_operation_that_nobody_disturbs_is_two_round_trips(
    storage: StorageBase, redis_client: Redis
) -> None:
    create(storage, id="a")

    def merge() -> None:
        record = storage.get(**HOME, object_id="a")
        storage.update(**HOME, object_id="a", record=record)

    with watching_commands(redis_client) as commands:
        storage.atomic(merge, **HOME)

    sent = [command.name for command in commands if not command.is_of_a_script]
    assert sent == [*["MULTI", "HGET", "HGET", "GET", "HMGET", "HMGET", "EXEC"], "EVALSHA"]


@pytest.mark.clause("B-6.1", "B-23.12")
def test_only_the_records_of_the_page_are_decoded(
    storage: StorageBase, redis_client: Redis
) -> None:
    for n in range(5):
        create(storage, id=str(n), n=n)
    # What is not JSON would raise.
    redis_client.hset("cliquet:storage:records:8:mushroom:alice", "2", b"1:5:not JSON")

    found = listed(storage, "n", limit=2, sorting=[Sort("last_modified", -1)])

    assert found == [4, 3]


# Clock


class TestClock(ApplicationClockTests):
    pass


@pytest.mark.clause("B-4.4", "B-4.6")
def test_the_clock_may_be_before_the_epoch(storage: StorageBase, clock: Clock) -> None:
    clock.now = -12

    stamps = [create(storage)["last_modified"] for _ in range(14)]
    clock.now = -100

    assert stamps == list(range(-12, 2))
    assert storage.atomic(lambda: create(storage), **HOME)["last_modified"] == 2


@pytest.mark.clause("B-4.7", "B-4.9")
@pytest.mark.parametrize("future", [2**53 - 4, 2**52 + 1])
def test_timestamps_at_the_end_of_the_numbers_of_lua_are_exact(
    storage: StorageBase, future: int
) -> None:
    create(storage, last_modified=future)

    stamps = [create(storage)["last_modified"] for _ in range(2)]
    stamps.append(storage.atomic(lambda: create(storage), **HOME)["last_modified"])

    assert stamps == [future + 1, future + 2, future + 3]


@pytest.mark.clause("B-9.3", "B-24")
def test_a_storage_that_cannot_make_timestamps_writes_nothing(
    storage: StorageBase, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(storage, id="old")
    before = redis_client.dump("cliquet:storage:records:8:mushroom:alice")

    def fail(*_args: Any) -> None:
        raise BackendError(message="out of order")

    monkeypatch.setattr(storage, "_bump_timestamp", fail)
    calls = [
        lambda: create(storage),
        lambda: storage.update(**HOME, object_id="old", record={}),
        lambda: storage.delete(**HOME, object_id="old"),
        lambda: storage.delete_all(**HOME),
        lambda: storage.atomic(lambda: create(storage), **HOME),
        lambda: storage.collection_timestamp(**OTHER_PARENT),
    ]
    for call in calls:
        with pytest.raises(BackendError, match="out of order"):
            call()

    assert redis_client.dump("cliquet:storage:records:8:mushroom:alice") == before
    assert storage.all_resources_timestamps(COLLECTION).keys() == {"alice"}


# Pages


@pytest.mark.clause("B-4.2", "B-6.2", "D-59")
def test_a_page_comes_with_the_timestamp_of_its_instant(storage: Any) -> None:
    page, _ = storage.get_all(**HOME)
    assert page.timestamp is None
    claimed = page.claim()
    assert claimed == timestamp(storage)
    # Somebody else has touched the collection meanwhile.
    assert page.claim() is None

    record = create(storage)
    page, total = storage.get_all(**HOME)
    assert (page, total, page.timestamp) == ([record], 1, record["last_modified"])
    page, _ = storage.get_all(**HOME, filters=where("id", "EQ", "other"))
    assert (page, page.timestamp) == ([], record["last_modified"])
    assert storage.get_all(COLLECTION, Pattern("*"))[0].timestamp is None


@pytest.mark.clause("B-5.20", "B-21.19")
def test_a_list_over_several_parents_is_of_one_instant(storage: StorageBase) -> None:
    done = threading.Event()

    def create_three() -> None:
        for parent_id in ("a", "b", "c"):
            storage.create(COLLECTION, parent_id, {})

    def write() -> None:
        for _ in run_until(done):
            storage.atomic(create_three, collection_id=COLLECTION, parent_id="a")
            storage.delete_all(COLLECTION, "*")
            storage.flush()

    writer = Thread(target=write)
    writer.start()
    seen: set[int] = set()
    has_seen_both = threading.Event()
    try:
        for number, _ in enumerate(run_until(has_seen_both)):
            seen.add(len(storage.list_all(COLLECTION, Pattern("*"))))
            if number >= 300 and len(seen) > 1:
                has_seen_both.set()
    finally:
        done.set()
        writer.join()

    assert seen == {0, 3}


# Operations


def count_runs(storage: Any, operation: Any) -> Any:
    """Run an operation; return its result, and how often it was run."""
    runs = []

    def counted() -> Any:
        runs.append(None)
        return operation(len(runs))

    return storage.atomic(counted, **HOME), len(runs)


@pytest.mark.clause("X-24", "D-57")
def test_changes_of_other_records_do_not_disturb(storage: StorageBase) -> None:
    create(storage, id="mine", n=0)

    def operation(_: Any) -> Any:
        record = storage.get(**HOME, object_id="mine")
        in_another_thread(lambda: [create(storage) for _ in range(3)])
        time.sleep(0.005)
        return storage.update(**HOME, object_id="mine", record={"n": record["n"] + 1})

    record, runs = count_runs(storage, operation)

    assert runs == 1
    assert storage.get(**HOME, object_id="mine") == record
    assert record["last_modified"] == timestamp(storage)


@pytest.mark.clause("X-24", "D-53", "D-55", "B-22.17")
@pytest.mark.parametrize("change", ["update", "delete", "touch"])
def test_a_change_of_the_record_read_disturbs(storage: StorageBase, change: str) -> None:
    create(storage, id="mine", n=0)

    def disturb() -> None:
        if change == "delete":
            storage.delete(**HOME, object_id="mine")
        elif change == "touch":
            # Looks the same as before, and is not.
            stamp = storage.get(**HOME, object_id="mine")["last_modified"]
            storage.delete(**HOME, object_id="mine", with_deleted=False)
            storage.import_([_collection([("mine", stamp, {"n": 0})])])
        else:
            storage.update(**HOME, object_id="mine", record={"n": 10})

    def operation(run: Any) -> Any:
        try:
            n = storage.get(**HOME, object_id="mine")["n"]
        except RecordNotFoundError:
            n = -1
        if run == 1:
            in_another_thread(disturb)
        return storage.update(**HOME, object_id="mine", record={"n": n + 1})

    record, runs = count_runs(storage, operation)

    assert runs == 2
    assert record["n"] == {"update": 11, "delete": 0, "touch": 1}[change]
    assert storage.list_all(**HOME, include_deleted=True) == [record]


def _collection(entries: Any) -> Any:
    entries = [ExportedEntry(*entry) for entry in entries]
    return ImportedCollection(HOME["parent_id"], COLLECTION, 9_000_000_000_000, entries)


@pytest.mark.clause("X-24", "D-54")
@pytest.mark.parametrize("read", ["list", "timestamp", "count"])
def test_any_change_disturbs_after_the_whole_collection_was_read(
    storage: StorageBase, read: str
) -> None:
    create(storage, id="mine")
    reads = {
        "list": lambda: len(storage.list_all(**HOME)),
        "timestamp": lambda: timestamp(storage),
        "count": lambda: storage.count_all(**HOME),
    }

    def operation(run: Any) -> Any:
        seen = reads[read]()
        if run == 1:
            in_another_thread(lambda: create(storage))
        create(storage)
        return seen

    before = reads[read]()
    seen, runs = count_runs(storage, operation)

    assert runs == 2
    assert seen > before
    assert storage.count_all(**HOME) == 3


@pytest.mark.clause("X-24", "D-54")
def test_the_appearance_of_a_record_that_was_absent_disturbs(storage: StorageBase) -> None:
    def operation(run: Any) -> Any:
        if run == 1:
            assert storage.find_tombstone(**HOME, object_id="mine") is None
            with pytest.raises(RecordNotFoundError):
                storage.get(**HOME, object_id="mine")
            in_another_thread(lambda: create(storage, id="mine", n=1))
        else:
            assert storage.get(**HOME, object_id="mine")["n"] == 1
        return storage.update(**HOME, object_id="mine", record={"n": 2})

    assert count_runs(storage, operation)[1] == 2


@pytest.mark.clause("X-24", "D-56")
def test_the_appearance_of_a_unique_value_disturbs(storage: Any) -> None:
    unique = {"unique_fields": ("phone",)}

    def operation(run: Any) -> Any:
        try:
            return storage.create(**HOME, record={"phone": 1}, **unique)
        except UnicityError as error:
            return error.record
        finally:
            if run == 1:
                in_another_thread(
                    lambda: storage.create(**HOME, record={"id": "his", "phone": 1}, **unique)
                )

    record, runs = count_runs(storage, operation)

    assert (record["id"], runs) == ("his", 2)
    assert listed(storage) == ["his"]


@pytest.mark.clause("X-24", "D-60")
def test_a_timestamp_that_was_overtaken_is_chosen_again(storage: StorageBase) -> None:
    create(storage)

    def operation(run: Any) -> Any:
        record = create(storage)
        if run == 1:
            in_another_thread(lambda: create(storage, last_modified=record["last_modified"] + 5))
        return record

    record, runs = count_runs(storage, operation)

    assert runs == 2
    stamps = listed(storage, "last_modified")
    assert stamps[-1] == record["last_modified"] == timestamp(storage)
    assert len(set(stamps)) == 3


@pytest.mark.clause("X-24")
def test_an_operation_that_is_disturbed_ten_times_gives_up(
    storage: StorageBase, redis_client: Redis
) -> None:
    create(storage, id="mine", n=0)
    runs = []

    def operation() -> None:
        runs.append(None)
        storage.get(**HOME, object_id="mine")
        in_another_thread(lambda: storage.update(**HOME, object_id="mine", record={"n": len(runs)}))
        create(storage, id="never")

    with pytest.raises(BackendError, match="10 attempts") as raised:
        storage.atomic(operation, **HOME)

    assert raised.value.retryable
    assert len(runs) == 10
    assert listed(storage, "n") == [10]
    assert not [key for key in keys_of(redis_client) if b":lock:" in key]


@pytest.mark.clause("X-24")
def test_newcomers_let_those_pass_who_were_disturbed(
    storage: StorageBase, redis_client: Redis
) -> None:
    create(storage, id="mine", n=0)
    key = b"cliquet:storage:lock:8:mushroom:alice"
    redis_client.set(key, "somebody", px=200)

    def operation(_: Any) -> Any:
        n = storage.get(**HOME, object_id="mine")["n"]
        return storage.update(**HOME, object_id="mine", record={"n": n + 1})

    record, runs = count_runs(storage, operation)

    # The first run only saw the lock, which expired by itself.
    assert (record["n"], runs) == (1, 2)
    assert redis_client.get(key) is None


@pytest.mark.clause("X-24")
def test_a_lock_that_is_not_given_back_blocks_nobody(
    storage: StorageBase, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "MAX_WAIT_SECONDS", 0.05)
    create(storage, id="mine", n=0)
    key = b"cliquet:storage:lock:8:mushroom:alice"
    redis_client.set(key, "somebody", px=60_000)

    def operation(_: Any) -> Any:
        n = storage.get(**HOME, object_id="mine")["n"]
        return storage.update(**HOME, object_id="mine", record={"n": n + 1})

    record, runs = count_runs(storage, operation)

    assert (record["n"], runs) == (1, 2)
    assert redis_client.get(key) == b"somebody"


@pytest.mark.clause("B-2.3", "B-5.2")
@pytest.mark.parametrize("is_atomic", [False, True])
@pytest.mark.parametrize("object_id", [None, 5, b"a"])
def test_an_id_that_is_no_text_is_no_ones(
    storage: Any, is_atomic: bool, object_id: bytes | int | None
) -> None:
    def run(call: Any) -> Any:
        return storage.atomic(call, **HOME) if is_atomic else call()

    with pytest.raises(RecordNotFoundError):
        run(lambda: storage.get(**HOME, object_id=object_id))
    with pytest.raises(RecordNotFoundError):
        run(lambda: storage.delete(**HOME, object_id=object_id))
    with pytest.raises(TypeError):
        run(lambda: storage.update(**HOME, object_id=object_id, record={}))
    assert storage.all_resources_timestamps(COLLECTION) == {}


@pytest.mark.clause("X-24")
def test_an_error_decided_on_what_has_changed_is_not_raised(storage: StorageBase) -> None:
    """Read at two instants, of which no single one had both."""
    create(storage, id="a", n=1)
    create(storage, id="b", n=1)

    def operation(run: Any) -> Any:
        first = storage.get(**HOME, object_id="a")["n"]
        if run == 1:

            def change() -> None:
                storage.update(**HOME, object_id="a", record={"n": 2})
                storage.update(**HOME, object_id="b", record={"n": 2})

            in_another_thread(change)
        if storage.get(**HOME, object_id="b")["n"] != first:
            raise RuntimeError("never true")
        return first

    assert count_runs(storage, operation) == (2, 2)


@pytest.mark.clause("X-24", "B-5.20")
def test_an_operation_sees_all_its_writes_and_commits_their_last_state(
    storage: Any, redis_client: Redis
) -> None:
    create(storage, id="old", phone=1)
    create(storage, id="dead")
    storage.delete(**HOME, object_id="dead")
    unique = {"unique_fields": ("phone",)}

    def operation() -> Any:
        storage.update(**HOME, object_id="old", record={"phone": 2}, **unique)
        storage.create(**HOME, record={"id": "new", "phone": 1}, **unique)
        with pytest.raises(UnicityError) as raised:
            storage.create(**HOME, record={"phone": 2}, **unique)
        assert raised.value.record["id"] == "old"
        create(storage, id="temporary")
        storage.delete(**HOME, object_id="temporary")
        create(storage, id="dead", n=1)
        storage.delete(**HOME, object_id="dead")
        storage.update(**HOME, object_id="dead", record={"n": 2})
        assert storage.purge_deleted(**HOME) == 1
        assert storage.find_tombstone(**HOME, object_id="temporary") is None
        assert timestamp(storage) == max(listed(storage, "last_modified"))
        assert in_another_thread(lambda: listed(storage)) == ["old"]
        return listed(storage), storage.count_all(**HOME)

    assert storage.atomic(operation, **HOME) == (["old", "new", "dead"], 3)

    assert listed(storage, include_deleted=True) == ["old", "new", "dead"]
    assert storage.count_all(**HOME) == 3
    assert redis_client.hlen("cliquet:storage:records:8:mushroom:alice") == 3
    for value in (1, 2):
        with pytest.raises(UnicityError):
            storage.create(**HOME, record={"phone": value}, **unique)


@pytest.mark.clause("X-24", "D-57")
def test_many_deletions_succeed_while_others_write(storage: StorageBase) -> None:
    for n in range(200):
        create(storage, n=n)
    done = threading.Event()

    def write(rank: Any) -> Any:
        if rank:
            for _ in run_until(done):
                create(storage, kept=True)
            return None
        try:
            return storage.delete_all(**HOME, filters=where("n", "MIN", 0))
        finally:
            done.set()

    deleted, *others = in_threads(3, write)

    assert others == [None, None]
    assert len(deleted) == 200  # type: ignore[arg-type]
    assert storage.list_all(**HOME, filters=where("n", "MIN", 0)) == []


# Indexes


@pytest.mark.clause("B-7.2", "B-7.7", "B-22.10")
def test_an_index_whose_builder_died_is_built_by_the_next(
    storage: StorageBase, redis_client: Redis
) -> None:
    for n in range(3):
        create(storage, id=str(n), phone=n)
    # Where the builder stopped: others maintain the index, and nothing older is in it.
    redis_client.hset("cliquet:storage:fields:8:mushroom:alice", "phone", "building")
    storage.update(**HOME, object_id="0", record={"phone": 10})

    for value, holder in ((10, "0"), (1, "1"), (2, "2")):
        with pytest.raises(UnicityError) as raised:
            storage.create(**HOME, record={"phone": value}, unique_fields=("phone",))
        assert raised.value.record["id"] == holder
    storage.create(**HOME, record={"phone": 0}, unique_fields=("phone",))


@pytest.mark.clause("B-7.2", "B-7.7")
def test_a_large_collection_is_indexed_while_others_write(storage: StorageBase) -> None:
    entries = [(f"{n:05}", n, {"phone": n}) for n in range(1_203)]
    storage.import_([_collection(entries)])

    def act(rank: Any) -> None:
        if rank == 0:
            storage.create(**HOME, record={"phone": "x"}, unique_fields=("phone",))
        for n in range(rank, 1_203, 40):
            storage.update(**HOME, object_id=f"{n:05}", record={"phone": n + 10_000})

    assert in_threads(3, act) == [None] * 3

    for record in storage.list_all(**HOME, limit=60):
        with pytest.raises(UnicityError) as raised:
            storage.create(**HOME, record={"phone": record["phone"]}, unique_fields=("phone",))
        assert raised.value.record["id"] == record["id"]
    storage.create(**HOME, record={"phone": 0}, unique_fields=("phone",))


@pytest.mark.clause("B-7.5")
@pytest.mark.parametrize(
    ("first", "second"), [(1, 1.0), (0, -0.0), (2**53 + 2, float(2**53 + 2)), ([1], [1.0])]
)
def test_equal_numbers_clash_however_they_are_written(
    storage: StorageBase, first: int | list[Any], second: float | list[Any]
) -> None:
    storage.create(**HOME, record={"phone": first}, unique_fields=("phone",))

    with pytest.raises(UnicityError):
        storage.create(**HOME, record={"phone": second}, unique_fields=("phone",))


# Processes


WORKER = """
import sys

import redis

from cliquet.storage.redis import Storage

storage = Storage(redis.Redis.from_url(sys.argv[1]))
home = {"collection_id": "mushroom", "parent_id": "alice"}
unique = {"unique_fields": ("n",)}
"""

MERGE = """
for n in range(int(sys.argv[3])):
    def merge():
        record = storage.get(**home, object_id="same")
        record[f"{sys.argv[2]}-{n}"] = True
        del record["last_modified"]
        storage.update(**home, object_id="same", record=record)
    storage.atomic(merge, **home)
"""

CHURN = """
n = 0
while True:
    n += 1
    storage.create(**home, record={"id": str(n), "n": n}, **unique)
    storage.update(**home, object_id=str(n), record={"n": -n}, **unique)
    if n % 2:
        storage.delete(**home, object_id=str(n))
    print(n, flush=True)
"""


@contextmanager
def running(code: Any, *arguments: Any) -> Iterator[Any]:
    process = start_process(
        [sys.executable, "-c", WORKER + code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)
        process.stdout.close()


@pytest.mark.clause("D-55", "B-22.17", "X-24")
def test_merges_of_several_processes_are_all_kept(storage: StorageBase, redis_url: str) -> None:
    create(storage, id="same")

    with running(MERGE, redis_url, "a", 100) as one, running(MERGE, redis_url, "b", 100) as other:
        assert (one.wait(200), other.wait(200)) == (0, 0)

    assert len(storage.get(**HOME, object_id="same")) == 2 + 200


@pytest.mark.clause("B-22.10", "B-5.20", "D-61")
def test_a_process_killed_at_any_point_leaves_everything_consistent(
    storage: StorageBase, redis_client: Redis, redis_url: str
) -> None:
    for _ in range(3):
        storage.flush()
        with running(CHURN, redis_url) as process:
            for _ in range(20):
                process.stdout.readline()
            os.kill(process.pid, signal.SIGKILL)
            process.wait(60)

        records = storage.list_all(**HOME)
        everything = storage.list_all(**HOME, include_deleted=True)
        ids = [record["id"] for record in everything]
        assert len(ids) == len(set(ids)) >= 20
        assert storage.count_all(**HOME) == len(records)
        assert max(record["last_modified"] for record in everything) == timestamp(storage)
        for record in records:
            with pytest.raises(UnicityError):
                storage.create(**HOME, record={"n": record["n"]}, unique_fields=("n",))
        name = "8:mushroom:alice"
        path = f"{len(name)}:{name}:n"
        assert redis_client.zcard(f"{NAMESPACE}unique:{path}") == len(records)
        assert redis_client.hlen(f"{NAMESPACE}values:{path}") == len(records)


# Failures


def every_call(storage: Any) -> dict[str, Any]:
    """Return all public methods of a storage, ready to be called."""
    return {
        "flush": storage.flush,
        "timestamp": lambda: timestamp(storage),
        "all_resources_timestamps": lambda: storage.all_resources_timestamps(COLLECTION),
        "create": lambda: create(storage),
        "create unique": lambda: storage.create(
            **HOME, record={"phone": 1}, unique_fields=("phone",)
        ),
        "get": lambda: storage.get(**HOME, object_id="a"),
        "find_tombstone": lambda: storage.find_tombstone(**HOME, object_id="a"),
        "update": lambda: storage.update(**HOME, object_id="a", record={}),
        "delete": lambda: storage.delete(**HOME, object_id="a"),
        "delete_all": lambda: storage.delete_all(**HOME),
        "delete_all of all": lambda: storage.delete_all(None, "*"),
        "purge_deleted": lambda: storage.purge_deleted(**HOME),
        "trim_objects": lambda: storage.trim_objects(**HOME, filters=None, max_objects=1),
        "get_all": lambda: storage.get_all(**HOME),
        "get_all of all": lambda: storage.get_all(COLLECTION, Pattern("*")),
        "list_all": lambda: storage.list_all(**HOME),
        "count_all": lambda: storage.count_all(**HOME),
        "count_all of some": lambda: storage.count_all(**HOME, filters=where("n", "EQ", 1)),
        "atomic": lambda: storage.atomic(lambda: create(storage), **HOME),
        "export": lambda: list(storage.export()),
        "import_": lambda: storage.import_([_collection([("a", 1, {})])]),
    }


@pytest.mark.clause("B-2.5", "B-3.10")
@pytest.mark.usefixtures("processes")
def test_every_call_fails_as_a_backend_does_when_the_server_is_down() -> None:
    with running_redis() as url:
        pass
    storage = load(url)

    for name, call in every_call(storage).items():
        with pytest.raises(BackendError) as raised:
            call()
        assert isinstance(raised.value.original, driver.ConnectionError), name


@pytest.mark.clause("B-2.5")
@pytest.mark.usefixtures("processes")
def test_a_server_that_was_started_again_is_used_again() -> None:
    with redis_process() as server:
        storage = load(server.url)
        create(storage)
        server.stop()
        with pytest.raises(BackendError):
            create(storage)
        server.start()

        assert create(storage)["id"] in listed(storage)


@pytest.mark.clause("B-2.5", "B-10.5")
def test_a_foreign_value_under_one_of_its_keys_is_a_backend_error(
    storage: StorageBase, redis_client: Redis
) -> None:
    redis_client.set("cliquet:storage:records:8:mushroom:alice", "foreign")

    for call in (lambda: create(storage), lambda: listed(storage)):
        with pytest.raises(BackendError) as raised:
            call()
        assert isinstance(raised.value.original, driver.ResponseError)


@pytest.mark.clause("B-21.7", "B-4.15")
@pytest.mark.usefixtures("processes")
def test_a_replica_gives_known_timestamps_and_refuses_to_make_new_ones() -> None:
    with running_redis() as primary_url:
        storage = load(primary_url)
        record = create(storage, id="known")
        host, port = primary_url.removeprefix("redis://").split(":")
        with running_redis("--replicaof", host, port) as replica_url:
            replica = load(replica_url)
            deadline = time.monotonic() + 60
            while replica.count_all(**HOME) == 0 and time.monotonic() < deadline:
                time.sleep(0.05)

            assert timestamp(replica) == record["last_modified"]
            assert replica.list_all(**HOME) == [record]
            with pytest.raises(ReadonlyError):
                replica.collection_timestamp(**OTHER_PARENT)
            with pytest.raises(BackendError):
                create(replica)


@pytest.mark.clause("B-21.7", "B-4.15")
def test_a_service_that_never_writes_makes_no_timestamp(
    storage: StorageBase, redis_client: Redis, redis_url: str
) -> None:
    record = create(storage)
    before = keys_of(redis_client)
    reader = load(redis_url, readonly="true")

    with watching_commands(redis_client) as commands:
        assert timestamp(reader) == record["last_modified"]
        with pytest.raises(ReadonlyError):
            reader.collection_timestamp(**OTHER_PARENT)
        page, _ = reader.get_all(**OTHER_PARENT)
        with pytest.raises(ReadonlyError):
            page.claim()

    assert {command.name for command in commands} <= READS
    assert keys_of(redis_client) == before


READS = {"HGET", "HGETALL", "GET", "MULTI", "EXEC", "SELECT", "HELLO", "CLIENT"}


# The pool


@pytest.mark.clause("B-10.4", "S-13.2", "B-21.35")
def test_threads_wait_for_a_connection(redis_url: str) -> None:
    storage = load(redis_url, storage_pool_size=1)

    outcomes = in_threads(8, lambda n: [create(storage, n=n) for _ in range(10)])

    assert all(isinstance(outcome, list) for outcome in outcomes)
    assert storage.count_all(**HOME) == 80


@pytest.mark.clause("B-10.4", "B-21.35", "B-2.5")
def test_a_thread_that_waits_too_long_gets_a_backend_error(redis_url: str) -> None:
    storage = load(redis_url, storage_pool_size=1, storage_pool_timeout=0.05)

    with storage._client.client():
        started = time.monotonic()
        with pytest.raises(BackendError) as raised:
            create(storage)
        waited = time.monotonic() - started

    assert isinstance(raised.value.original, driver.ConnectionError)
    assert 0.05 <= waited < BUSY_SECONDS
    assert create(storage)


@pytest.mark.clause("B-21.35", "S-22")
@pytest.mark.parametrize("seconds", ["-1", "soon", "inf"])
def test_a_wait_that_is_none_fails_at_the_start(seconds: str) -> None:
    with pytest.raises(SettingError, match="storage_pool_timeout"):
        load("", storage_pool_timeout=seconds)


@pytest.mark.clause("X-30", "X-24")
def test_what_an_operation_read_must_still_hold_when_it_changes_something_elsewhere(
    storage: StorageBase,
) -> None:
    permission = Permission()
    permission.add_principal_to_ace("/a", "write", "ann")
    found = []

    def remove_permissions_without_record() -> None:
        try:
            storage.get(**HOME, object_id="a")
        except RecordNotFoundError:
            found.append(False)
            if len(found) == 1:
                in_another_thread(lambda: create(storage, id="a"))
            permission.delete_object_permissions("/a")
        else:
            found.append(True)

    storage.atomic(remove_permissions_without_record, **HOME)

    assert found == [False, True]
    assert permission.object_permissions("/a") == {"write": {"ann"}}
