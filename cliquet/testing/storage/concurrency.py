"""Tests of storages with several clients at once, each in its thread."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cliquet.storage import StorageBase
from cliquet.storage.exceptions import RecordNotFoundError, UnicityError
from cliquet.storage.query import Sort
from cliquet.testing.bounded import Thread, run_until
from cliquet.testing.storage.common import (
    HOME,
    clause,
    create,
    in_threads,
    listed,
    revisions,
    timestamp,
    tombstones,
    where,
)
from cliquet.testing.transactions import request_transaction
from cliquet.types import Record

THREADS = 8


class PreconditionError(Exception):
    """The record is not the expected one, which a resource answers with 412."""


def failures(outcomes: list[Any], expected: type[Exception]) -> int:
    """Count the outcomes of the type `expected`; raise any other error."""
    for outcome in outcomes:
        if isinstance(outcome, Exception) and not isinstance(outcome, expected):
            raise outcome
    return sum(isinstance(outcome, expected) for outcome in outcomes)


class ConcurrencyTests:
    """Tests that simultaneous writes neither overtake nor lose each other."""

    @pytest.fixture(autouse=True)
    def frequent_switches(self) -> Iterator[None]:
        """Make threads interrupt each other a thousand times more often than usual."""
        interval_seconds = sys.getswitchinterval()
        sys.setswitchinterval(interval_seconds / 1000)
        yield
        sys.setswitchinterval(interval_seconds)

    @clause("B-22.6", "B-4.5", "D-57")
    def test_concurrent_creations_have_distinct_timestamps(self, storage: StorageBase) -> None:
        outcomes = in_threads(THREADS, lambda n: [create(storage, n=n) for _ in range(20)])

        assert failures(outcomes, ()) == 0  # type: ignore[arg-type]
        stamps = listed(storage, "last_modified")
        assert len(set(stamps)) == len(stamps) == THREADS * 20
        assert timestamp(storage) == max(stamps)
        assert storage.count_all(**HOME) == THREADS * 20

    @clause("B-5.21", "B-22.4")
    def test_one_of_the_creations_of_an_id_succeeds(self, storage: StorageBase) -> None:
        outcomes = in_threads(THREADS, lambda n: create(storage, id="same", n=n))

        assert failures(outcomes, UnicityError) == THREADS - 1
        (winner,) = [outcome for outcome in outcomes if isinstance(outcome, dict)]
        assert storage.get(**HOME, object_id="same") == winner

    @clause("B-7.7", "B-22.4", "D-56")
    def test_one_of_the_creations_with_a_unique_value_succeeds(self, storage: StorageBase) -> None:
        outcomes = in_threads(
            THREADS,
            lambda n: storage.create(
                **HOME, record={"n": n, "phone": "1"}, unique_fields=("phone",)
            ),
        )

        assert failures(outcomes, UnicityError) == THREADS - 1
        (winner,) = [outcome for outcome in outcomes if isinstance(outcome, dict)]
        assert storage.list_all(**HOME) == [winner]
        losers = [outcome for outcome in outcomes if isinstance(outcome, UnicityError)]
        assert all(loser.record == winner for loser in losers)

    @clause("B-5.21", "B-22.16")
    def test_one_of_the_deletions_of_a_record_succeeds(self, storage: StorageBase) -> None:
        create(storage, id="same")

        outcomes = in_threads(THREADS, lambda _: storage.delete(**HOME, object_id="same"))

        assert failures(outcomes, RecordNotFoundError) == THREADS - 1
        assert len(tombstones(storage)) == 1

    @clause("B-5.21", "B-22.16", "B-22.11", "D-61")
    def test_updates_and_deletions_leave_one_entry(self, storage: StorageBase) -> None:
        create(storage, id="same")

        def change(rank: int) -> None:
            for n in range(20):
                if rank % 2:
                    storage.update(**HOME, object_id="same", record={"n": n})
                else:
                    storage.delete(**HOME, object_id="same")

        outcomes = in_threads(THREADS, change)

        failures(outcomes, RecordNotFoundError)
        assert listed(storage, include_deleted=True) == ["same"]
        assert storage.count_all(**HOME) == len(listed(storage))
        storage.update(**HOME, object_id="same", record={})
        storage.delete(**HOME, object_id="same")

    @clause("B-22.3", "D-59")
    def test_concurrent_first_accesses_agree(self, storage: StorageBase) -> None:
        outcomes = in_threads(THREADS, lambda _: timestamp(storage))

        assert failures(outcomes, ()) == 0  # type: ignore[arg-type]
        assert set(outcomes) == {timestamp(storage)}

    @clause("B-22.3")
    def test_concurrent_first_writes_succeed(self, storage: StorageBase) -> None:
        outcomes = in_threads(THREADS, lambda n: create(storage, n=n))

        assert failures(outcomes, ()) == 0  # type: ignore[arg-type]
        assert len(set(listed(storage, "last_modified"))) == THREADS

    @clause("B-22.15", "D-53", "B-20.5")
    def test_one_of_the_writes_with_the_same_precondition_succeeds(
        self, storage: StorageBase
    ) -> None:
        expected = create(storage, id="same")["last_modified"]

        def write(rank: int) -> Record:
            def judge_and_write() -> Record:
                record = storage.get(**HOME, object_id="same")
                if record["last_modified"] != expected:
                    raise PreconditionError
                if rank % 2:
                    return storage.delete(**HOME, object_id="same")
                return storage.update(**HOME, object_id="same", record={"n": rank})

            return storage.atomic(judge_and_write, **HOME)

        outcomes = in_threads(THREADS, write)

        errors = (PreconditionError, RecordNotFoundError)
        assert failures(outcomes, errors) == THREADS - 1  # type: ignore[arg-type]

    @clause("D-54", "B-22.15")
    def test_one_of_the_writes_that_must_create_succeeds(self, storage: StorageBase) -> None:
        def write(rank: int) -> Record:
            def judge_and_write() -> Record:
                if storage.list_all(**HOME, filters=where("id", "EQ", "same")):
                    raise PreconditionError
                return storage.update(**HOME, object_id="same", record={"n": rank})

            return storage.atomic(judge_and_write, **HOME)

        outcomes = in_threads(THREADS, write)

        assert failures(outcomes, PreconditionError) == THREADS - 1

    @clause("B-22.17", "D-55")
    def test_concurrent_merges_are_all_kept(self, storage: StorageBase) -> None:
        create(storage, id="same")

        def patch(rank: int) -> None:
            for n in range(10):

                def merge(name: str = f"{rank}-{n}") -> None:
                    record = storage.get(**HOME, object_id="same")
                    record[name] = True
                    del record["last_modified"]
                    storage.update(**HOME, object_id="same", record=record)

                storage.atomic(merge, **HOME)

        outcomes = in_threads(THREADS, patch)

        assert failures(outcomes, ()) == 0  # type: ignore[arg-type]
        assert len(storage.get(**HOME, object_id="same")) == 2 + THREADS * 10

    @clause("B-22.2", "D-60")
    def test_a_poller_misses_no_change(self, storage: StorageBase) -> None:
        done = threading.Event()
        stamps: list[int] = []
        seen: dict[str, int] = {}

        def poll() -> None:
            since = 0
            finished = False
            while not finished:
                finished = done.is_set()
                latest = timestamp(storage)
                stamps.append(latest)
                for record in storage.list_all(
                    **HOME,
                    filters=where("last_modified", "GT", since),
                    sorting=[Sort("last_modified", 1)],
                    include_deleted=True,
                ):
                    seen[record["id"]] = record["last_modified"]
                since = latest

        def write(rank: int) -> None:
            for n in range(15):
                with request_transaction():
                    for part in "ab":
                        create(storage, id=f"{rank}-{n}-{part}")
                    if n % 3 == 0:
                        storage.delete(**HOME, object_id=f"{rank}-{n}-a")

        poller = Thread(target=poll)
        poller.start()
        outcomes = in_threads(4, write)
        done.set()
        poller.join()

        assert failures(outcomes, ()) == 0  # type: ignore[arg-type]
        assert stamps == sorted(stamps)
        everything = storage.list_all(**HOME, include_deleted=True)
        assert seen == {record["id"]: record["last_modified"] for record in everything}
        assert len(set(revisions(everything))) == len(everything)

    @clause("B-5.20", "B-6.2")
    def test_a_page_and_its_total_are_of_one_instant(self, storage: StorageBase) -> None:
        done = threading.Event()

        def write() -> None:
            for _ in run_until(done):
                with request_transaction():
                    create(storage)
                    create(storage)
                storage.delete_all(**HOME)

        writer = Thread(target=write)
        writer.start()
        try:
            for _ in range(200):
                page, total = storage.get_all(**HOME)
                assert len(page) == total
        finally:
            done.set()
            writer.join()
