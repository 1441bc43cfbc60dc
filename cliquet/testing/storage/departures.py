"""Tests of departures, which tell principals that a record left what they may read."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest

from cliquet.core.globs import Pattern
from cliquet.storage import StorageBase
from cliquet.storage.departures import Departed, Departure, DepartureKind, StoredDeparture
from cliquet.storage.history import History
from cliquet.storage.transfer import ImportedCollection
from cliquet.testing.storage.common import (
    COLLECTION,
    HOME,
    OTHER_COLLECTION,
    OTHER_PARENT,
    PARENT,
    clause,
    create,
    in_another_thread,
    in_threads,
    revisions,
    timestamp,
    tombstones,
)
from cliquet.testing.transactions import request_transaction

LEFT, GONE, LATE = DepartureKind.LEFT, DepartureKind.GONE, DepartureKind.LATE
FAR = 9_000_000_000_000


class OperationError(Exception):
    """An error inside a request of the tests."""


def record(storage: StorageBase, *departures: Departure, **place: Any) -> int:
    """Record departures of the collection of the tests; return its timestamp after them."""
    position = storage.record_departures(**(place or HOME), departures=departures)
    assert position is not None
    return position


def left(storage: StorageBase, object_id: str, *principals: str) -> int:
    """Record that principals lost a record."""
    return record(storage, Departure(object_id, LEFT, principals))


def departed(storage: StorageBase, *principals: str, after: int = 0, **more: Any) -> list[Departed]:
    """List the departures of the collection of the tests."""
    place = {name: more.pop(name, value) for name, value in HOME.items()}
    return storage.list_departures(**place, after=after, principals=principals, **more)


class DepartureTests:
    """Tests of departures as they are recorded, listed, purged and copied."""

    @pytest.fixture
    def departing(self, storage: StorageBase) -> StorageBase:
        """Return the storage, if it records departures."""
        if not storage.keeps_departures:
            pytest.skip("this storage keeps no departures")
        return storage

    @clause("E-12.1")
    def test_each_departure_has_a_position_of_its_own(self, departing: StorageBase) -> None:
        before = create(departing, id="a")["last_modified"]

        last = record(
            departing,
            Departure("a", LEFT, ["alice", "bob"]),
            Departure("b", GONE, ["alice"]),
            Departure("c", LATE),
        )

        first = last - 2
        assert first > before
        assert timestamp(departing) == last
        assert departed(departing, "alice") == [
            Departed("a", first, LEFT),
            Departed("b", first + 1, GONE),
            Departed("c", last, LATE),
        ]
        assert create(departing)["last_modified"] > last
        assert departing.count_all(**HOME) == 2

    @clause("E-12.2", "E-12.1")
    def test_only_those_concerned_are_told(self, departing: StorageBase) -> None:
        create(departing, id="a")
        left(departing, "a", "alice")
        second = left(departing, "b", "/groups/ö", "x" * 500)
        third = record(departing, Departure("a", LATE))

        assert departed(departing) == [Departed("a", third, LATE)]
        assert departed(departing, "Alice", "ali", "nul\0", "") == [Departed("a", third, LATE)]
        for principal in ("/groups/ö", "x" * 500):
            both = [Departed("b", second, LEFT), Departed("a", third, LATE)]
            assert departed(departing, "nobody", principal) == both
            assert departed(departing, principal, parent_id="bob") == []
            assert departed(departing, principal, collection_id="basket") == []

    @clause("E-12.2")
    def test_those_after_a_position_are_listed_in_order(self, departing: StorageBase) -> None:
        stamps = [left(departing, f"r{n % 3}{n}", "alice") for n in range(5)]

        for n, stamp in enumerate(stamps):
            found = departed(departing, "alice", after=stamp)
            assert [one.position for one in found] == stamps[n + 1 :]
        limited = departed(departing, "alice", after=stamps[0], limit=2)
        assert [one.position for one in limited] == stamps[1:3]

    @clause("E-12.1")
    def test_somebody_with_several_principals_is_told_once(self, departing: StorageBase) -> None:
        stamp = left(departing, "a", "alice", "group", "alice")

        assert departed(departing, "alice", "group") == [Departed("a", stamp, LEFT)]

    @clause("E-12.1")
    def test_the_latest_departure_of_a_principal_counts(self, departing: StorageBase) -> None:
        left(departing, "a", "alice", "bob")
        stamp = left(departing, "a", "bob")
        again = record(departing, Departure("a", LEFT, ["bob"]), Departure("a", GONE, ["bob"]))

        assert stamp < again
        assert departed(departing, "bob") == [Departed("a", again, GONE)]
        assert [one.id for one in departed(departing, "alice")] == ["a"]

    @clause("E-12.1", "E-12.3")
    def test_what_concerns_nobody_costs_no_position(self, departing: StorageBase) -> None:
        before = timestamp(departing)

        for nothing in ([], [Departure("a", LEFT, [])]):
            assert departing.record_departures(**HOME, departures=nothing) is None

        assert timestamp(departing) == before

    @clause("E-12.1", "B-1.2")
    def test_a_collection_may_begin_with_a_departure(self, departing: StorageBase) -> None:
        told = timestamp(departing)

        stamp = left(departing, "a", "alice")
        other = record(departing, Departure("a", LATE), **OTHER_PARENT)

        assert stamp > told
        assert departing.collection_timestamp(**OTHER_PARENT) == other
        assert departing.collection_history(**OTHER_PARENT).epoch != ""

    @clause("E-12.1")
    def test_departures_belong_to_an_operation(self, departing: StorageBase) -> None:
        create(departing, id="a")

        def delete() -> int:
            gone: int = departing.delete(**HOME, object_id="a")["last_modified"]
            position = record(departing, Departure("a", GONE, ["alice"]))
            assert position > gone
            assert departed(departing, "alice") == [Departed("a", position, GONE)]
            return position

        position = departing.atomic(delete, **HOME)

        assert departed(departing, "alice") == [Departed("a", position, GONE)]
        assert timestamp(departing) == position
        assert tombstones(departing)[0]["last_modified"] < position

    @clause("E-12.1", "D-60")
    def test_positions_of_many_writers_are_distinct(self, departing: StorageBase) -> None:
        def work(rank: int) -> list[int]:
            if rank:
                return [left(departing, f"{rank}{n}", "alice") for n in range(5)]
            return revisions(create(departing) for _ in range(5))

        stamps: list[int] = []
        for outcome in in_threads(4, work):
            assert isinstance(outcome, list), outcome
            assert outcome == sorted(outcome)
            stamps += outcome

        assert len(set(stamps)) == 20
        assert max(stamps) == timestamp(departing)
        assert len(departed(departing, "alice")) == 15

    # Purges

    @clause("E-12.5", "E-13.1")
    def test_departures_are_purged_by_age(self, departing: StorageBase) -> None:
        create(departing, id="a")
        tombstone = departing.delete(**HOME, object_id="a")["last_modified"]
        stamps = [left(departing, f"r{n}", "alice", "bob") for n in range(3)]

        assert departing.purge_deleted(**HOME, before=stamps[1]) == 1

        assert [one.position for one in departed(departing, "bob")] == stamps[1:]
        assert departing.collection_history(**HOME).purged == stamps[0] > tombstone
        assert departing.purge_deleted(**HOME) == 0
        assert departed(departing, "alice") == []
        assert departing.collection_history(**HOME).purged == stamps[2]
        assert timestamp(departing) == stamps[2]

    @clause("E-12.5", "E-13.1")
    def test_the_latest_departures_are_kept(self, departing: StorageBase) -> None:
        stamps = [left(departing, f"r{n}", "alice") for n in range(4)]

        assert departing.purge_deleted(**HOME, max_retained=5) == 0
        assert len(departed(departing, "alice")) == 4
        assert departing.purge_deleted(None, Pattern("ali*"), max_retained=1) == 0

        assert [one.position for one in departed(departing, "alice")] == stamps[3:]
        assert departing.collection_history(**HOME).purged == stamps[2]
        departing.purge_deleted(**HOME, max_retained=0)
        assert departed(departing, "alice") == []

    @clause("E-12.5", "B-3.9")
    def test_a_flush_removes_departures(self, departing: StorageBase) -> None:
        left(departing, "a", "alice")

        departing.flush()
        create(departing)

        assert departed(departing, "alice") == []

    # Copies

    @clause("E-12.5", "E-7.3")
    def test_departures_are_copied(self, departing: StorageBase) -> None:
        if not departing.is_transferable:
            pytest.skip("This storage cannot be copied.")
        create(departing, id="a")
        left(departing, "é", "bob", "alice")
        record(departing, Departure("a", LATE), **OTHER_PARENT)
        departing.collection_timestamp(**OTHER_COLLECTION)
        before = self.everything(departing)
        assert [departures for *_, departures in before] == [
            [],
            [
                StoredDeparture("é", "alice", timestamp(departing), "left"),
                StoredDeparture("é", "bob", timestamp(departing), "left"),
            ],
            [StoredDeparture("a", "", departing.collection_timestamp(**OTHER_PARENT), "late")],
        ]

        departing.flush()
        departing.import_(
            [
                ImportedCollection(
                    parent_id,
                    collection_id,
                    stamp,
                    entries,
                    purged=history.purged,
                    epoch=history.epoch,
                    departures=departures,
                )
                for (parent_id, collection_id, stamp), entries, history, departures in before
            ]
        )
        assert self.everything(departing) == before

        departing.import_(
            [
                ImportedCollection(
                    PARENT,
                    COLLECTION,
                    FAR,
                    departures=[StoredDeparture("b", "bob", 7, "gone")],
                    removed_departures=[("é", "bob"), ("unknown", "bob")],
                )
            ]
        )
        assert departed(departing, "bob") == [Departed("b", 7, GONE)]
        assert [one.id for one in departed(departing, "alice")] == ["é"]
        departing.import_([ImportedCollection(PARENT, COLLECTION, None)])
        assert departed(departing, "alice", "bob") == []

    @staticmethod
    def everything(storage: StorageBase) -> list[Any]:
        """Return all that a storage exports, collection by collection."""
        return [
            (one[:3], list(one.entries), History(one.purged, one.epoch), list(one.departures))
            for one in storage.export()
        ]

    @clause("E-12.5", "X-28")
    def test_departures_are_never_after_the_collection(self, departing: StorageBase) -> None:
        if not departing.is_transferable:
            pytest.skip("This storage cannot be copied.")
        create(departing, last_modified=FAR)
        left(departing, "a", "alice")

        departing.rewind(COLLECTION, PARENT, time.time_ns() // 1_000_000)

        (one,) = departed(departing, "alice")
        assert one.position == timestamp(departing) < FAR


class TransactedDepartureTests:
    """Tests of departures in the transaction of a request."""

    @clause("E-12.1", "X-18")
    def test_a_failed_request_leaves_no_departure(self, storage: StorageBase) -> None:
        if not storage.keeps_departures:
            pytest.skip("this storage keeps no departures")
        create(storage, id="a")
        before = timestamp(storage)

        with suppress(OperationError), request_transaction():
            storage.delete(**HOME, object_id="a")
            left(storage, "a", "alice")
            assert len(departed(storage, "alice")) == 1
            assert in_another_thread(lambda: departed(storage, "alice")) == []
            raise OperationError

        assert departed(storage, "alice") == []
        assert timestamp(storage) == before
