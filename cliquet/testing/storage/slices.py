"""Tests that a purge in slices is a purge, and leaves a true horizon after each slice."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from cliquet.core.globs import Exact
from cliquet.storage import StorageBase
from cliquet.storage.departures import Departure, DepartureKind
from cliquet.storage.history import History
from cliquet.testing.storage.common import (
    COLLECTION,
    HOME,
    OTHER_PARENT,
    clause,
    create,
    in_another_thread,
    in_threads,
    timestamp,
    tombstones,
)
from cliquet.types import Record


def bury(storage: StorageBase, *object_ids: str, last_modified: int | None = None) -> list[int]:
    """Create and delete records; return the timestamps of their tombstones."""
    stamps = []
    for object_id in object_ids:
        create(storage, id=object_id)
        tombstone = storage.delete(**HOME, object_id=object_id, last_modified=last_modified)
        stamps.append(tombstone["last_modified"])
    return stamps


def ids(records: list[Record]) -> list[str]:
    return [record["id"] for record in records]


class SliceTests:
    """Tests of ``purge_slices()``."""

    @pytest.fixture
    def slicing(self, storage: StorageBase) -> StorageBase:
        """Return the storage, if it purges in slices."""
        if type(storage).purge_slices is StorageBase.purge_slices:
            pytest.skip("this storage purges in one step")
        return storage

    @clause("E-7.7", "E-13.1")
    def test_the_oldest_go_first_and_the_horizon_follows(self, slicing: StorageBase) -> None:
        stamps = bury(slicing, *"abcdefg")
        create(slicing, id="live")
        slicing.create(**OTHER_PARENT, record={"id": "a"})
        slicing.delete(**OTHER_PARENT, object_id="a")
        before = timestamp(slicing)

        seen = [
            (number, ids(tombstones(slicing)), slicing.collection_history(**HOME).purged)
            for number in slicing.purge_slices(**HOME, size=3)
        ]

        assert [one for one in seen if one[0]] == [
            (3, ["d", "e", "f", "g"], stamps[2]),
            (3, ["g"], stamps[5]),
            (1, [], stamps[6]),
        ]
        assert timestamp(slicing) == before
        assert slicing.count_all(**HOME) == 1
        assert slicing.collection_history(**OTHER_PARENT).purged == 0
        assert sum(slicing.purge_slices(**HOME, size=3)) == 0

    @clause("E-7.7")
    @pytest.mark.parametrize("size", [1, 2, 4, 5, 100])
    @pytest.mark.parametrize("keyword", ["before", "max_retained", None])
    def test_slices_remove_what_a_purge_would(
        self, slicing: StorageBase, size: int, keyword: str | None
    ) -> None:
        stamps = bury(slicing, *"abcdef")
        wanted = {"before": stamps[4], "max_retained": 2}
        limit: dict[str, Any] = {keyword: wanted[keyword]} if keyword else {}

        numbers = list(slicing.purge_slices(**HOME, size=size, **limit))

        expected = 4 if keyword else 6
        assert sum(numbers) == expected
        assert max(numbers) == min(size, expected)
        assert ids(tombstones(slicing)) == list("abcdef")[expected:]
        assert slicing.collection_history(**HOME).purged == stamps[expected - 1]

    @clause("E-7.7", "E-12.5")
    def test_departures_of_the_same_ages_go_with_them(self, slicing: StorageBase) -> None:
        if not slicing.keeps_departures:
            pytest.skip("this storage keeps no departures")
        positions = []
        for number in range(4):
            bury(slicing, f"r{number}")
            lost = [Departure(f"r{number}", DepartureKind.GONE, ["ann", "bob"])]
            positions.append(slicing.record_departures(**HOME, departures=lost))

        def left() -> tuple[int, int]:
            departed = slicing.list_departures(**HOME, after=0, principals=["ann", "bob"])
            return len(tombstones(slicing)), len({one.position for one in departed})

        # A slice of three has a tombstone with its two departures, and never more.
        steps = [left()]
        for _ in slicing.purge_slices(**HOME, size=3):
            steps.append(left())
            horizon = slicing.collection_history(**HOME).purged
            assert horizon == positions[3 - steps[-1][1]]

        assert [one for one, _ in itertools.groupby(steps)] == [(n, n) for n in (4, 3, 2, 1, 0)]

    @clause("E-7.7")
    def test_those_with_one_timestamp_go_together(self, slicing: StorageBase) -> None:
        bury(slicing, *"abcde", last_modified=12)
        bury(slicing, "f")

        numbers = [one for one in slicing.purge_slices(**HOME, size=2) if one]

        assert numbers == [5, 1]

    @clause("E-7.7")
    def test_the_parent_is_a_name(self, slicing: StorageBase) -> None:
        bury(slicing, "a")

        assert sum(slicing.purge_slices(COLLECTION, Exact("*"), 10)) == 0
        assert sum(slicing.purge_slices(COLLECTION, "*", 10)) == 0
        assert slicing.collection_history("unknown", "nobody") == History()
        assert sum(slicing.purge_slices("unknown", "nobody", 10)) == 0

    @clause("E-7.7")
    def test_two_limits_are_refused(self, slicing: StorageBase) -> None:
        with pytest.raises(ValueError, match="exclude each other"):
            next(slicing.purge_slices(**HOME, size=1, before=1, max_retained=1))

    @clause("E-7.7", "E-13.1")
    def test_an_abandoned_purge_leaves_what_another_one_finishes(
        self, slicing: StorageBase
    ) -> None:
        stamps = bury(slicing, *"abcde")
        steps = slicing.purge_slices(**HOME, size=2)
        assert next(steps) == 2
        del steps

        assert ids(tombstones(slicing)) == ["c", "d", "e"]
        assert slicing.collection_history(**HOME).purged == stamps[1]
        assert sum(slicing.purge_slices(**HOME, size=2)) == 3

    @clause("E-7.7")
    def test_others_write_between_two_slices(self, slicing: StorageBase) -> None:
        bury(slicing, *"abcd")
        numbers = []

        for number in slicing.purge_slices(**HOME, size=2):
            numbers.append(number)
            if len(numbers) == 1:
                # The record comes back, and is deleted again: its tombstone is the latest one.
                in_another_thread(lambda: bury(slicing, "c"))
                in_another_thread(lambda: create(slicing, id="d"))
                slicing.purge_deleted(COLLECTION, "nobody")

        assert slicing.count_all(**HOME) == 1
        assert sum(slicing.purge_slices(**HOME, size=2)) + sum(numbers) == 3
        assert tombstones(slicing) == []

    @clause("E-7.7", "D-61")
    def test_purges_in_slices_while_others_write(self, slicing: StorageBase) -> None:
        def work(rank: int) -> list[int]:
            if rank == 0:
                return [sum(slicing.purge_slices(**HOME, size=2)) for _ in range(4)]
            return bury(slicing, *(f"{rank}-{n}" for n in range(5)))

        outcomes = in_threads(3, work)

        assert not [one for one in outcomes if isinstance(one, Exception)]
        assert all(isinstance(outcome, list) for outcome in outcomes)
        sum(slicing.purge_slices(**HOME, size=3))
        stamps = [stamp for one in outcomes[1:] if isinstance(one, list) for stamp in one]
        assert slicing.collection_history(**HOME).purged == max(stamps)
        assert tombstones(slicing) == []
