"""Tests of copies to a storage, also within the transaction of a request."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from cliquet.storage import StorageBase
from cliquet.storage.transfer import ExportedEntry, ImportedCollection
from cliquet.testing.storage.common import (
    COLLECTION,
    HOME,
    OTHER_COLLECTION,
    OTHER_PARENT,
    PARENT,
    clause,
    create,
    in_another_thread,
    listed,
    timestamp,
    tombstones,
)
from cliquet.testing.storage.exports import ExportTests, change, exported, fill, import_all
from cliquet.testing.transactions import request_transaction


class OperationError(Exception):
    """An error inside a request of the tests."""


class TransferTests(ExportTests):
    """Tests that an import stores exactly what was exported."""

    @clause("E-7.3")
    def test_what_is_imported_is_what_was_exported(self, transferable: StorageBase) -> None:
        fill(transferable)
        before = exported(transferable)
        seen = (listed(transferable), tombstones(transferable), timestamp(transferable))

        transferable.flush()
        assert exported(transferable) == []
        import_all(transferable, before)

        assert exported(transferable) == before
        assert (listed(transferable), tombstones(transferable), timestamp(transferable)) == seen
        assert transferable.count_all(**HOME) == 2
        assert transferable.count_all(**OTHER_PARENT) == 0

    @clause("E-7.3", "B-4.3", "B-4.9")
    def test_changes_go_on_from_the_imported_timestamp(self, transferable: StorageBase) -> None:
        future = 9_000_000_000_000
        change(transferable, future, [ExportedEntry("one", 12, {})])

        assert timestamp(transferable) == future
        assert create(transferable)["last_modified"] == future + 1

    @clause("E-7.3")
    @pytest.mark.parametrize("wanted", [10, 9_000_000_000_000])
    def test_the_timestamp_is_the_one_given(self, transferable: StorageBase, wanted: int) -> None:
        create(transferable, id="one")

        change(transferable, wanted, [ExportedEntry("one", 5, {"n": 1})])

        assert timestamp(transferable) == wanted
        record = transferable.get(**HOME, object_id="one")
        assert record == {"id": "one", "last_modified": 5, "n": 1}

    @clause("E-7.3")
    def test_only_the_timestamp_may_change(self, transferable: StorageBase) -> None:
        record = create(transferable)

        change(transferable, 9_000_000_000_000)
        transferable.import_([ImportedCollection("bob", COLLECTION, 77)])

        assert timestamp(transferable) == 9_000_000_000_000
        assert transferable.list_all(**HOME) == [record]
        assert transferable.collection_timestamp(**OTHER_PARENT) == 77

    @clause("E-7.3", "D-61")
    def test_imports_keep_the_number_of_live_records(self, transferable: StorageBase) -> None:
        for object_id in "abcdef":
            create(transferable, id=object_id)
        for object_id in "def":
            transferable.delete(**HOME, object_id=object_id)

        change(
            transferable,
            9_000_000_000_000,
            [
                ExportedEntry("a", 1, {"n": 1}),
                ExportedEntry("b", 2, None),
                ExportedEntry("d", 3, {"n": 3}),
                ExportedEntry("e", 4, None),
                ExportedEntry("g", 5, {"n": 5}),
                ExportedEntry("h", 6, None),
            ],
            ["c", "f", "unknown"],
        )

        assert sorted(listed(transferable)) == ["a", "d", "g"]
        assert transferable.count_all(**HOME) == 3
        assert transferable.get_all(**HOME)[1] == 3
        assert {(one["id"], one["last_modified"]) for one in tombstones(transferable)} == {
            ("b", 2),
            ("e", 4),
            ("h", 6),
        }

    @clause("E-7.3")
    def test_importing_twice_is_importing_once(self, transferable: StorageBase) -> None:
        create(transferable, id="old")
        entries = [ExportedEntry("one", 1, {"n": 1}), ExportedEntry("two", 2, None)]

        change(transferable, 10, entries, ["old"])
        once = exported(transferable)
        change(transferable, 10, entries, ["old"])

        assert exported(transferable) == once
        assert transferable.count_all(**HOME) == 1

    @clause("E-7.3")
    def test_collections_change_together(self, transferable: StorageBase) -> None:
        transferable.create(**OTHER_PARENT, record={"id": "his"})
        transferable.create(**OTHER_COLLECTION, record={"id": "other"})

        transferable.import_(
            [
                ImportedCollection(PARENT, "basket", None),
                ImportedCollection(PARENT, COLLECTION, 10, [ExportedEntry("mine", 3, {})]),
                ImportedCollection("bob", COLLECTION, 20, [], ["his"]),
            ]
        )

        assert exported(transferable) == [
            ((PARENT, COLLECTION, 10), [("mine", 3, {})]),
            (("bob", COLLECTION, 20), []),
        ]
        assert transferable.count_all(**OTHER_COLLECTION) == 0
        assert transferable.count_all(**OTHER_PARENT) == 0

    @clause("E-7.3", "B-3.9")
    def test_a_collection_is_forgotten_whole(self, transferable: StorageBase) -> None:
        # None of these names is a pattern.
        for parent in ("a*", "ab", "a%", "a_"):
            transferable.create(COLLECTION, parent, {"id": "live"})
            transferable.create(COLLECTION, parent, {"id": "dead"})
            transferable.delete(COLLECTION, parent, "dead")
        kept = [one for one in exported(transferable) if one[0].parent_id == "ab"]

        transferable.import_(
            [ImportedCollection(parent, COLLECTION, None) for parent in ("a%", "a*", "a_")]
        )

        assert exported(transferable) == kept
        assert transferable.count_all(COLLECTION, "ab") == 1
        transferable.import_([ImportedCollection("nobody", COLLECTION, None)])
        assert exported(transferable) == kept

    @clause("E-7.3", "B-4.2")
    def test_a_forgotten_collection_starts_anew(self, transferable: StorageBase) -> None:
        create(transferable, last_modified=9_000_000_000_000)

        change(transferable, None)

        assert timestamp(transferable) < 9_000_000_000_000
        assert create(transferable)["last_modified"] < 9_000_000_000_000
        assert transferable.count_all(**HOME) == 1

    @clause("E-7.3", "B-1.8")
    def test_what_cannot_be_stored_changes_nothing(self, transferable: StorageBase) -> None:
        create(transferable, id="one")
        before = exported(transferable)
        entries = [ExportedEntry("one", 1, None), ExportedEntry("two", 2, {"n": object()})]

        with pytest.raises(TypeError):
            change(transferable, 10, entries)

        assert exported(transferable) == before

    @clause("E-7.3", "B-22.8")
    def test_what_was_imported_is_the_storages_own(self, transferable: StorageBase) -> None:
        data: dict[str, Any] = {"nested": {"n": 1}}
        change(transferable, 10, [ExportedEntry("one", 1, data)])

        data["nested"]["n"] = 2

        assert transferable.get(**HOME, object_id="one")["nested"] == {"n": 1}


class TransactedTransferTests(TransferTests):
    """Tests of imports in the transaction of a request."""

    @clause("E-7.3", "X-18")
    def test_an_import_belongs_to_the_request(self, transferable: StorageBase) -> None:
        create(transferable, id="one")
        before = exported(transferable)

        with suppress(OperationError), request_transaction():
            change(transferable, 9_000_000_000_000, [ExportedEntry("two", 1, {})], ["one"])
            transferable.import_([ImportedCollection("bob", COLLECTION, 20)])
            assert listed(transferable) == ["two"]
            assert in_another_thread(lambda: listed(transferable)) == ["one"]
            raise OperationError

        assert exported(transferable) == before
        assert transferable.count_all(**HOME) == 1

    @clause("E-7.3", "X-18")
    def test_collections_that_cannot_all_be_stored_change_nothing(
        self, transferable: StorageBase
    ) -> None:
        create(transferable, id="one")
        before = exported(transferable)

        with pytest.raises(TypeError):
            transferable.import_(
                [
                    ImportedCollection(PARENT, COLLECTION, 10, [], ["one"]),
                    ImportedCollection("bob", COLLECTION, 10, [ExportedEntry("x", 1, {"n": {1}})]),
                ]
            )

        assert exported(transferable) == before
