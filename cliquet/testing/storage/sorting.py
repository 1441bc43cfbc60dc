"""Tests of sorting: the order of JSON values, several criteria, tombstones."""

from __future__ import annotations

from typing import Any

import pytest

from cliquet.storage import StorageBase
from cliquet.storage.query import Sort
from cliquet.testing.storage.common import HOME, clause, create, create_each, listed

# JSON values in ascending order.
ORDERED: list[Any] = [
    None,
    "",
    "10",
    "9",
    "B",
    "a",
    "a ",
    "aa",
    "é",
    "\uffee",
    "\U0001f344",
    -1.5,
    0,
    0.5,
    9,
    2**53,
    2**53 + 1,
    False,
    True,
    [],
    ["z"],
    [3],
    [None, 3],
    ["a", 1],
    [1, 2],
    [[], 1],
    {},
    {"a": 2},
    {"b": 1},
    {"a": 3, "b": "a"},
    {"a": 1, "c": 0},
]


class SortingTests:
    """Tests of the order of lists."""

    @clause("B-6.19", "X-26", "B-6.18", "B-6.21", "B-22.24", "H-13.6", "H-13.7", "D-32")
    def test_values_of_all_types_have_an_order(self, storage: StorageBase) -> None:
        expected = [*ORDERED, "-"]
        for n, value in enumerate(reversed(ORDERED)):
            create(storage, n=n, x=value)
            if n == 3:
                create(storage, n=-1)

        ascending = listed(storage, "x", sorting=[Sort("x", 1)])
        descending = listed(storage, "x", sorting=[Sort("x", -1)])

        assert [repr(value) for value in ascending] == [repr(value) for value in expected]
        assert descending == expected[::-1]

    @clause("B-6.17")
    def test_the_first_criterion_is_the_most_significant(self, storage: StorageBase) -> None:
        for a in (1, 0):
            for b in (0, 2, 1):
                create(storage, a=a, b=b, ab=f"{a}{b}")

        def sorted_by(*sorting: Sort) -> list[str]:
            return listed(storage, "ab", sorting=list(sorting))

        assert sorted_by(Sort("a", 1), Sort("b", 1)) == ["00", "01", "02", "10", "11", "12"]
        assert sorted_by(Sort("a", 1), Sort("b", -1)) == ["02", "01", "00", "12", "11", "10"]
        assert sorted_by(Sort("b", -1), Sort("a", 1)) == ["02", "12", "01", "11", "00", "10"]
        assert sorted_by(Sort("b", -1), Sort("a", -1)) == ["12", "02", "11", "01", "10", "00"]

    @clause("B-6.17")
    def test_three_criteria_of_one_direction(self, storage: StorageBase) -> None:
        for text in ("ccc", "aab", "aba", "aaa", "baa"):
            create(storage, x=text[0], y=text[1], z=text[2], text=text)

        sorting = [Sort("x", 1), Sort("y", 1), Sort("z", 1)]

        assert listed(storage, "text", sorting=sorting) == ["aaa", "aab", "aba", "baa", "ccc"]

    @clause("B-6.21")
    def test_ids_are_in_code_point_order(self, storage: StorageBase) -> None:
        ids = ["0", "9", "A", "Z", "_", "a", "a-b", "a0", "aB", "ab", "é"]
        for object_id in reversed(ids):
            create(storage, id=object_id)

        assert listed(storage, sorting=[Sort("id", 1)]) == ids
        assert listed(storage, sorting=[Sort("id", -1)]) == ids[::-1]

    @clause("B-6.18")
    def test_sorting_by_timestamp_mixes_tombstones_and_records(self, storage: StorageBase) -> None:
        first, second, third = create_each(storage, "n", range(3))
        storage.delete(**HOME, object_id=first["id"])
        storage.update(**HOME, object_id=second["id"], record={})
        ids = [third["id"], first["id"], second["id"]]

        by_time = [Sort("last_modified", 1)]

        assert listed(storage, sorting=by_time, include_deleted=True) == ids
        by_time = [Sort("last_modified", -1)]
        assert listed(storage, sorting=by_time, include_deleted=True) == ids[::-1]

    @clause("B-6.18", "H-13.7")
    @pytest.mark.parametrize("direction", [1, -1])
    def test_tombstones_lack_ordinary_fields(self, storage: StorageBase, direction: int) -> None:
        doomed = create(storage, n=5)
        create(storage, n=7)
        storage.delete(**HOME, object_id=doomed["id"])

        found = listed(storage, "n", sorting=[Sort("n", direction)], include_deleted=True)

        assert found == [7, "-"][::direction]

    @clause("B-6.18")
    def test_sorting_by_the_mark_puts_tombstones_first(self, storage: StorageBase) -> None:
        create(storage, n=1)
        storage.delete(**HOME, object_id=create(storage, n=2)["id"])
        create(storage, n=3)
        by_time = Sort("last_modified", 1)

        first = listed(storage, "n", sorting=[Sort("deleted", 1), by_time], include_deleted=True)
        last = listed(storage, "n", sorting=[Sort("deleted", -1), by_time], include_deleted=True)

        assert first == ["-", 1, 3]
        assert last == [1, 3, "-"]

    @clause("B-21.13")
    def test_dots_address_nested_objects(self, storage: StorageBase) -> None:
        create(storage, n=1, person={"age": 30})
        create(storage, n=2, person={"age": 4})
        storage.create(**HOME, record={"n": 3, "person.age": 5, "person": {"age": 100}})
        create(storage, n=4)

        assert listed(storage, "n", sorting=[Sort("person.age", 1)]) == [2, 3, 1, 4]
