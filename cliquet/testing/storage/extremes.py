"""Tests that the largest lists that a client can ask for are as correct as small ones."""

from __future__ import annotations

from typing import Any, Final

import pytest

from cliquet.storage import StorageBase
from cliquet.storage.query import COMPARISON, MISSING, Filter, Sort
from cliquet.testing.storage.common import HOME, clause, create, create_each, listed, where
from cliquet.testing.storage.pagination import rules_after

MANY: Final = 1000
# It is the greatest number that `_sort` accepts.
CRITERIA: Final = 64
# It is deeper than the body of a request may be.
STEPS: Final = 150


def nested(value: Any, *names: str) -> Any:
    """Return a value inside one object for each name."""
    for name in reversed(names):
        value = {name: value}
    return value


class ExtremeQueryTests:
    """Tests of filters, sorting and pages with many and deep values."""

    @clause("B-6.8", "X-34")
    def test_a_thousand_filters_apply_all(self, storage: StorageBase) -> None:
        create_each(storage, "n", range(5))
        filters = [Filter("n", n, COMPARISON.NOT) for n in range(2, MANY)]

        assert listed(storage, "n", filters=filters) == [0, 1]
        assert storage.count_all(**HOME, filters=filters) == 2

    @clause("B-6.8", "X-34")
    def test_one_of_a_thousand_rules_is_enough(self, storage: StorageBase) -> None:
        create_each(storage, "n", range(5))
        rules = [[Filter("n", n, COMPARISON.EQ)] for n in range(3, MANY)]

        assert listed(storage, "n", pagination_rules=rules) == [3, 4]

    @clause("B-6.12", "X-34")
    @pytest.mark.parametrize("field", ["n", "id", "last_modified"])
    def test_lists_of_thousands_are_lists(self, storage: StorageBase, field: str) -> None:
        records = create_each(storage, "n", range(5))
        wanted = [record[field] for record in records[:2]]
        odd = [f"{n}" for n in range(MANY)] if field != "last_modified" else []
        values = [*wanted * MANY, *range(MANY, 5 * MANY), *odd]

        assert listed(storage, "n", filters=where(field, "IN", values)) == [0, 1]
        assert listed(storage, "n", filters=where(field, "EXCLUDE", values)) == [2, 3, 4]

    @clause("B-21.17", "X-34")
    def test_arrays_are_searched_for_thousands(self, storage: StorageBase) -> None:
        many = list(range(MANY))
        arrays = [many, [1, 2.0, "1"], [True, [1], {"a": 1}], [], many[:-1], "1"]
        create_each(storage, "x", arrays)

        def found(operator: str, values: list[Any]) -> list[Any]:
            kept = listed(storage, "x", filters=where("x", operator, values))
            return [n for n, array in enumerate(arrays) if array in kept]

        assert found("CONTAINS", many * 2) == [0]
        # Equal values count once, however they are written.
        assert found("CONTAINS", [1, 1.0, 2] * MANY) == [0, 1, 4]
        assert found("CONTAINS", [[1.0], {"a": 1.0}, True] * MANY) == [2]
        assert found("CONTAINS", [1, True] * MANY) == []
        assert found("CONTAINS_ANY", [f"{n}" for n in many]) == [1]
        assert found("CONTAINS_ANY", [*range(MANY, 3 * MANY), {"a": 1.0}]) == [2]

    @clause("B-6.22", "B-6.18", "B-21.12", "X-34")
    @pytest.mark.parametrize("first", ["n", "deleted"])
    @pytest.mark.parametrize("turns", [False, True])
    def test_what_follows_in_an_order_of_many_criteria(
        self, storage: StorageBase, first: str, turns: bool
    ) -> None:
        for n in range(6):
            create(storage, id=f"{n}", n=n % 2, **{f"x{CRITERIA - 3 - n % 3}": n % 3})
        storage.delete(**HOME, object_id="3")
        storage.delete(**HOME, object_id="4")
        sorting = [
            Sort(first, 1),
            *(Sort(f"x{n}", -1 if turns and n % 2 else 1) for n in range(CRITERIA - 3)),
            Sort("last_modified", -1),
            Sort("id", 1),
        ]
        options: dict[str, Any] = {**HOME, "sorting": sorting, "include_deleted": True}
        ordered = storage.list_all(**options)
        assert len(ordered) == 6

        for rank, record in enumerate(ordered):
            rules = rules_after(record, sorting)
            assert storage.list_all(**options, pagination_rules=rules) == ordered[rank + 1 :]

    @clause("B-6.22", "B-21.12")
    @pytest.mark.parametrize("ascends", [True, False])
    @pytest.mark.parametrize("value", [None, "a", 1, False, True, [], {}, MISSING])
    def test_the_mark_of_tombstones_has_its_place_among_all_values(
        self, storage: StorageBase, value: Any, ascends: bool
    ) -> None:
        create(storage, id="kept")
        create(storage, id="gone")
        storage.delete(**HOME, object_id="gone")
        sorting = [Sort("deleted", 1 if ascends else -1), Sort("id", 1)]
        record = {"id": "z"} if value is MISSING else {"id": "z", "deleted": value}
        rules = rules_after(record, sorting)
        # These rules do not come from any order.
        unordered = [*rules, rules[0]]

        options: dict[str, Any] = {**HOME, "sorting": sorting, "include_deleted": True}
        expected = storage.list_all(**options, pagination_rules=unordered)
        assert storage.list_all(**options, pagination_rules=rules) == expected

    @clause("B-21.13", "X-34")
    @pytest.mark.parametrize("steps", [3, STEPS])
    def test_paths_may_be_long(self, storage: StorageBase, steps: int) -> None:
        names = ["a\"'", *["0"] * (steps - 2), "é\\"]
        path = ".".join(names)
        create(storage, id="nested", **nested(1, *names))
        create(storage, id="null", **nested(None, *names))
        create(storage, id="literal", **{path: 1}, **nested(2, *names))
        create(storage, id="arrays", **{names[0]: nested([{"0": [{names[-1]: 1}]}], *names[1:-2])})
        create(storage, id="short", **nested(1, *names[:-1]))

        assert sorted(listed(storage, filters=where(path, "EQ", 1))) == ["literal", "nested"]
        assert listed(storage, filters=where(path, "EQ", 2)) == []
        assert sorted(listed(storage, filters=where(path, "HAS", False))) == ["arrays", "short"]
        ordered = listed(storage, sorting=[Sort(path, 1), Sort("id", 1)])
        assert ordered == ["null", "literal", "nested", "arrays", "short"]

    @clause("B-21.16", "X-34")
    def test_patterns_may_be_all_stars(self, storage: StorageBase) -> None:
        create_each(storage, "x", ["a" * 5000, "a" * 5000 + "b"])

        assert len(listed(storage, filters=where("x", "LIKE", "*a" * MANY + "*"))) == 2
        pattern = "*a" * MANY + "*b"
        assert listed(storage, "x", filters=where("x", "LIKE", pattern)) == ["a" * 5000 + "b"]
        assert listed(storage, filters=where("x", "LIKE", "*aa" * MANY + "*c")) == []

    @clause("B-21.16", "X-34")
    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("b.c", ["B.c"]),
            ("*.C\n", ["B.c"]),
            ("x*.*\n", ["B.c"]),
            ("***b**.c**", ["B.c"]),
            ("x*b.c", []),
            ("\\d%_[", ["\\d%_["]),
            ("(^a|É)+?$", ["(^a|É)+?$"]),
            ("{2}", ["é{2}"]),
            ("É{2", ["é{2}"]),
            ("x" * 2000, ["B.c", "\\d%_[", "(^a|É)+?$", "é{2}"]),
            ("*", ["B.c", "\\d%_[", "(^a|É)+?$", "é{2}"]),
        ],
    )
    def test_long_texts_are_searched_as_short_ones_are(
        self, storage: StorageBase, pattern: str, expected: list[str]
    ) -> None:
        inner = ["B.c", "\\d%_[", "(^a|É)+?$", "é{2}"]
        create_each(storage, "x", ["x" * 200_000 + text + "\n" for text in inner])

        found = listed(storage, "x", filters=where("x", "LIKE", pattern))

        assert [text.strip("x\n") for text in found] == expected

    @clause("B-6.2")
    def test_a_list_without_limit_counts_what_it_shows(self, storage: StorageBase) -> None:
        create_each(storage, "n", range(5))
        storage.delete(**HOME, object_id=create(storage, n=4)["id"])
        filters = where("last_modified", "GT", 0) + where("n", "NOT", 0)

        records, total = storage.get_all(**HOME, filters=filters, include_deleted=True)

        assert (len(records), total) == (5, 4)
        assert storage.get_all(**HOME, filters=filters, limit=2)[1] == 4
        rules = [where("n", "GT", 3)]
        assert storage.get_all(**HOME, filters=filters, pagination_rules=rules)[1] == 4
        assert storage.get_all(**HOME, filters=where("n", "EQ", 9)) == ([], 0)
