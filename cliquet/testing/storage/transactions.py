"""Tests of the transaction of a request: commit, rollback, savepoints, and atomic calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import pytest
from transaction import Transaction

from cliquet.connections.memory import MemoryStore, TransactionalMap
from cliquet.core.globs import Pattern
from cliquet.storage import StorageBase
from cliquet.storage.exceptions import RecordNotFoundError, UnicityError
from cliquet.testing.bounded import Thread, run_until
from cliquet.testing.storage.common import (
    COLLECTION,
    HOME,
    OTHER_PARENT,
    clause,
    create,
    in_another_thread,
    listed,
    timestamp,
    tombstones,
)
from cliquet.testing.transactions import request_transaction


class OperationError(Exception):
    """An error in an operation of the tests."""


@contextmanager
def failing_request() -> Iterator[Transaction]:
    """Make the block a request that fails at the end of the block."""
    with suppress(OperationError), request_transaction() as transaction:
        yield transaction
        raise OperationError


def _fail() -> Any:
    raise OperationError


class Elsewhere:
    """Another backend that joins transactions, and notes texts."""

    def __init__(self) -> None:
        self._store = MemoryStore("Elsewhere")
        self._notes: TransactionalMap[str, bool] = TransactionalMap(self._store)

    def note(self, text: str) -> str:
        """Note a text in the present transaction."""
        with self._store.write():
            self._notes.set(text, True)
        return text

    def noted(self) -> list[str]:
        """Return the texts, sorted."""
        return sorted(text for text, _ in self._notes.items())


def state(storage: StorageBase) -> tuple[Any, ...]:
    """Return the visible state of the collection of the tests."""
    records = storage.list_all(**HOME, include_deleted=True)
    by_id = {record["id"]: record for record in records}
    return by_id, storage.count_all(**HOME), timestamp(storage)


class AtomicTests:
    """Tests of the contract of :meth:`StorageBase.atomic`."""

    @clause("X-24")
    def test_the_result_of_the_operation_is_returned(self, storage: StorageBase) -> None:
        record = storage.atomic(lambda: create(storage, n=1), **HOME)

        assert storage.get(**HOME, object_id=record["id"]) == record

    @clause("X-24", "B-5.20")
    def test_an_operation_that_raises_writes_nothing(self, storage: StorageBase) -> None:
        create(storage, id="old", n=1)
        before = state(storage)

        def operation() -> None:
            create(storage, id="new")
            storage.update(**HOME, object_id="old", record={"n": 2})
            storage.delete(**HOME, object_id="old")
            raise OperationError

        with pytest.raises(OperationError):
            storage.atomic(operation, **HOME)

        assert state(storage) == before

    @clause("X-24")
    def test_an_operation_sees_its_own_writes(self, storage: StorageBase) -> None:
        def operation() -> list[Any]:
            create(storage, id="mine", n=1)
            storage.update(**HOME, object_id="mine", record={"n": 2})
            return listed(storage, "n")

        assert storage.atomic(operation, **HOME) == [2]

    @clause("X-24")
    def test_atomic_calls_can_be_nested(self, storage: StorageBase) -> None:
        def outer() -> None:
            create(storage, id="outer")
            storage.atomic(lambda: create(storage, id="inner"), **HOME)
            raise OperationError

        with pytest.raises(OperationError):
            storage.atomic(outer, **HOME)
        assert listed(storage) == []

        storage.atomic(lambda: storage.atomic(lambda: create(storage, id="inner"), **HOME), **HOME)
        assert listed(storage) == ["inner"]

    @clause("X-30", "X-24")
    def test_what_an_operation_does_in_another_backend_is_undone_with_it(
        self, storage: StorageBase
    ) -> None:
        elsewhere = Elsewhere()

        def operation() -> None:
            elsewhere.note("undone")
            create(storage, id="mine")
            raise OperationError

        with pytest.raises(OperationError):
            storage.atomic(operation, **HOME)
        assert elsewhere.noted() == []

        storage.atomic(lambda: (create(storage, id="mine"), elsewhere.note("kept")), **HOME)
        assert in_another_thread(elsewhere.noted) == ["kept"]

    @clause("X-30", "X-24")
    @pytest.mark.parametrize("is_in_request", [True, False])
    def test_the_effects_of_a_write_are_kept_if_it_is(
        self, storage: StorageBase, is_in_request: bool
    ) -> None:
        elsewhere = Elsewhere()

        def add(object_id: str) -> tuple[Any, str]:
            return storage.with_effects(
                lambda: create(storage, id=object_id),
                lambda _: elsewhere.note(object_id),
                **HOME,
            )

        with request_transaction() if is_in_request else nullcontext():
            created, noted = add("one")
            with pytest.raises(UnicityError):
                add("one")
            with suppress(OperationError):
                storage.atomic(lambda: (add("two"), _fail()), **HOME)
            storage.atomic(lambda: add("three"), **HOME)

        assert (created["id"], noted) == ("one", "one")
        assert sorted(listed(storage)) == ["one", "three"]
        assert in_another_thread(elsewhere.noted)[:1] == ["one"]
        if not is_in_request:
            assert in_another_thread(elsewhere.noted) == ["one", "three"]

    @clause("X-30", "X-18")
    def test_the_effects_of_a_write_are_undone_with_it(self, storage: StorageBase) -> None:
        elsewhere = Elsewhere()

        with failing_request():
            storage.with_effects(
                lambda: create(storage, id="one"), lambda _: elsewhere.note("one"), **HOME
            )
            storage.atomic(lambda: (create(storage, id="two"), elsewhere.note("two")), **HOME)

        kept = [] if storage.joins_transactions else ["one", "two"]
        assert sorted(listed(storage)) == elsewhere.noted() == kept

    @clause("X-24", "B-7.3")
    def test_an_error_caught_in_the_operation_undoes_only_its_call(
        self, storage: StorageBase
    ) -> None:
        create(storage, id="taken")

        def operation() -> None:
            create(storage, id="before")
            with pytest.raises(UnicityError):
                create(storage, id="taken")
            create(storage, id="after")

        storage.atomic(operation, **HOME)

        assert sorted(listed(storage)) == ["after", "before", "taken"]

    @clause("B-5.20")
    def test_a_call_that_fails_can_be_followed_by_others(self, storage: StorageBase) -> None:
        create(storage, id="taken")
        for _ in range(3):
            with pytest.raises(UnicityError):
                create(storage, id="taken")
            with pytest.raises(RecordNotFoundError):
                storage.delete(**HOME, object_id="unknown")

        assert in_another_thread(lambda: create(storage, id="other"))["id"] == "other"


class TransactionTests:
    """Tests of transactions, which are not for backends that apply each write at once."""

    @clause("X-18", "B-18.2", "B-18.4")
    def test_a_request_sees_its_writes_before_the_others_do(self, storage: StorageBase) -> None:
        record = create(storage, id="old", n=1)
        before = timestamp(storage)

        with request_transaction():
            storage.update(**HOME, object_id="old", record={"n": 2})
            create(storage, id="new")
            assert sorted(listed(storage)) == ["new", "old"]
            assert storage.get(**HOME, object_id="old")["n"] == 2
            assert timestamp(storage) > before
            assert storage.count_all(**HOME) == 2

            assert in_another_thread(lambda: state(storage)) == ({"old": record}, 1, before)
            assert in_another_thread(lambda: storage.get(**HOME, object_id="old")) == record

        assert in_another_thread(lambda: sorted(listed(storage))) == ["new", "old"]

    @clause("X-18", "B-18.2", "B-18.5")
    def test_a_request_that_fails_leaves_nothing(self, storage: StorageBase) -> None:
        create(storage, id="changed", n=1)
        create(storage, id="deleted", n=1)
        create(storage, id="erased", n=1)
        create(storage, id="revived")
        storage.delete(**HOME, object_id="revived")
        before = state(storage)

        with failing_request():
            create(storage, id="new")
            storage.update(**HOME, object_id="changed", record={"n": 2})
            storage.update(**HOME, object_id="changed", record={"n": 3})
            storage.delete(**HOME, object_id="deleted")
            storage.delete(**HOME, object_id="erased", with_deleted=False)
            storage.update(**HOME, object_id="revived", record={"n": 4})
            storage.purge_deleted(**HOME)
            storage.delete_all(**HOME)

        assert state(storage) == before
        assert storage.list_all(**OTHER_PARENT) == []

    @clause("X-18", "B-22.28")
    def test_a_flush_belongs_to_the_request(self, storage: StorageBase) -> None:
        create(storage, n=1)
        before = state(storage)

        with failing_request():
            create(storage, n=2)
            storage.flush()
            assert listed(storage) == []

        assert state(storage) == before

    @clause("X-18")
    def test_unique_values_of_a_request_that_fails_are_free(self, storage: StorageBase) -> None:
        unique: dict[str, Any] = {"unique_fields": ("phone",)}
        storage.create(**HOME, record={"id": "a", "phone": "1"}, **unique)

        with failing_request():
            storage.update(**HOME, object_id="a", record={"phone": "2"}, **unique)
            storage.create(**HOME, record={"id": "b", "phone": "1"}, **unique)

        with pytest.raises(UnicityError):
            storage.create(**HOME, record={"phone": "1"}, **unique)
        storage.create(**HOME, record={"id": "c", "phone": "2"}, **unique)
        assert sorted(listed(storage)) == ["a", "c"]

    @clause("X-18")
    def test_unicity_first_asked_in_a_request_that_fails_holds_afterwards(
        self, storage: StorageBase
    ) -> None:
        create(storage, id="a", phone="1")

        with failing_request():
            storage.create(**HOME, record={"phone": "2"}, unique_fields=("phone",))

        with pytest.raises(UnicityError):
            storage.create(**HOME, record={"phone": "1"}, unique_fields=("phone",))
        assert storage.create(**HOME, record={"phone": "2"}, unique_fields=("phone",))

    @clause("X-23", "X-18")
    def test_a_savepoint_undoes_what_followed_it(self, storage: StorageBase) -> None:
        create(storage, id="old", n=1)

        with request_transaction() as transaction:
            create(storage, id="kept")
            savepoint = transaction.savepoint(optimistic=True)
            at_savepoint = state(storage)
            create(storage, id="undone")
            storage.update(**HOME, object_id="old", record={"n": 2})
            storage.delete(**HOME, object_id="kept")
            savepoint.rollback()
            assert state(storage) == at_savepoint
            create(storage, id="after")

        assert sorted(listed(storage)) == ["after", "kept", "old"]
        assert storage.get(**HOME, object_id="old")["n"] == 1
        assert tombstones(storage) == []

    @clause("X-23")
    def test_a_savepoint_older_than_the_first_write_can_be_rolled_back(
        self, storage: StorageBase
    ) -> None:
        with request_transaction() as transaction:
            savepoint = transaction.savepoint(optimistic=True)
            create(storage, id="undone")
            savepoint.rollback()
            assert listed(storage) == []
            create(storage, id="kept")

        assert listed(storage) == ["kept"]

    @clause("X-23")
    def test_each_part_of_a_request_can_be_undone_apart(self, storage: StorageBase) -> None:
        with request_transaction() as transaction:
            for n in range(6):
                savepoint = transaction.savepoint(optimistic=True)
                create(storage, id=str(n))
                if n % 2:
                    savepoint.rollback()

        assert listed(storage) == ["0", "2", "4"]
        stamps = listed(storage, "last_modified")
        assert stamps == sorted(set(stamps))

    @clause("X-18")
    def test_an_error_caught_in_a_request_undoes_only_its_call(self, storage: StorageBase) -> None:
        create(storage, id="taken")

        with request_transaction():
            create(storage, id="before")
            with pytest.raises(UnicityError):
                create(storage, id="taken")
            create(storage, id="after")

        assert sorted(listed(storage)) == ["after", "before", "taken"]

    @clause("X-22", "H-9.3", "B-22.7")
    def test_the_first_timestamp_survives_the_failure_of_its_request(
        self, storage: StorageBase
    ) -> None:
        first = None
        with failing_request():
            first = timestamp(storage)

        assert timestamp(storage) == first

    @clause("D-60", "B-22.2")
    def test_a_first_read_during_the_first_write_is_earlier(self, storage: StorageBase) -> None:
        with request_transaction():
            record = create(storage)
            read = in_another_thread(lambda: timestamp(storage))

        assert read < record["last_modified"]
        assert timestamp(storage) == record["last_modified"]

    @clause("X-18")
    def test_a_call_after_the_end_of_the_transaction_commits_itself(
        self, storage: StorageBase
    ) -> None:
        with request_transaction() as transaction:
            create(storage, id="a")
            transaction.commit()
            create(storage, id="b")

        assert in_another_thread(lambda: sorted(listed(storage))) == ["a", "b"]

    @clause("B-5.20", "B-21.19")
    def test_a_list_over_several_parents_is_of_one_instant(self, storage: StorageBase) -> None:
        done = threading.Event()

        def write() -> None:
            for _ in run_until(done):
                with request_transaction():
                    for parent_id in ("a", "b", "c"):
                        storage.create(COLLECTION, parent_id, {})
                with request_transaction():
                    storage.delete_all(COLLECTION, "*")

        writer = Thread(target=write)
        writer.start()
        try:
            for _ in range(200):
                assert len(storage.list_all(COLLECTION, Pattern("*"))) in (0, 3)
        finally:
            done.set()
            writer.join()
