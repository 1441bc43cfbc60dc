"""Tests of copies from a storage, which contain everything, timestamps included."""

from __future__ import annotations

from typing import Any

import pytest

from cliquet.core.globs import Exact, Pattern
from cliquet.storage import StorageBase
from cliquet.storage.departures import Departure, DepartureKind
from cliquet.storage.transfer import (
    CollectionTimestamp,
    ExportedCollection,
    ExportedEntry,
    ImportedCollection,
)
from cliquet.testing.storage.common import (
    COLLECTION,
    HOME,
    OTHER_COLLECTION,
    OTHER_PARENT,
    PARENT,
    clause,
    create,
    in_threads,
    timestamp,
)

# It is more than any page that a backend reads at once.
MANY = 1_203

Exported = list[tuple[CollectionTimestamp, list[ExportedEntry]]]


def exported(storage: StorageBase) -> Exported:
    """Return the whole content of a storage."""
    return [
        (CollectionTimestamp(*collection[:3]), list(collection.entries))
        for collection in storage.export()
    ]


def import_all(storage: StorageBase, collections: Exported) -> None:
    """Store the result of :func:`exported`."""
    storage.import_([ImportedCollection(*state, entries) for state, entries in collections])


def change(
    storage: StorageBase,
    timestamp: int | None,
    entries: list[ExportedEntry] | None = None,
    removed_ids: list[str] | None = None,
) -> None:
    """Import into the collection of the tests."""
    collection = ImportedCollection(PARENT, COLLECTION, timestamp, entries or (), removed_ids or ())
    storage.import_([collection])


def fill(storage: StorageBase) -> None:
    """Store some records and tombstones of all kinds."""
    create(storage, id="b", name="Bolet", nested={"deep": [1, 2.5, None, True, "x"]})
    create(storage, id="a", last_modified=12)
    create(storage, id="c")
    storage.delete(**HOME, object_id="c")
    create(storage, id="d")
    storage.delete(**HOME, object_id="d", with_deleted=False)
    storage.create(**OTHER_PARENT, record={"id": "a", "last_modified": 9_000_000_000_000})
    storage.delete_all(**OTHER_PARENT, with_deleted=False)
    storage.collection_timestamp(**OTHER_COLLECTION)


class ExportTests:
    """Tests of the content and the order of an export."""

    @pytest.fixture
    def transferable(self, storage: StorageBase) -> StorageBase:
        if not storage.is_transferable:
            pytest.skip("This storage cannot be copied.")
        return storage

    @clause("E-7.3")
    def test_an_empty_storage_exports_nothing(self, transferable: StorageBase) -> None:
        assert exported(transferable) == []
        assert list(transferable.export_timestamps()) == []

    @clause("E-7.3")
    def test_records_and_tombstones_are_exported_as_they_are(
        self, transferable: StorageBase
    ) -> None:
        live = create(transferable, id="one", name="Bolet", nested={"deep": [1, 2.5, None]})
        create(transferable, id="two", name="gone")
        deleted = transferable.delete(**HOME, object_id="two")

        ((state, entries),) = exported(transferable)

        assert state == (PARENT, COLLECTION, deleted["last_modified"])
        assert entries == [
            ("one", live["last_modified"], {"name": "Bolet", "nested": {"deep": [1, 2.5, None]}}),
            ("two", deleted["last_modified"], None),
        ]

    @clause("E-7.3", "B-21.29")
    def test_everything_is_in_the_order_of_code_points(self, transferable: StorageBase) -> None:
        # The rules of languages, and UTF-16, have another order.
        names = ["", "A", "Z", "a", "a b", "a/b", "aa", "b", "\xe9", "\uff5e", "\U0001f600"]
        for parent in reversed(names):
            transferable.create("z", parent, {"id": "x"})
        for collection in reversed(names):
            transferable.create(collection, "z", {"id": "x"})
        for object_id in reversed(names):
            transferable.create("z", "zz", {"id": object_id})

        found = exported(transferable)

        keys = [state[:2] for state, _ in found]
        expected = {("z", name) for name in names} | {(name, "z") for name in names}
        assert keys == sorted(expected | {("zz", "z")})
        assert keys == [state[:2] for state in transferable.export_timestamps()]
        assert [entry.id for entry in found[keys.index(("zz", "z"))][1]] == names
        assert all(len(entries) == 1 for state, entries in found if state.parent_id != "zz")

    @clause("E-7.3", "B-4.2", "B-22.46")
    def test_timestamps_of_empty_collections_are_exported(self, transferable: StorageBase) -> None:
        fill(transferable)

        states = [CollectionTimestamp(*state) for state in transferable.export_timestamps()]

        assert states == [
            (PARENT, "basket", transferable.collection_timestamp(**OTHER_COLLECTION)),
            (PARENT, COLLECTION, timestamp(transferable)),
            ("bob", COLLECTION, transferable.collection_timestamp(**OTHER_PARENT)),
        ]
        assert states[2].timestamp == 9_000_000_000_001
        assert [state for state, _ in exported(transferable)] == states

    @clause("E-7.3", "B-3.11")
    def test_a_record_may_have_fields_of_the_usual_names(self, transferable: StorageBase) -> None:
        names: dict[str, Any] = {"id_field": "uid", "modified_field": "rev"}
        data = {"id": 1, "last_modified": "x", "deleted": True}
        stored = transferable.create(**HOME, record={**data, "uid": "one"}, **names)

        found = exported(transferable)
        assert found[0][1] == [("one", stored["rev"], data)]

        transferable.flush()
        import_all(transferable, found)
        assert transferable.get(**HOME, object_id="one", **names) == stored

    @clause("E-7.3")
    def test_entries_that_are_not_read_are_passed(self, transferable: StorageBase) -> None:
        for parent in ("alice", "bob", "carol"):
            for object_id in ("one", "two"):
                transferable.create(COLLECTION, parent, {"id": object_id})

        found = []
        for collection in transferable.export():
            if collection.parent_id == "alice":
                next(iter(collection.entries))
            elif collection.parent_id == "carol":
                found = [entry.id for entry in collection.entries]

        assert found == ["one", "two"]

    @clause("E-7.3")
    def test_what_is_exported_belongs_to_the_caller(self, transferable: StorageBase) -> None:
        create(transferable, id="one", nested={"n": 1})

        for _, entries in exported(transferable):
            for entry in entries:
                assert entry.data is not None
                entry.data["nested"]["n"] = 2

        assert transferable.get(**HOME, object_id="one")["nested"] == {"n": 1}

    @clause("E-7.3")
    def test_a_large_collection_comes_back_whole(self, transferable: StorageBase) -> None:
        entries = [
            ExportedEntry(f"{n:05}", 1_000 + n, {"n": n} if n % 3 else None) for n in range(MANY)
        ]
        change(transferable, 99_999, entries)

        assert exported(transferable) == [((PARENT, COLLECTION, 99_999), entries)]
        assert transferable.count_all(**HOME) == sum(entry.data is not None for entry in entries)

    @clause("E-7.3")
    def test_many_collections_come_back_whole(self, transferable: StorageBase) -> None:
        collections = [
            ImportedCollection(
                f"{n:05}", COLLECTION, 5_000, [ExportedEntry("x", n, {"n": n})] if n % 2 else ()
            )
            for n in range(MANY)
        ]
        transferable.import_(collections)

        assert exported(transferable) == [(one[:3], list(one.entries)) for one in collections]
        assert len(list(transferable.export_timestamps())) == MANY

    @clause("E-7.3")
    @pytest.mark.parametrize(
        ("parent_ids", "expected"),
        [
            ([Exact("ann")], ["ann"]),
            ([Exact("*")], ["*"]),
            ([Pattern("a*")], ["a%b", "a_b", "ann", "axb"]),
            ([Pattern("a_*"), Exact(""), Pattern("*b")], ["", "a%b", "a_b", "axb", "bob"]),
            ([Pattern("*n*n*"), Exact("ann")], ["ann"]),
            ([Exact("a"), Pattern("z*")], []),
            ([Pattern("*")], ["", "*", "a%b", "a_b", "ann", "axb", "bob"]),
        ],
    )
    def test_only_some_parents_are_exported(
        self, transferable: StorageBase, parent_ids: list[str], expected: list[str]
    ) -> None:
        for parent in ("", "*", "a%b", "a_b", "ann", "axb", "bob"):
            for record in ("x", "y"):
                transferable.create(COLLECTION, Exact(parent), {"id": record})
            transferable.delete(COLLECTION, Exact(parent), "x")
            transferable.record_departures(
                COLLECTION, Exact(parent), [Departure("y", DepartureKind.LEFT, ["dan"])]
            )
            transferable.collection_timestamp("empty", Exact(parent))
        everything = exported(transferable)

        found = [
            (CollectionTimestamp(*one[:3]), list(one.entries), len(list(one.departures)))
            for one in transferable.export(parent_ids)
        ]

        wanted = [pair for pair in everything if pair[0].parent_id in expected]
        assert [pair[:2] for pair in found] == wanted
        assert len(wanted) == 2 * len(expected)
        assert sum(departures for *_, departures in found) == len(expected)
        timestamps = list(transferable.export_timestamps(parent_ids))
        assert timestamps == [state for state, _ in wanted]

    @clause("E-7.3")
    def test_what_the_iteration_has_passed_may_be_imported(self, transferable: StorageBase) -> None:
        change(transferable, 10, [ExportedEntry(f"{n:05}", 1, {}) for n in range(MANY)])
        transferable.import_([ImportedCollection("bob", COLLECTION, 20)])

        found = 0
        for collection in transferable.export():
            for entry in collection.entries:
                found += 1
                if found % 100 == 0:
                    marked = ExportedEntry(entry.id, 2, {"n": found})
                    change(transferable, 10, [marked], [f"{found - 50:05}"])

        assert found == MANY
        assert transferable.count_all(**HOME) == MANY - MANY // 100

    @clause("E-7.3", "D-60")
    def test_all_that_the_timestamp_promises_is_exported(self, transferable: StorageBase) -> None:
        """Other clients write meanwhile, but nothing older than the timestamp is missing."""
        written: list[dict[str, Any]] = []
        snapshots: list[tuple[ExportedCollection, list[ExportedEntry]]] = []

        def act(rank: int) -> None:
            if rank:
                written.extend(create(transferable, n=n) for n in range(60))
                return
            while len(snapshots) < 5:
                snapshots.extend((one, list(one.entries)) for one in transferable.export())

        create(transferable)
        outcomes = in_threads(3, act)

        assert outcomes == [None] * 3
        for collection, entries in snapshots:
            ids = {entry.id for entry in entries}
            promised = {
                record["id"]
                for record in written
                if record["last_modified"] <= collection.timestamp
            }
            assert promised <= ids
