"""Tests of pages that come with the timestamp of their collection."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cliquet.core.globs import Pattern
from cliquet.storage import StorageBase
from cliquet.storage.base import Page
from cliquet.storage.query import Sort
from cliquet.testing.storage.common import (
    HOME,
    OTHER_PARENT,
    clause,
    create,
    create_each,
    in_another_thread,
    in_threads,
    listed,
    revisions,
    timestamp,
)
from cliquet.testing.transactions import request_transaction

THREADS = 8


def get_page(storage: StorageBase, **options: Any) -> Page:
    """Return a page of the collection of the tests."""
    page, _ = storage.get_all(**HOME, **options)
    assert isinstance(page, Page)
    return page


class PageTests:
    """Tests of the values that a response takes only from the page."""

    @pytest.fixture
    def paged(self, storage: StorageBase) -> StorageBase:
        """Return the storage, if its pages have a timestamp (``pages_have_timestamp``)."""
        if not storage.pages_have_timestamp:
            pytest.skip("pages come without timestamp")
        return storage

    @clause("H-9.8")
    def test_a_page_without_timestamp_is_a_plain_list(self, storage: StorageBase) -> None:
        create(storage)
        page, _ = storage.get_all(**HOME)

        if not storage.pages_have_timestamp:
            assert type(page) is list
        assert page == storage.list_all(**HOME)

    @clause("H-9.8", "B-4.1")
    @pytest.mark.parametrize(
        "options", [{}, {"limit": 1}, {"include_deleted": True}, {"sorting": [Sort("n", 1)]}]
    )
    def test_a_page_has_the_timestamp_of_its_collection(
        self, paged: StorageBase, options: dict[str, Any]
    ) -> None:
        records = create_each(paged, "n", range(3))
        paged.delete(**HOME, object_id=records[0]["id"])
        paged.create(**OTHER_PARENT, record={})

        page = get_page(paged, **options)

        assert page.timestamp == timestamp(paged)

    @clause("B-1.1", "B-1.3", "B-1.8")
    def test_a_page_has_the_same_text_as_the_whole_list(self, storage: StorageBase) -> None:
        # A storage may read a page in another way than a list that has no limit.
        records: list[dict[str, Any]] = [
            {},
            {"zz": 1, "a": 2, "deleted": False},
            {"n": [1.0, 1e-7, 1e21, -0.5, 2**63 - 1, -(2**63), True, None, 0]},
            {
                '"{': ', "',
                ": ": "\\",
                "}": "\n\t\x7f",
                "é\u2028": "😀",
                "nested": {"": [{}, [], [{}]]},
            },
            {"id": 'a"b\\c', "name": "id"},
            {"id": "é😀", "last_modified": 7},
        ]
        for record in records:
            storage.create(**HOME, record=record)
        storage.delete(**HOME, object_id=create(storage, gone=True)["id"])
        order = [Sort("last_modified", 1)]
        for names in (
            {},
            {"id_field": "name", "modified_field": "nested", "deleted_field": 'x"y\\'},
        ):
            options: dict[str, Any] = {"sorting": order, "include_deleted": True, **names}

            page, _ = storage.get_all(**HOME, **options, limit=100)

            whole = storage.list_all(**HOME, **options)
            assert json.dumps(page) == json.dumps(whole)
            assert len(page) == len(records) + 1

    @clause("B-4.1", "B-4.14")
    def test_an_empty_page_has_the_timestamp_of_its_collection(self, paged: StorageBase) -> None:
        paged.delete(**HOME, object_id=create(paged)["id"])
        paged.purge_deleted(**HOME)

        page = get_page(paged)

        assert page == []
        assert page.timestamp == timestamp(paged)

    @clause("B-4.2", "H-9.3")
    def test_a_page_has_the_timestamp_of_a_first_access(self, paged: StorageBase) -> None:
        first = timestamp(paged)

        assert get_page(paged).timestamp == first

    @clause("B-4.2", "H-9.3")
    def test_listing_does_not_touch_a_collection(self, paged: StorageBase) -> None:
        assert get_page(paged).timestamp is None
        assert get_page(paged).timestamp is None

    @clause("B-4.2", "H-9.3", "B-4.3")
    def test_a_claim_is_the_first_access(self, paged: StorageBase) -> None:
        page = get_page(paged)

        assert page.claim is not None
        claimed = page.claim()

        assert claimed is not None
        assert claimed == timestamp(paged) == get_page(paged).timestamp
        assert create(paged)["last_modified"] > claimed

    @clause("H-9.8", "D-60")
    @pytest.mark.parametrize("touch", [create, timestamp])
    def test_a_claim_fails_when_another_was_faster(
        self, paged: StorageBase, touch: Callable[[StorageBase], Any]
    ) -> None:
        page = get_page(paged)
        in_another_thread(lambda: touch(paged))
        touched = timestamp(paged)

        assert page.claim is not None
        assert page.claim() is None
        assert timestamp(paged) == touched

    @clause("H-9.8", "B-21.19")
    def test_a_pattern_of_parents_has_no_timestamp(self, paged: StorageBase) -> None:
        create(paged)

        page, _ = paged.get_all(HOME["collection_id"], Pattern("al*"))

        assert getattr(page, "timestamp", None) is None
        assert getattr(page, "claim", None) is None

    @clause("D-59", "H-9.3")
    def test_concurrent_claims_agree(self, paged: StorageBase) -> None:
        pages = [get_page(paged) for _ in range(THREADS)]

        def claim(rank: int) -> int | None:
            known = pages[rank].claim
            assert known is not None
            return known()

        claimed = in_threads(THREADS, claim)

        assert [value for value in claimed if value is not None] == [timestamp(paged)]

    @clause("H-9.8", "D-60")
    def test_a_page_and_its_timestamp_are_of_one_instant(self, paged: StorageBase) -> None:
        def read_or_write(rank: int) -> list[Page]:
            if rank % 2:
                create_each(paged, "n", range(20))
                return []
            return [get_page(paged) for _ in range(20)]

        outcomes = in_threads(THREADS, read_or_write)

        pages = [page for outcome in outcomes for page in outcome]  # type: ignore[union-attr]
        assert len(pages) == THREADS // 2 * 20
        oldest = min(listed(paged, "last_modified"))
        for page in pages:
            if page:
                assert page.timestamp == max(revisions(page))
            else:
                assert page.timestamp is None or page.timestamp < oldest

    @clause("B-4.2", "X-22")
    def test_a_claim_survives_the_request(self, paged: StorageBase) -> None:
        claimed = []

        def claim_and_fail() -> None:
            with request_transaction():
                page = get_page(paged)
                assert page.claim is not None
                claimed.append(page.claim())
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            claim_and_fail()

        assert claimed == [timestamp(paged)]

    @clause("B-1.4", "B-20.6", "B-3.11")
    def test_a_tombstone_is_found_by_its_id(self, storage: StorageBase) -> None:
        live, deleted = create(storage, n=1), create(storage, n=2)
        storage.create(**OTHER_PARENT, record={"id": "other"})
        storage.delete(**OTHER_PARENT, object_id="other")
        names = {"id_field": "uid", "modified_field": "rev", "deleted_field": "gone"}

        tombstone = storage.delete(**HOME, object_id=deleted["id"])

        def find(object_id: str) -> Any:
            return storage.find_tombstone(**HOME, object_id=object_id)

        assert find(deleted["id"]) == tombstone
        assert storage.find_tombstone(**HOME, object_id=deleted["id"], **names) == {
            "uid": deleted["id"],
            "rev": tombstone["last_modified"],
            "gone": True,
        }
        assert find(live["id"]) is None
        assert find("other") is None
        assert find("unknown") is None

        storage.create(**HOME, record={"id": deleted["id"]})
        assert find(deleted["id"]) is None
