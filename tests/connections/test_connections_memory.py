import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from transaction.interfaces import TransactionFailedError

from cliquet.connections.memory import MemoryStore, TransactionalMap
from cliquet.storage.exceptions import BackendError
from cliquet.testing.bounded import Thread, run_until
from cliquet.testing.storage.common import in_another_thread, in_threads
from cliquet.testing.transactions import request_transaction
from cliquet.transactions import scope


class BlockError(Exception):
    pass


@contextmanager
def failing(block: Any) -> Iterator[Any]:
    """Make a block fail when it ends."""
    with suppress(BlockError), block as value:
        yield value
        raise BlockError


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore("The store", lock_timeout_seconds=20)


@pytest.fixture
def values(store: MemoryStore) -> Any:
    values = TransactionalMap(store)
    with store.write():
        values.set("old", 1)
    return values


def test_a_write_is_visible_when_its_block_has_ended(
    store: MemoryStore, values: TransactionalMap
) -> None:
    with store.write():
        values.set("new", 2)
        assert in_another_thread(lambda: values.get("new")) is None

    assert in_another_thread(lambda: values.get("new")) == 2


def test_the_writer_sees_its_changes_and_the_readers_do_not(
    store: MemoryStore, values: TransactionalMap
) -> None:
    with store.write():
        values.set("old", 2)
        values.set("new", 3)

        assert values.get("old") == 2
        assert sorted(values.items()) == [("new", 3), ("old", 2)]
        assert sorted(values.values()) == [2, 3]
        assert len(values) == 2
        assert in_another_thread(lambda: values.get("old")) == 1
        assert in_another_thread(values.items) == [("old", 1)]
        assert in_another_thread(values.values) == [1]
        assert in_another_thread(lambda: len(values)) == 1


def test_readers_still_see_what_is_being_deleted(
    store: MemoryStore, values: TransactionalMap
) -> None:
    with store.write():
        values.delete("old")

        assert values.get("old") is None
        assert len(values) == 0
        assert in_another_thread(lambda: values.get("old")) == 1
        assert in_another_thread(values.items) == [("old", 1)]

    assert in_another_thread(lambda: values.get("old")) is None


def test_the_latest_value_includes_what_others_have_not_committed(
    store: MemoryStore, values: TransactionalMap
) -> None:
    with store.write():
        values.set("old", 2)

        assert in_another_thread(lambda: values.latest("old")) == 2
        assert in_another_thread(lambda: values.latest("unknown")) is None


def test_a_copy_of_the_items_does_not_change(store: MemoryStore, values: TransactionalMap) -> None:
    items = values.items()

    with store.write():
        values.set("new", 2)

    assert items == [("old", 1)]


@pytest.mark.clause("B-5.20")
def test_a_block_that_raises_is_undone(store: MemoryStore, values: TransactionalMap) -> None:
    with failing(store.write()):
        values.set("old", 2)
        values.set("old", 3)
        values.set("new", 4)
        values.delete("old")
        values.clear()

    assert values.items() == [("old", 1)]
    assert in_another_thread(values.items) == [("old", 1)]


def test_an_inner_block_that_raises_is_undone_alone(
    store: MemoryStore, values: TransactionalMap
) -> None:
    with store.write():
        values.set("before", 2)
        with failing(store.write()):
            values.set("old", 3)
            values.set("inner", 4)
        values.set("after", 5)

    expected = [("after", 5), ("before", 2), ("old", 1)]
    assert sorted(in_another_thread(values.items)) == expected


def test_an_inner_block_does_not_commit_the_outer_one(
    store: MemoryStore, values: TransactionalMap
) -> None:
    with store.write():
        with store.write():
            values.set("new", 2)
        assert in_another_thread(lambda: values.get("new")) is None


def test_clearing_can_be_undone(store: MemoryStore, values: TransactionalMap) -> None:
    with failing(store.write()):
        values.clear()
        assert values.items() == []

    assert values.items() == [("old", 1)]


def test_a_change_outside_a_write_block_is_refused(values: TransactionalMap) -> None:
    with pytest.raises(RuntimeError, match="The store"):
        values.set("new", 2)

    assert values.items() == [("old", 1)]


def test_a_change_by_a_thread_that_does_not_hold_the_lock_is_refused(
    store: MemoryStore, values: TransactionalMap
) -> None:
    with store.write(), pytest.raises(RuntimeError):
        in_another_thread(lambda: values.set("new", 2))


@pytest.mark.clause("B-2.5")
def test_a_lock_that_is_not_obtained_in_time_is_an_error_worth_a_retry() -> None:
    store = MemoryStore("The store", lock_timeout_seconds=0.01)

    def write() -> None:
        with store.write():
            pass

    with store.write(), pytest.raises(BackendError, match="The store is locked") as caught:
        in_another_thread(write)

    assert caught.value.retryable
    in_another_thread(write)


def test_a_request_that_does_not_get_the_lock_can_still_be_ended() -> None:
    store = MemoryStore("The store", lock_timeout_seconds=0.01)
    values = TransactionalMap(store)

    def write() -> None:
        with request_transaction(), store.write():
            values.set("new", 1)

    with store.write(), pytest.raises(BackendError):
        in_another_thread(write)

    in_another_thread(write)
    assert values.items() == [("new", 1)]


@pytest.mark.clause("X-18")
def test_in_a_request_the_writes_are_visible_after_its_commit(
    store: MemoryStore, values: TransactionalMap
) -> None:
    with request_transaction():
        with store.write():
            values.set("new", 2)
        assert values.get("new") == 2
        assert store.is_owner
        assert in_another_thread(lambda: values.get("new")) is None

    assert not store.is_owner
    assert in_another_thread(lambda: values.get("new")) == 2


@pytest.mark.clause("X-18")
def test_a_request_that_fails_is_undone_and_lets_the_next_writer_in(
    store: MemoryStore, values: TransactionalMap
) -> None:
    with failing(request_transaction()), store.write():
        values.set("old", 2)

    assert values.items() == [("old", 1)]
    assert not in_another_thread(lambda: store.is_owner)

    def write() -> None:
        with store.write():
            values.set("old", 3)

    in_another_thread(write)
    assert values.get("old") == 3


@pytest.mark.clause("X-18")
def test_a_request_that_only_reads_takes_no_lock(
    store: MemoryStore, values: TransactionalMap
) -> None:
    with request_transaction():
        assert values.get("old") == 1
        assert not store.is_owner


@pytest.mark.clause("X-18")
def test_a_block_that_raises_in_a_request_is_undone_at_once(
    store: MemoryStore, values: TransactionalMap
) -> None:
    with request_transaction():
        with store.write():
            values.set("kept", 2)
        with failing(store.write()):
            values.set("old", 3)
        assert values.get("old") == 1

    assert sorted(values.items()) == [("kept", 2), ("old", 1)]


@pytest.mark.clause("X-23")
def test_savepoints_can_be_nested(store: MemoryStore, values: TransactionalMap) -> None:
    def write(key: Any, value: Any) -> None:
        with store.write():
            values.set(key, value)

    with request_transaction() as transaction:
        write("a", 1)
        outer = transaction.savepoint()
        write("b", 1)
        write("a", 2)
        inner = transaction.savepoint()
        write("c", 1)
        inner.rollback()
        assert sorted(values.items()) == [("a", 2), ("b", 1), ("old", 1)]
        write("d", 1)
        outer.rollback()
        assert sorted(values.items()) == [("a", 1), ("old", 1)]
        write("e", 1)

    assert sorted(in_another_thread(values.items)) == [("a", 1), ("e", 1), ("old", 1)]


@pytest.mark.clause("X-23")
def test_a_savepoint_can_be_rolled_back_twice(store: MemoryStore, values: TransactionalMap) -> None:
    with request_transaction() as transaction:
        with store.write():
            values.set("a", 1)
        savepoint = transaction.savepoint()
        for n in range(2):
            with store.write():
                values.set("a", 2 + n)
            savepoint.rollback()
            assert values.get("a") == 1


@pytest.mark.clause("X-23")
def test_rolling_back_to_before_the_first_write_releases_the_lock(
    store: MemoryStore, values: TransactionalMap
) -> None:
    with request_transaction() as transaction:
        savepoint = transaction.savepoint()
        with store.write():
            values.set("a", 1)
        savepoint.rollback()
        assert not store.is_owner
        assert values.get("a") is None

        with store.write():
            values.set("b", 1)

    assert sorted(values.items()) == [("b", 1), ("old", 1)]


@pytest.mark.clause("X-18", "B-18.9")
def test_a_commit_that_fails_elsewhere_is_undone(
    store: MemoryStore, values: TransactionalMap
) -> None:
    class FailingDataManager:
        transaction_manager = None

        def abort(self, transaction: Any) -> None:
            pass

        tpc_begin = commit = tpc_finish = tpc_abort = abort

        def tpc_vote(self, transaction: Any) -> None:
            raise BlockError

        def sortKey(self) -> str:  # noqa: N802 - name of the interface
            return "zzz"

    def request() -> None:
        with request_transaction() as transaction, store.write():
            values.set("old", 2)
            transaction.join(FailingDataManager())

    with pytest.raises(BlockError):
        request()

    assert in_another_thread(values.items) == [("old", 1)]
    assert not store.is_owner


def test_a_write_in_a_hook_after_the_commit_commits_itself(
    store: MemoryStore, values: TransactionalMap
) -> None:
    def after_commit(status: int | str) -> None:
        with store.write():
            values.set("hook", 1)

    with request_transaction() as transaction:
        transaction.addAfterCommitHook(after_commit)
        with store.write():
            values.set("new", 2)

    assert scope.current() is None
    assert in_another_thread(lambda: values.get("hook")) == 1


def test_a_write_in_a_hook_before_the_commit_belongs_to_the_request(
    store: MemoryStore, values: TransactionalMap
) -> None:
    def before_commit() -> None:
        with store.write():
            values.set("hook", 1)

    with request_transaction() as transaction:
        transaction.addBeforeCommitHook(before_commit)

    assert in_another_thread(lambda: values.get("hook")) == 1
    assert not store.is_owner


def test_requests_that_come_one_after_the_other_in_a_thread_are_independent(
    store: MemoryStore, values: TransactionalMap
) -> None:
    for n in range(3):
        with request_transaction(), store.write():
            values.set("old", n)
        assert in_another_thread(lambda: values.get("old")) == n


@pytest.mark.clause("B-9.4", "B-22.6")
def test_increments_by_several_threads_are_all_kept(store: MemoryStore, values: Any) -> None:
    def increment(rank: Any) -> None:
        for _ in range(50):
            if rank % 2:
                with request_transaction(), store.write():
                    values.set("old", values.get("old") + 1)
            else:
                with store.write():
                    values.set("old", values.get("old") + 1)

    assert in_threads(4, increment) == [None] * 4
    assert values.get("old") == 201


@pytest.mark.clause("B-5.20")
def test_readers_see_the_maps_of_a_store_change_together(store: MemoryStore) -> None:
    left, right = TransactionalMap(store), TransactionalMap(store)
    done = threading.Event()

    def write() -> None:
        for n, _ in enumerate(run_until(done), 1):
            with store.write():
                left.set("n", n)
                right.set("n", n)

    writer = Thread(target=write)
    writer.start()
    try:
        for _ in range(500):
            with store.latch:
                assert left.get("n") == right.get("n")
    finally:
        done.set()
        writer.join()


def test_stores_can_be_used_together_in_one_request(
    store: MemoryStore, values: TransactionalMap
) -> None:
    other = MemoryStore("Another store")
    others = TransactionalMap(other)

    with failing(request_transaction()):
        with store.write():
            values.set("old", 2)
        with other.write():
            others.set("new", 1)

    assert values.items() == [("old", 1)]
    assert others.items() == []


def test_deleting_what_is_not_there_changes_nothing(
    store: MemoryStore, values: TransactionalMap
) -> None:
    with store.write():
        values.delete("unknown")

    assert values.items() == [("old", 1)]


def test_a_transaction_that_can_no_longer_be_joined_keeps_no_lock(
    store: MemoryStore, values: TransactionalMap
) -> None:
    class FailingDataManager:
        def abort(self, transaction: Any) -> None:
            pass

        commit = tpc_finish = tpc_vote = tpc_abort = abort

        def tpc_begin(self, transaction: Any) -> None:
            raise BlockError

        def sortKey(self) -> str:  # noqa: N802 - name of the interface
            return "zzz"

    def write() -> None:
        with store.write():
            values.set("new", 2)

    with request_transaction() as transaction:
        transaction.join(FailingDataManager())
        with pytest.raises(BlockError):
            transaction.commit()
        scope.enter(transaction)
        with pytest.raises(TransactionFailedError):
            write()
        assert not store.is_owner
        scope.leave()

    in_another_thread(write)
    assert values.get("new") == 2
