"""Tests of pagination: rules that cut a sorted list, and pages that follow each other."""

from __future__ import annotations

from typing import Any

import pytest

from cliquet.storage import StorageBase
from cliquet.storage.ordering import json_equal, resolve
from cliquet.storage.query import (
    COMPARISON,
    MISSING,
    Continuation,
    Filter,
    KnownTotal,
    PaginationRule,
    Sort,
)
from cliquet.testing.storage.common import HOME, clause, create, create_each, listed, rule
from cliquet.testing.storage.sorting import ORDERED

# Values where lists are cut: those of the list, a missing one, and some that no record has.
CUTS: list[Any] = [*ORDERED, MISSING, "b", 5, 1e300, [2], [1, 2, 3], {"a": 1}, {"z": None}]


def rules_after(record: dict[str, Any], sorting: list[Sort]) -> list[PaginationRule]:
    """Return the rules that keep the records after `record`."""
    rules = []
    for rank in range(len(sorting) - 1, -1, -1):
        conditions = [
            Filter(item.field, resolve(record, item.field), COMPARISON.EQ)
            for item in sorting[:rank]
        ]
        field, direction = sorting[rank]
        operator = COMPARISON.GT if direction > 0 else COMPARISON.LT
        rules.append([*conditions, Filter(field, resolve(record, field), operator)])
    return rules


class PaginationTests:
    """Tests of rules and pages of sorted lists."""

    @clause("B-6.20", "B-6.19", "X-16", "X-26", "B-21.12", "B-6.14")
    def test_every_value_cuts_the_sorted_list_in_two(self, storage: StorageBase) -> None:
        create(storage)
        create_each(storage, "x", ORDERED)
        sorting = [Sort("x", 1), Sort("id", 1)]
        everything = listed(storage, sorting=sorting)

        def kept(operator: str, value: Any) -> list[Any]:
            rules = [rule(("x", operator, value))]
            return listed(storage, sorting=sorting, pagination_rules=rules)

        for value in CUTS:
            assert kept("LT", value) + kept("MIN", value) == everything, value
            assert kept("MAX", value) + kept("GT", value) == everything, value
            not_above = kept("MAX", value)
            between = [item for item in kept("MIN", value) if item in not_above]
            assert kept("EQ", value) == between, value

    @clause("B-6.14", "B-6.19")
    def test_the_rules_follow_the_order_of_all_values(self, storage: StorageBase) -> None:
        create(storage, n=0)
        values: list[Any] = [None, "a", 5, True, [], {}]
        for n, value in enumerate(values, start=1):
            create(storage, n=n, x=value)

        def kept(operator: str, value: Any) -> list[int]:
            return listed(storage, "n", pagination_rules=[rule(("x", operator, value))])

        assert kept("GT", 5) == [0, 4, 5, 6]
        assert kept("LT", 5) == [1, 2]
        assert kept("MAX", "a") == [1, 2]
        assert kept("MIN", {}) == [0, 6]
        assert kept("GT", None) == [0, 2, 3, 4, 5, 6]
        assert kept("LT", MISSING) == [1, 2, 3, 4, 5, 6]
        assert kept("EQ", MISSING) == kept("MIN", MISSING) == [0]
        assert kept("GT", MISSING) == []

    @clause("B-6.3", "B-22.44", "B-6.8")
    def test_an_item_that_matches_two_rules_is_listed_once(self, storage: StorageBase) -> None:
        create_each(storage, "n", range(4))

        rules = [rule(("n", "GT", 0)), rule(("n", "GT", 1)), rule(("n", "EQ", 0), ("n", "EQ", 1))]

        assert listed(storage, "n", pagination_rules=rules) == [1, 2, 3]

    @clause("B-21.12")
    @pytest.mark.parametrize("operator", ["NOT", "LIKE", "HAS", "CONTAINS", "CONTAINS_ANY"])
    def test_missing_is_refused_by_other_operators(
        self, storage: StorageBase, operator: str
    ) -> None:
        create(storage, x=1)

        with pytest.raises(ValueError, match=operator):
            listed(storage, pagination_rules=[rule(("x", operator, MISSING))])

    @pytest.mark.parametrize("page_size", [1, 3, 7])
    @pytest.mark.parametrize(
        "sorting",
        [
            [Sort("last_modified", -1), Sort("id", -1)],
            [Sort("last_modified", 1), Sort("id", 1)],
            [Sort("x", 1), Sort("last_modified", -1), Sort("id", -1)],
            [Sort("x", -1), Sort("id", 1)],
            [Sort("same", 1), Sort("deep.x", -1), Sort("last_modified", 1), Sort("id", 1)],
            [Sort("deleted", 1), Sort("x", 1), Sort("id", -1)],
        ],
        ids=lambda sorting: ",".join(f"{field}{way:+}" for field, way in sorting),
    )
    @clause("B-6.22", "B-22.19", "B-22.23", "D-24")
    def test_pages_follow_one_another_without_gap_or_repetition(
        self, storage: StorageBase, sorting: list[Sort], page_size: int
    ) -> None:
        create(storage, last_modified=5)
        create(storage, same=1, last_modified=5)
        for value in [*ORDERED[::3], *ORDERED[::5]]:
            create(storage, x=value, deep={"x": value}, same=1, last_modified=7)
        for record in create_each(storage, "same", [1, 1, 1]):
            storage.delete(**HOME, object_id=record["id"])
        everything = storage.list_all(**HOME, sorting=sorting, include_deleted=True)

        pages: list[Any] = []
        rules: list[PaginationRule] = []
        while page := storage.list_all(
            **HOME,
            sorting=sorting,
            pagination_rules=rules,
            limit=page_size,
            include_deleted=True,
        ):
            pages += page
            rules = rules_after(page[-1], sorting)
            assert len(pages) <= len(everything)

        assert json_equal(pages, everything)

    @clause("B-6.2", "B-6.22")
    def test_the_total_is_the_same_on_every_page(self, storage: StorageBase) -> None:
        records = create_each(storage, "n", range(5))
        sorting = [Sort("n", 1)]

        totals = [
            storage.get_all(
                **HOME, sorting=sorting, pagination_rules=rules_after(record, sorting), limit=2
            )[1]
            for record in records
        ]

        assert totals == [5] * 5

    @clause("B-6.22", "B-6.8")
    @pytest.mark.parametrize("direction", [1, -1])
    def test_rules_may_begin_with_a_record_itself_however_long_its_values(
        self, storage: StorageBase, direction: int
    ) -> None:
        texts = ["t" * size + end for size in (10, 6_000, 60_000) for end in ("a", "b", "b")]
        create(storage)
        create_each(storage, "x", [*texts, {"a": texts[-1]}])
        sorting = [
            Sort("x", direction),
            Sort("last_modified", -direction),
            Sort("id", -direction),
        ]
        everything = storage.list_all(**HOME, sorting=sorting)

        for position, record in enumerate(everything):
            itself = [
                Filter(item.field, resolve(record, item.field), COMPARISON.EQ) for item in sorting
            ]
            rules = [itself, *rules_after(record, sorting)]
            found = storage.list_all(**HOME, sorting=sorting, pagination_rules=rules, limit=2)
            assert json_equal(found, everything[position : position + 2])

    @clause("H-14.9", "B-6.1")
    def test_a_total_that_is_known_is_that_of_its_timestamp(self, storage: StorageBase) -> None:
        """A later page has the total of an earlier one, or the right one if something changed."""
        create_each(storage, "x", [1, 2, 3, 4])
        sorting = [Sort("x", 1), Sort("id", 1)]
        wanted: dict[str, Any] = {
            "filters": [Filter("x", 2, COMPARISON.MIN)],
            "sorting": sorting,
            "limit": 1,
        }
        (record,), counted = storage.get_all(**HOME, **wanted)
        timestamp = storage.collection_timestamp(**HOME)
        rules = Continuation(rules_after(record, sorting), KnownTotal(timestamp, counted))

        following, total = storage.get_all(**HOME, **wanted, pagination_rules=rules)
        assert ([one["x"] for one in following], total, counted) == ([3], 3, 3)
        create_each(storage, "x", [9])
        following, total = storage.get_all(**HOME, **wanted, pagination_rules=rules)
        assert ([one["x"] for one in following], total) == ([3], 4)
