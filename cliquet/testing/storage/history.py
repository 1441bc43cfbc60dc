"""Tests that a collection knows which deletions it has forgotten, and when its data began."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from cliquet.core.globs import Pattern
from cliquet.storage import StorageBase
from cliquet.storage.base import Page
from cliquet.storage.history import History
from cliquet.storage.transfer import ExportedEntry, ImportedCollection
from cliquet.testing.storage.common import (
    COLLECTION,
    HOME,
    OTHER_COLLECTION,
    OTHER_PARENT,
    PARENT,
    clause,
    create,
    create_each,
    in_another_thread,
    in_threads,
    timestamp,
    where,
)
from cliquet.testing.transactions import request_transaction
from cliquet.types import Record

FAR = 9_000_000_000_000


class OperationError(Exception):
    """An error inside a request of the tests."""


def history(storage: StorageBase, **place: Any) -> History:
    """Return the history of a collection, by default that of the tests."""
    return storage.collection_history(**(place or HOME))


def purged(storage: StorageBase, **place: Any) -> int:
    """Return the horizon of a collection."""
    return history(storage, **place).purged


def delete_each(storage: StorageBase, number: int, **place: Any) -> list[int]:
    """Create and delete records; return the timestamps of their tombstones, the oldest first."""
    home = place or HOME
    ids = [storage.create(**home, record={})["id"] for _ in range(number)]
    return [storage.delete(**home, object_id=one)["last_modified"] for one in ids]


def change(storage: StorageBase, timestamp: int | None, **changes: Any) -> None:
    """Import into the collection of the tests."""
    storage.import_([ImportedCollection(PARENT, COLLECTION, timestamp, **changes)])


class HistoryTests:
    """Tests of horizons and epochs."""

    @pytest.fixture
    def remembering(self, storage: StorageBase) -> StorageBase:
        """Return the storage, if it knows horizons and epochs."""
        if type(storage).collection_history is StorageBase.collection_history:
            pytest.skip("this storage has no collection_history()")
        return storage

    @pytest.fixture
    def copied(self, remembering: StorageBase) -> StorageBase:
        """Return the storage, if it can be copied too."""
        if not remembering.is_transferable:
            pytest.skip("This storage cannot be copied.")
        return remembering

    # The horizon

    @clause("E-13.1")
    def test_nothing_is_forgotten_as_long_as_there_are_tombstones(
        self, remembering: StorageBase
    ) -> None:
        assert history(remembering) == History()

        record = create(remembering)
        create(remembering, id="mine")
        remembering.update(**HOME, object_id=record["id"], record={"n": 1})
        remembering.delete(**HOME, object_id=record["id"])
        remembering.delete(**HOME, object_id="mine", last_modified=12)
        create(remembering, id="mine")
        remembering.delete_all(**HOME)
        create(remembering)
        remembering.trim_objects(**HOME, filters=None, max_objects=0)
        assert remembering.purge_deleted(**HOME, before=11) == 0

        assert purged(remembering) == 0

    @clause("E-13.1", "B-5.19")
    def test_a_purge_is_remembered_with_its_latest_tombstone(
        self, remembering: StorageBase
    ) -> None:
        stamps = delete_each(remembering, 4)
        delete_each(remembering, 1, **OTHER_PARENT)
        create(remembering)

        assert remembering.purge_deleted(**HOME, before=stamps[2]) == 2
        assert purged(remembering) == stamps[1]
        assert remembering.purge_deleted(**HOME, before=stamps[2]) == 0
        assert purged(remembering) == stamps[1]
        assert remembering.purge_deleted(**HOME) == 2
        assert purged(remembering) == stamps[3]
        assert purged(remembering, **OTHER_PARENT) == 0

    @clause("E-13.1", "B-21.24")
    def test_what_is_kept_is_not_forgotten(self, remembering: StorageBase) -> None:
        stamps = delete_each(remembering, 4)

        assert remembering.purge_deleted(**HOME, max_retained=1) == 3

        assert purged(remembering) == stamps[2]

    @clause("E-13.1", "B-21.19")
    def test_each_collection_of_a_purge_has_its_own_horizon(self, remembering: StorageBase) -> None:
        first = delete_each(remembering, 2)
        second = delete_each(remembering, 3, **OTHER_PARENT)
        third = delete_each(remembering, 2, **OTHER_COLLECTION)
        remembering.create("basket", "carol", {})

        assert remembering.purge_deleted(COLLECTION, Pattern("*"), max_retained=1) == 3
        assert remembering.purge_deleted(None, Pattern("ali*"), max_retained=1) == 1

        assert purged(remembering) == first[0]
        assert purged(remembering, **OTHER_PARENT) == second[1]
        assert purged(remembering, **OTHER_COLLECTION) == third[0]
        assert purged(remembering, collection_id="basket", parent_id="carol") == 0

    @clause("E-13.1")
    def test_an_older_purge_does_not_move_the_horizon_back(self, remembering: StorageBase) -> None:
        (stamp,) = delete_each(remembering, 1)
        remembering.purge_deleted(**HOME)
        create(remembering, id="late")
        remembering.delete(**HOME, object_id="late", last_modified=12)

        assert remembering.purge_deleted(**HOME) == 1

        assert purged(remembering) == stamp

    @clause("E-13.1", "B-5.13")
    @pytest.mark.parametrize(
        "delete",
        [
            lambda storage, record: storage.delete(
                **HOME, object_id=record["id"], with_deleted=False
            ),
            # It is a change of the present, whatever the timestamp says.
            lambda storage, record: storage.delete(
                **HOME, object_id=record["id"], with_deleted=False, last_modified=12
            ),
            lambda storage, _: storage.delete_all(**HOME, with_deleted=False),
            lambda storage, _: storage.delete_all(COLLECTION, Pattern("ali*"), with_deleted=False),
            lambda storage, _: storage.trim_objects(
                **HOME, filters=None, max_objects=0, with_deleted=False
            ),
        ],
        ids=["one", "one of the past", "all", "pattern", "trim"],
    )
    def test_a_deletion_without_tombstone_is_forgotten_at_once(
        self, remembering: StorageBase, delete: Callable[[StorageBase, Record], Any]
    ) -> None:
        records = create_each(remembering, "n", range(3))

        delete(remembering, records[0])

        assert purged(remembering) == timestamp(remembering) > records[2]["last_modified"]
        after = create(remembering)["last_modified"]
        assert purged(remembering) < after

    @clause("E-13.1", "D-61")
    def test_purges_while_others_write(self, remembering: StorageBase) -> None:
        def work(rank: int) -> list[int]:
            if rank == 0:
                for _ in range(5):
                    remembering.purge_deleted(**HOME)
                return []
            return delete_each(remembering, 5)

        stamps: list[int] = []
        for outcome in in_threads(4, work):
            assert isinstance(outcome, list)
            stamps += outcome
        remembering.purge_deleted(**HOME)

        assert purged(remembering) == max(stamps)

    # The epoch

    @clause("E-13.1")
    def test_an_epoch_lasts(self, remembering: StorageBase) -> None:
        timestamp(remembering)
        epoch = history(remembering).epoch

        assert re.fullmatch("[0-9a-f]{8}", epoch)
        delete_each(remembering, 2)
        remembering.purge_deleted(**HOME)
        create(remembering, last_modified=FAR)
        remembering.delete_all(**HOME, with_deleted=False)
        assert history(remembering).epoch == epoch
        delete_each(remembering, 1, **OTHER_PARENT)
        assert re.fullmatch("[0-9a-f]{8}", history(remembering, **OTHER_PARENT).epoch)

    @clause("E-13.1", "B-3.9")
    def test_a_flush_begins_a_new_epoch(self, remembering: StorageBase) -> None:
        delete_each(remembering, 1)
        remembering.purge_deleted(**HOME)
        before = history(remembering)

        remembering.flush()
        assert history(remembering) == History()
        create(remembering)

        assert history(remembering).purged == 0
        assert history(remembering).epoch not in ("", before.epoch)

    @clause("E-13.1", "X-28")
    def test_a_collection_that_is_set_back_begins_a_new_epoch(self, copied: StorageBase) -> None:
        create(copied, id="a", last_modified=FAR)
        copied.delete(**HOME, object_id="a")
        copied.purge_deleted(**HOME)
        create(copied)
        before = history(copied)
        assert before.purged == FAR + 1

        copied.rewind(COLLECTION, PARENT, time.time_ns() // 1_000_000)

        assert history(copied).epoch not in ("", before.epoch)
        assert history(copied).purged == timestamp(copied)

    # Lists

    @clause("E-13.2")
    @pytest.mark.parametrize("options", [{}, {"limit": 1}, {"ids": ["one"]}, {"ids": []}])
    def test_a_list_with_tombstones_has_the_history(
        self, remembering: StorageBase, options: dict[str, Any]
    ) -> None:
        given = dict(options)
        if "ids" in given:
            given["filters"] = where("id", "IN", given.pop("ids"))
        page, _ = remembering.get_all(**HOME, include_deleted=True, **given)
        assert isinstance(page, Page)
        assert page.history == History()
        delete_each(remembering, 2)
        remembering.purge_deleted(**HOME, max_retained=1)

        page, _ = remembering.get_all(**HOME, include_deleted=True, **given)

        assert isinstance(page, Page)
        assert page.history == history(remembering)
        assert page.history.purged > 0
        assert page.timestamp == timestamp(remembering)

    @clause("E-13.2")
    def test_a_pattern_of_parents_has_no_history(self, remembering: StorageBase) -> None:
        create(remembering)
        page, total = remembering.get_all(COLLECTION, Pattern("*"), include_deleted=True)

        assert (len(page), total) == (1, 1)
        assert not isinstance(page, Page) or page.history is None

    # Copies

    @clause("E-13.1", "E-7.3")
    def test_a_copy_keeps_horizon_and_epoch(self, copied: StorageBase) -> None:
        delete_each(copied, 1)
        copied.purge_deleted(**HOME)
        copied.collection_timestamp(**OTHER_PARENT)
        before = [(one, history(copied, **one)) for one in (HOME, OTHER_PARENT)]
        content = [(one._replace(entries=()), list(one.entries)) for one in copied.export()]

        copied.flush()
        copied.import_(
            [
                ImportedCollection(*one[:3], entries, (), one.purged, one.epoch)
                for one, entries in content
            ]
        )

        assert [(one, history(copied, **one)) for one in (HOME, OTHER_PARENT)] == before

    @clause("E-13.1", "E-7.3")
    def test_given_values_win(self, copied: StorageBase) -> None:
        create(copied, id="gone")

        change(copied, FAR, removed_ids=["gone"], purged=7, epoch="0123abcd")
        assert history(copied) == History(7, "0123abcd")
        change(copied, 10, entries=[ExportedEntry("a", 3, {})], purged=5, epoch="89abcdef")
        assert history(copied) == History(5, "89abcdef")

    @clause("E-13.1", "E-7.3")
    def test_an_import_keeps_what_is_not_given(self, copied: StorageBase) -> None:
        change(copied, 100, entries=[ExportedEntry("a", 3, {}), ExportedEntry("b", 4, None)])
        epoch = history(copied).epoch
        assert history(copied) == History(0, epoch)
        assert epoch != ""

        change(copied, 200, removed_ids=["unknown"])
        assert history(copied) == History(0, epoch)
        for stamp, removed in ((300, "a"), (400, "b")):
            change(copied, stamp, removed_ids=[removed])
            assert history(copied) == History(stamp, epoch)

    @clause("E-13.1")
    def test_restored_data_begin_a_new_epoch(self, copied: StorageBase) -> None:
        change(copied, 100, entries=[ExportedEntry("a", 3, {})])
        change(copied, 100, removed_ids=["a"])
        epoch = history(copied).epoch

        change(copied, 50, entries=[ExportedEntry("a", 3, {})])

        restored = history(copied)
        assert restored.epoch not in ("", epoch)
        assert restored.purged == 50
        change(copied, 50, entries=[ExportedEntry("a", 3, {})])
        assert history(copied) == restored

    @clause("E-13.1")
    def test_a_forgotten_collection_begins_a_new_epoch(self, copied: StorageBase) -> None:
        create(copied)
        epoch = history(copied).epoch

        change(copied, None)
        assert history(copied) == History()
        timestamp(copied)

        assert history(copied).epoch not in ("", epoch)

    @clause("E-13.1", "X-22")
    def test_an_empty_collection_with_a_horizon_is_not_forgotten(self, copied: StorageBase) -> None:
        delete_each(copied, 1)
        copied.purge_deleted(**HOME)
        before = history(copied)

        assert copied.forget_untouched(FAR) == 0

        assert history(copied) == before


class TransactedHistoryTests:
    """Tests of horizons and epochs in the transaction of a request."""

    @clause("E-13.1", "X-18")
    @pytest.mark.parametrize("act", ["purge", "delete", "flush"])
    def test_a_failed_request_forgets_nothing(self, storage: StorageBase, act: str) -> None:
        if type(storage).collection_history is StorageBase.collection_history:
            pytest.skip("this storage has no collection_history()")
        delete_each(storage, 1)
        record = create(storage)
        before = history(storage)

        with suppress(OperationError), request_transaction():
            if act == "purge":
                storage.purge_deleted(**HOME)
            elif act == "delete":
                storage.delete(**HOME, object_id=record["id"], with_deleted=False)
            else:
                storage.flush()
                create(storage)
            assert history(storage) != before
            assert in_another_thread(lambda: history(storage)) == before
            raise OperationError

        assert history(storage) == before
