"""Tests of filters: each operator with each type of value."""

from __future__ import annotations

from typing import Any

import pytest

from cliquet.storage import StorageBase
from cliquet.storage.query import MISSING, Filter
from cliquet.testing.storage.common import HOME, clause, create, create_each, listed, where

MIXED: list[Any] = [
    None,
    "",
    "10",
    "null",
    "true",
    0,
    1,
    2.5,
    10,
    False,
    True,
    [],
    [1, 2],
    {"a": 1},
]


def kept(storage: StorageBase, field: str, operator: str, value: Any) -> list[Any]:
    """Return the values of `field` that a filter keeps, in the order of creation."""
    return listed(storage, field, filters=where(field, operator, value))


def typed(values: list[Any]) -> list[tuple[type, Any]]:
    """Make true and 1 different."""
    return [(type(value), value) for value in values]


class FilterTests:
    """Tests of the records that each filter keeps."""

    @pytest.mark.parametrize(
        ("operator", "value", "expected"),
        [
            ("EQ", 1, [1]),
            ("EQ", 1.0, [1]),
            ("EQ", 10, [10]),
            ("EQ", "10", ["10"]),
            ("EQ", "null", ["null"]),
            ("EQ", "", [""]),
            ("EQ", None, [None]),
            ("EQ", True, [True]),
            ("EQ", False, [False]),
            ("EQ", 0, [0]),
            ("EQ", "true", ["true"]),
            ("EQ", [], [[]]),
            ("EQ", [1, 2], [[1, 2]]),
            ("EQ", [1], []),
            ("EQ", [2, 1], []),
            ("EQ", {"a": 1}, [{"a": 1}]),
            ("EQ", {"a": True}, []),
            ("EQ", {}, []),
            ("LT", 1, [0]),
            ("MAX", 1, [0, 1]),
            ("MIN", 2.5, [2.5, 10]),
            ("GT", 0, [1, 2.5, 10]),
            ("LT", "null", ["", "10"]),
            ("MAX", "null", ["", "10", "null"]),
            ("MIN", "null", ["null", "true"]),
            ("GT", "", ["10", "null", "true"]),
            ("LT", True, [False]),
            ("MIN", True, [True]),
            ("MAX", True, [False, True]),
            ("GT", True, []),
            ("LT", None, []),
            ("MAX", None, []),
            ("MIN", None, []),
            ("GT", [], []),
            ("MIN", {}, []),
            ("IN", [1, "10", None], [None, "10", 1]),
            ("IN", (True,), [True]),
            ("IN", {0, "true"}, ["true", 0]),
            ("IN", [[1, 2], {"a": 1}], [[1, 2], {"a": 1}]),
            ("IN", [], []),
            ("IN", [""], [""]),
            ("IN", [2.5, False], [2.5, False]),
        ],
        ids=repr,
    )
    @clause("B-6.14", "B-6.15", "B-21.14", "B-21.18", "B-22.24", "X-16", "D-15")
    def test_values_are_compared_with_their_type(
        self, storage: StorageBase, operator: str, value: Any, expected: list[Any]
    ) -> None:
        create(storage, other="x is missing")
        create_each(storage, "x", MIXED)

        assert typed(kept(storage, "x", operator, value)) == typed(expected)

    @pytest.mark.parametrize(
        ("operator", "value", "left_out"),
        [
            ("NOT", 1, [1]),
            ("NOT", True, [True]),
            ("NOT", None, [None]),
            ("NOT", "10", ["10"]),
            ("NOT", [1, 2], [[1, 2]]),
            ("EXCLUDE", [1, "10", None], [None, "10", 1]),
            ("EXCLUDE", {False}, [False]),
            ("EXCLUDE", [], []),
            ("EXCLUDE", [MISSING], ["-"]),
            ("EXCLUDE", [None, MISSING], ["-", None]),
        ],
        ids=repr,
    )
    @clause("B-6.14", "X-17")
    def test_negative_operators_keep_all_the_rest(
        self, storage: StorageBase, operator: str, value: Any, left_out: list[Any]
    ) -> None:
        create(storage, other="x is missing")
        create_each(storage, "x", MIXED)

        expected = [v for v in typed(["-", *MIXED]) if v not in typed(left_out)]

        assert typed(kept(storage, "x", operator, value)) == expected

    @clause("X-17", "B-21.12")
    def test_missing_in_a_list_stands_for_the_absence(self, storage: StorageBase) -> None:
        create(storage)
        create_each(storage, "x", [None, "", 1])

        assert kept(storage, "x", "IN", [None, MISSING]) == ["-", None]
        assert kept(storage, "x", "IN", [MISSING]) == ["-"]

    @clause("B-21.12")
    @pytest.mark.parametrize(
        "operator", ["EQ", "NOT", "LT", "MAX", "MIN", "GT", "LIKE", "HAS", "CONTAINS"]
    )
    def test_missing_is_refused_by_the_operators_of_filters(
        self, storage: StorageBase, operator: str
    ) -> None:
        create(storage, x=1)

        with pytest.raises(ValueError, match="x"):
            listed(storage, filters=where("x", operator, MISSING))

    @clause("B-6.8")
    def test_all_filters_must_match(self, storage: StorageBase) -> None:
        for n in range(4):
            create(storage, n=n, even=n % 2 == 0)

        filters = [*where("n", "MIN", 1), *where("even", "EQ", True), *where("n", "LT", 9)]

        assert listed(storage, "n", filters=filters) == [2]
        assert storage.count_all(**HOME, filters=filters) == 1

    @clause("B-22.25", "B-6.13")
    def test_zero_and_one_compare_as_numbers(self, storage: StorageBase) -> None:
        create_each(storage, "x", [0, 1, 2, 10, -5, "abc"])

        assert kept(storage, "x", "LT", 1) == [0, -5]
        assert kept(storage, "x", "GT", 1) == [2, 10]
        assert kept(storage, "x", "MIN", 0) == [0, 1, 2, 10]

    @clause("B-6.13", "X-26")
    def test_whole_numbers_and_decimals_compare_exactly(self, storage: StorageBase) -> None:
        create_each(storage, "x", [2**53, 2**53 + 1, 0.5, 9.75, -3])

        assert kept(storage, "x", "GT", float(2**53)) == [2**53 + 1]
        assert kept(storage, "x", "EQ", float(2**53)) == [2**53]
        assert kept(storage, "x", "LT", 1) == [0.5, -3]
        assert kept(storage, "x", "MAX", 9.75) == [0.5, 9.75, -3]

    @clause("B-6.13")
    def test_text_that_looks_like_a_number_is_text(self, storage: StorageBase) -> None:
        create_each(storage, "phone", ["0566199093", "566199093", 566199093])

        assert kept(storage, "phone", "EQ", "0566199093") == ["0566199093"]
        assert kept(storage, "phone", "EQ", 566199093) == [566199093]

    @clause("B-6.10", "B-6.12")
    def test_ids_are_compared_as_text(self, storage: StorageBase) -> None:
        for object_id in ("a", "b", "B", "c", "10"):
            create(storage, id=object_id)

        assert kept(storage, "id", "EQ", "b") == ["b"]
        assert kept(storage, "id", "GT", "a") == ["b", "c"]
        assert kept(storage, "id", "MAX", "B") == ["B", "10"]
        assert kept(storage, "id", "IN", ["a", "c", "unknown"]) == ["a", "c"]
        assert kept(storage, "id", "IN", ("a",)) == ["a"]
        assert kept(storage, "id", "EXCLUDE", {"a", "c"}) == ["b", "B", "10"]
        assert kept(storage, "id", "NOT", "10") == ["a", "b", "B", "c"]

    @clause("B-6.14", "B-21.21")
    def test_a_number_compared_with_an_id_stands_for_its_text(self, storage: StorageBase) -> None:
        for object_id in ("10", "2", "x"):
            create(storage, id=object_id)

        assert kept(storage, "id", "EQ", 10) == ["10"]
        assert kept(storage, "id", "NOT", 10) == ["2", "x"]
        assert kept(storage, "id", "IN", [2, "x"]) == ["2", "x"]
        assert kept(storage, "id", "LT", 2) == ["10"]
        assert kept(storage, "id", "EQ", True) == []

    @clause("B-6.10", "D-16")
    def test_filters_on_the_timestamp_see_tombstones(self, storage: StorageBase) -> None:
        first, second, third = create_each(storage, "n", range(3))
        deleted = storage.delete(**HOME, object_id=second["id"])

        def kept_ids(operator: str, value: Any) -> list[str]:
            return listed(
                storage, filters=where("last_modified", operator, value), include_deleted=True
            )

        assert kept_ids("GT", first["last_modified"]) == [third["id"], second["id"]]
        assert kept_ids("EQ", deleted["last_modified"]) == [second["id"]]
        assert kept_ids("LT", third["last_modified"]) == [first["id"]]
        assert kept_ids("MAX", third["last_modified"]) == [first["id"], third["id"]]
        assert kept_ids("NOT", third["last_modified"]) == [first["id"], second["id"]]
        assert kept_ids("IN", [first["last_modified"], 0]) == [first["id"]]
        assert kept_ids("EXCLUDE", [first["last_modified"]]) == [third["id"], second["id"]]
        assert kept_ids("GT", "0") == []

    @clause("D-16", "B-6.11", "X-16")
    def test_tombstones_have_no_other_field(self, storage: StorageBase) -> None:
        create(storage, n=1)
        deleted = storage.delete(**HOME, object_id=create(storage, n=2)["id"])

        def with_tombstones(*filters: Filter) -> list[Any]:
            return listed(storage, "n", filters=list(filters), include_deleted=True)

        assert with_tombstones(*where("n", "EQ", 2)) == []
        assert with_tombstones(*where("n", "MIN", 0)) == [1]
        assert with_tombstones(*where("n", "NOT", 1)) == ["-"]
        assert with_tombstones(*where("n", "EXCLUDE", [1])) == ["-"]
        assert with_tombstones(*where("n", "EQ", None)) == []
        assert with_tombstones(*where("last_modified", "MIN", 0), *where("n", "GT", 0)) == [1]
        assert with_tombstones(*where("id", "EQ", deleted["id"])) == ["-"]

    @clause("B-6.10")
    def test_filters_on_the_mark_tell_tombstones_from_records(self, storage: StorageBase) -> None:
        create(storage, n=1)
        storage.delete(**HOME, object_id=create(storage, n=2)["id"])

        def both(operator: str, value: Any) -> tuple[list[Any], int]:
            page, total = storage.get_all(
                **HOME, filters=where("deleted", operator, value), include_deleted=True
            )
            return [record.get("n", "-") for record in page], total

        assert both("EQ", True) == (["-"], 0)
        assert both("NOT", True) == ([1], 1)
        assert both("EQ", False) == ([], 0)
        assert both("HAS", True) == (["-"], 0)
        assert both("HAS", False) == ([1], 1)
        assert storage.get_all(**HOME, filters=where("deleted", "EQ", True)) == ([], 0)
        assert listed(storage, "n", filters=where("deleted", "NOT", True)) == [1]

    @clause("B-21.13")
    def test_dots_address_nested_objects(self, storage: StorageBase) -> None:
        create_each(storage, "person", [{"age": 3}, {"age": "3"}, {"name": "x"}, [3], "age", None])

        assert kept_people(storage, "EQ", 3) == [{"age": 3}]
        assert kept_people(storage, "MIN", 1) == [{"age": 3}]
        assert kept_people(storage, "NOT", 3) == [{"age": "3"}, {"name": "x"}, [3], "age", None]
        assert kept_people(storage, "HAS", True) == [{"age": 3}, {"age": "3"}]

    @clause("B-21.13", "B-6.9")
    def test_a_key_with_dots_wins_over_the_nested_reading(self, storage: StorageBase) -> None:
        storage.create(**HOME, record={"id": "both", "a.b": 1, "a": {"b": 2}})
        storage.create(**HOME, record={"id": "flat", "a.b": 2})
        storage.create(**HOME, record={"id": "null", "a.b": None, "a": {"b": 2}})

        assert listed(storage, filters=where("a.b", "EQ", 1)) == ["both"]
        assert listed(storage, filters=where("a.b", "EQ", 2)) == ["flat"]
        assert listed(storage, filters=where("a.b", "EQ", None)) == ["null"]

    @clause("B-7.5", "B-22.37")
    @pytest.mark.parametrize("text", ["'", '"', "\\", "%", "a:b", "é", "x'; --", "$1", "{", "\n"])
    def test_special_characters_are_plain_data(self, storage: StorageBase, text: str) -> None:
        storage.create(**HOME, record={text: text, "id": "mine"})
        create(storage, other=1)

        assert listed(storage, filters=where(text, "EQ", text)) == ["mine"]
        assert listed(storage, filters=where(text, "IN", [text])) == ["mine"]
        assert listed(storage, filters=where(text, "HAS", True)) == ["mine"]

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("bolet", ["Bolet bai", "Le BOLET", "bolet%"]),
            ("BOLET*", ["Bolet bai", "bolet%"]),
            ("*bolet", ["Le BOLET"]),
            ("b*i", ["Bolet bai"]),
            ("*", ["Bolet bai", "Le BOLET", "bolet%", "a_b", "axb", "a.b", ""]),
            ("", ["Bolet bai", "Le BOLET", "bolet%", "a_b", "axb", "a.b", ""]),
            ("a_b", ["a_b"]),
            ("a.b", ["a.b"]),
            ("%", ["bolet%"]),
            ("[a]", []),
            ("\\", []),
        ],
    )
    @clause("B-21.15", "B-21.16", "B-22.43", "B-22.44")
    def test_like_searches_text(
        self, storage: StorageBase, pattern: str, expected: list[str]
    ) -> None:
        create_each(storage, "x", ["Bolet bai", "Le BOLET", "bolet%", "a_b", "axb", "a.b", ""])
        create_each(storage, "x", [None, 1, True, ["bolet"], {"bolet": "bolet"}])
        create(storage)

        assert kept(storage, "x", "LIKE", pattern) == expected

    @clause("B-21.16")
    def test_like_searches_ids(self, storage: StorageBase) -> None:
        create(storage, id="abc")
        create(storage, id="bcd")

        assert kept(storage, "id", "LIKE", "A*") == ["abc"]

    @clause("B-21.15", "B-22.44")
    def test_has_tells_whether_the_field_is_there(self, storage: StorageBase) -> None:
        create(storage, n=1)
        create(storage, n=2, x=None)
        create(storage, n=3, x=0)

        assert listed(storage, "n", filters=where("x", "HAS", True)) == [2, 3]
        assert listed(storage, "n", filters=where("x", "HAS", False)) == [1]
        both = [*where("x", "HAS", True), *where("n", "LT", 3)]
        assert listed(storage, "n", filters=both) == [2]
        both = [*where("n", "LT", 3), *where("x", "HAS", False)]
        assert listed(storage, "n", filters=both) == [1]
        assert len(listed(storage, filters=where("id", "HAS", True))) == 3

    @pytest.mark.parametrize(
        ("operator", "value", "expected"),
        [
            ("CONTAINS", [1], [[1], [1, 2, 2]]),
            ("CONTAINS", [2, 1], [[1, 2, 2]]),
            ("CONTAINS", [1.0], [[1], [1, 2, 2]]),
            ("CONTAINS", [True], [[True, "1"]]),
            ("CONTAINS", [{"a": 1}], [[{"a": 1}, [3]]]),
            ("CONTAINS", [{}], []),
            ("CONTAINS", [3], []),
            ("CONTAINS", [[3]], [[{"a": 1}, [3]]]),
            ("CONTAINS", [], [[], [1], [1, 2, 2], [True, "1"], [{"a": 1}, [3]]]),
            ("CONTAINS_ANY", [2, "1"], [[1, 2, 2], [True, "1"]]),
            ("CONTAINS_ANY", [{"a": 1}, 7], [[{"a": 1}, [3]]]),
            ("CONTAINS_ANY", ["a"], []),
            ("CONTAINS_ANY", [], []),
        ],
        ids=repr,
    )
    @clause("B-21.15", "B-21.17")
    def test_members_of_arrays_can_be_looked_for(
        self, storage: StorageBase, operator: str, value: Any, expected: list[Any]
    ) -> None:
        create_each(storage, "x", [[], [1], [1, 2, 2], [True, "1"], [{"a": 1}, [3]]])
        create_each(storage, "x", [None, 1, "1", "a", {"1": 1}])
        create(storage)

        assert kept(storage, "x", operator, value) == expected

    @clause("B-21.12", "B-6.12")
    @pytest.mark.parametrize(
        ("operator", "value"),
        [
            ("IN", "text"),
            ("EXCLUDE", None),
            ("LIKE", 1),
            ("HAS", "true"),
            ("CONTAINS", "text"),
            ("CONTAINS_ANY", 1),
            ("CONTAINS", [MISSING]),
        ],
    )
    def test_a_value_that_does_not_suit_the_operator_is_refused(
        self, storage: StorageBase, operator: str, value: Any
    ) -> None:
        create(storage, x=1)

        with pytest.raises(ValueError, match=operator):
            listed(storage, filters=where("x", operator, value))


def kept_people(storage: StorageBase, operator: str, value: Any) -> list[Any]:
    """Filter on the member ``age`` of the field ``person``; return the field."""
    return listed(storage, "person", filters=where("person.age", operator, value))
