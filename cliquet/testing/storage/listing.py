"""Tests of lists and counts: their content, tombstones, patterns of parents."""

from __future__ import annotations

from typing import Any

import pytest

from cliquet.core.globs import Pattern
from cliquet.storage import StorageBase
from cliquet.storage.query import Sort
from cliquet.testing.storage.common import (
    COLLECTION,
    HOME,
    OTHER_COLLECTION,
    OTHER_PARENT,
    clause,
    create,
    create_each,
    listed,
    rule,
    where,
)
from cliquet.types import Record

RENAMED: dict[str, Any] = {"id_field": "uid", "modified_field": "rev", "deleted_field": "gone"}


def three_live_three_deleted(storage: StorageBase) -> tuple[list[Record], list[Record]]:
    """Store six records, of which the last three are deleted; return records and tombstones."""
    live = create_each(storage, "n", range(3))
    doomed = create_each(storage, "n", range(3, 6))
    return live, [storage.delete(**HOME, object_id=record["id"]) for record in doomed]


class ListingTests:
    """Tests of the content of lists, and of their counts."""

    @clause("B-6.6")
    def test_an_unknown_collection_is_empty(self, storage: StorageBase) -> None:
        assert storage.get_all(**HOME) == ([], 0)
        assert storage.get_all(**HOME, include_deleted=True) == ([], 0)
        assert storage.list_all(**HOME) == []
        assert storage.count_all(**HOME) == 0

    @clause("B-6.3")
    def test_records_are_listed_complete(self, storage: StorageBase) -> None:
        records = [create(storage, n=n, deep={"tags": [n]}) for n in range(3)]

        page, total = storage.get_all(**HOME, sorting=[Sort("last_modified", 1)])

        assert page == records
        assert total == 3

    @clause("B-1.3")
    def test_other_collections_are_not_listed(self, storage: StorageBase) -> None:
        record = create(storage)
        storage.create(**OTHER_PARENT, record={})
        storage.create(**OTHER_COLLECTION, record={})

        assert storage.get_all(**HOME) == ([record], 1)

    @clause("B-6.2")
    def test_tombstones_are_listed_on_demand_and_never_counted(self, storage: StorageBase) -> None:
        live, deleted = three_live_three_deleted(storage)

        page, total = storage.get_all(
            **HOME, include_deleted=True, sorting=[Sort("last_modified", 1)]
        )

        assert page == live + deleted
        assert total == 3
        assert listed(storage) == [record["id"] for record in live]

    @clause("B-1.4", "B-6.3")
    def test_a_listed_tombstone_has_three_fields(self, storage: StorageBase) -> None:
        record = create(storage, name="Girolle", deep={"n": 1})
        deleted = storage.delete(**HOME, object_id=record["id"])

        (tombstone,), total = storage.get_all(**HOME, include_deleted=True)

        assert tombstone == deleted
        assert tombstone["deleted"] is True
        assert tombstone.keys() == {"id", "last_modified", "deleted"}
        assert total == 0

    @clause("B-6.4")
    @pytest.mark.parametrize(("limit", "size"), [(None, 5), (0, 5), (1, 1), (4, 4), (5, 5), (9, 5)])
    def test_a_limit_cuts_the_page_and_not_the_total(
        self, storage: StorageBase, limit: int | None, size: int
    ) -> None:
        records = create_each(storage, "n", range(5))

        page, total = storage.get_all(**HOME, sorting=[Sort("n", 1)], limit=limit)

        assert page == records[:size]
        assert total == 5

    @clause("B-6.1", "B-22.19")
    def test_the_page_is_cut_after_sorting(self, storage: StorageBase) -> None:
        create_each(storage, "n", [4, 1, 6, 0, 5, 2, 3])

        assert listed(storage, "n", sorting=[Sort("n", 1)], limit=3) == [0, 1, 2]
        assert listed(storage, "n", sorting=[Sort("n", -1)], limit=3) == [6, 5, 4]

    @clause("B-6.1")
    def test_filters_rules_and_limit_apply_in_this_order(self, storage: StorageBase) -> None:
        create_each(storage, "n", range(10))

        page, total = storage.get_all(
            **HOME,
            filters=where("n", "MIN", 2),
            pagination_rules=[rule(("n", "GT", 5))],
            sorting=[Sort("n", 1)],
            limit=2,
        )

        assert [record["n"] for record in page] == [6, 7]
        assert total == 8

    @clause("B-22.22", "B-6.2", "B-6.7")
    def test_the_total_ignores_the_tombstones_left_out_by_the_rules(
        self, storage: StorageBase
    ) -> None:
        _, deleted = three_live_three_deleted(storage)
        stamp = deleted[1]["last_modified"]

        page, total = storage.get_all(
            **HOME,
            include_deleted=True,
            pagination_rules=[rule(("last_modified", "GT", stamp))],
        )

        assert page == [deleted[2]]
        assert total == 3

    @clause("B-22.20", "B-22.21", "B-6.7")
    def test_a_page_past_the_end_is_empty_with_the_total(self, storage: StorageBase) -> None:
        create_each(storage, "n", range(3))

        page, total = storage.get_all(
            **HOME, pagination_rules=[rule(("n", "GT", 100))], sorting=[Sort("n", 1)], limit=2
        )

        assert page == []
        assert total == 3

    @clause("B-6.25")
    def test_empty_lists_of_conditions_keep_everything(self, storage: StorageBase) -> None:
        create_each(storage, "n", range(3))

        page, total = storage.get_all(**HOME, filters=[], pagination_rules=[], sorting=[])

        assert len(page) == total == 3

    @clause("B-21.10")
    def test_listing_and_counting_can_be_asked_apart(self, storage: StorageBase) -> None:
        three_live_three_deleted(storage)
        options: dict[str, Any] = {"filters": where("n", "MIN", 1)}

        page, total = storage.get_all(**HOME, **options, sorting=[Sort("n", 1)])

        assert storage.list_all(**HOME, **options, sorting=[Sort("n", 1)]) == page
        assert storage.count_all(**HOME, **options) == total == 2
        assert storage.count_all(**HOME) == 3
        assert storage.count_all(**HOME, include_deleted=True) == 6

    @clause("B-21.10")
    def test_the_count_is_exact_after_every_kind_of_write(self, storage: StorageBase) -> None:
        def count() -> int:
            counted = storage.count_all(**HOME)
            page, total = storage.get_all(**HOME)
            assert counted == total == len(page)
            return counted

        create_each(storage, "n", range(6))
        assert count() == 6
        storage.update(**HOME, object_id="new", record={"n": 6})
        assert count() == 7
        storage.update(**HOME, object_id="new", record={"n": 7})
        assert count() == 7
        storage.delete(**HOME, object_id="new")
        assert count() == 6
        storage.update(**HOME, object_id="new", record={})
        assert count() == 7
        storage.delete(**HOME, object_id="new", with_deleted=False)
        assert count() == 6
        storage.create(**HOME, record={"id": "new"})
        assert count() == 7
        storage.delete(**HOME, object_id="new")
        storage.create(**HOME, record={"id": "new"})
        assert count() == 7
        storage.trim_objects(**HOME, filters=[], max_objects=5)
        assert count() == 5
        storage.purge_deleted(**HOME)
        assert count() == 5
        storage.delete_all(COLLECTION, "al*", filters=where("n", "EQ", 5))
        assert count() == 4
        storage.delete_all(None, "*", with_deleted=False, limit=1)
        assert count() == 3
        storage.flush()
        assert count() == 0

    @clause("B-3.11", "B-22.14")
    def test_renamed_fields_serve_filters_sorting_and_results(self, storage: StorageBase) -> None:
        live, deleted = three_live_three_deleted(storage)

        page, total = storage.get_all(
            **HOME,
            **RENAMED,
            filters=where("rev", "GT", live[0]["last_modified"]),
            sorting=[Sort("gone", 1), Sort("rev", -1)],
            include_deleted=True,
        )

        assert total == 2
        assert [record["uid"] for record in page] == [
            record["id"] for record in [*reversed(deleted), live[2], live[1]]
        ]
        assert page[0] == {
            "uid": deleted[2]["id"],
            "rev": deleted[2]["last_modified"],
            "gone": True,
        }
        assert page[-1] == {"uid": live[1]["id"], "rev": live[1]["last_modified"], "n": 1}
        count = storage.count_all(
            **HOME, **RENAMED, filters=where("gone", "EQ", True), include_deleted=True
        )
        assert count == 3

    @clause("B-21.19", "B-22.43")
    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("ab*", ["abc", "ab_c", "ab.c"]),
            ("*", ["abc", "xabcx", "ab_c", "ab.c", "*b"]),
            ("*b", ["*b"]),
            ("*b*x", ["xabcx"]),
            ("ab_*", ["ab_c"]),
            ("ab.c", ["ab.c"]),
            ("ab?", []),
            ("a%", []),
        ],
    )
    def test_a_pattern_matches_whole_parents(
        self, storage: StorageBase, pattern: str, expected: list[str]
    ) -> None:
        for parent in ("abc", "xabcx", "ab_c", "ab.c", "*b"):
            storage.create(COLLECTION, parent, {"parent": parent})
        storage.create("basket", "abc", {"parent": "of another collection"})

        parents = Pattern(pattern)

        page, total = storage.get_all(COLLECTION, parents)

        assert sorted(record["parent"] for record in page) == sorted(expected)
        assert total == storage.count_all(COLLECTION, parents) == len(expected)
        assert len(storage.list_all(COLLECTION, parents)) == len(expected)

    @clause("B-21.19")
    def test_the_same_id_under_several_parents_is_listed_for_each(
        self, storage: StorageBase
    ) -> None:
        for parent in ("a1", "a2", "a3"):
            storage.create(COLLECTION, parent, {"id": "same", "parent": parent})
        storage.delete(COLLECTION, "a3", "same")

        parents = Pattern("a*")
        page = storage.list_all(COLLECTION, parents, sorting=[Sort("parent", 1)], limit=2)

        assert [record["parent"] for record in page] == ["a1", "a2"]
        assert storage.count_all(COLLECTION, parents) == 2
        assert storage.count_all(COLLECTION, parents, include_deleted=True) == 3
