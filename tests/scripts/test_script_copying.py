"""What a copy makes of two backends, whatever happens meanwhile."""

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cliquet.permission.grants import ACEPrincipal, UserPrincipal
from cliquet.permission.memory import Permission
from cliquet.scripts import copying
from cliquet.storage import StorageBase
from cliquet.storage.departures import Departure, DepartureKind
from cliquet.storage.memory import Storage
from cliquet.storage.transfer import ImportedCollection

FUTURE = 9_000_000_000_000
NOTHING = copying.Copied()


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make several batches of a few changes."""
    monkeypatch.setattr(copying, "BATCH", 7)


class KilledError(Exception):
    """The process ends here."""


class FragileStorage(Storage):
    """Dies at one of the writes of a copy, before or after it."""

    def __init__(self) -> None:
        super().__init__()
        self.dies_at = None
        self.imports = []

    def import_(self, collections: Any) -> None:
        self.imports.append(collections)
        if self.dies_at == (len(self.imports), "before"):
            raise KilledError
        super().import_(collections)
        if self.dies_at == (len(self.imports), "after"):
            raise KilledError


def content(backend: Any) -> list[Any]:
    """Return everything that a backend exports."""
    if isinstance(backend, Permission):
        return list(backend.export())
    return [(one[:3], list(one.entries)) for one in backend.export()]


def fill(storage: Any, seed: int = 0, collections: int = 9) -> None:
    """Store records, tombstones and timestamps of all kinds."""
    chosen = random.Random(seed)
    for n in range(collections):
        home = {"collection_id": f"c{n % 3}", "parent_id": f"p{n // 3}"}
        for _ in range(chosen.randrange(12)):
            record_id = f"r{chosen.randrange(12)}"
            storage.update(**home, object_id=record_id, record={"n": chosen.random()})
            if chosen.random() < 0.3:
                storage.delete(**home, object_id=record_id, with_deleted=chosen.random() < 0.7)
    storage.collection_timestamp("read", "p1")
    storage.create("ahead", "p1", {"id": "x", "last_modified": FUTURE})
    storage.delete("ahead", "p1", "x", with_deleted=False)


@pytest.fixture
def source() -> Storage:
    storage = Storage()
    fill(storage)
    return storage


@pytest.fixture
def target() -> Any:
    return FragileStorage()


# Storage


@pytest.mark.clause("E-7.3")
def test_the_target_becomes_equal(source: StorageBase, target: StorageBase) -> None:
    before = content(source)

    copied = copying.copy_records(source, target)

    assert content(target) == content(source) == before
    assert copied.collections == len(before)
    assert copied.entries == copied.written == sum(len(entries) for _, entries in before)
    assert (copied.removed, copied.has_moved) == (0, False)
    assert copying.has_same_timestamps(source, target)
    for home in itertools.product(("c0", "c1", "c2"), ("p0", "p1", "p2")):
        assert target.count_all(*home) == source.count_all(*home) == len(target.list_all(*home))


@pytest.mark.clause("E-13.1", "E-7.3")
def test_horizons_and_epochs_are_copied(source: StorageBase, target: StorageBase) -> None:
    source.purge_deleted(None, "*", max_retained=1)
    stale = [Departure(f"r{n}", DepartureKind.LEFT, ["alice"]) for n in range(20)]
    target.record_departures("c0", "p0", stale[:3])
    source.record_departures("c0", "p0", [*stale[2:], Departure("r5", DepartureKind.LATE)])

    copying.copy_records(source, target)

    lost = source.list_departures("c0", "p0", 0, ["alice"])
    assert len(lost) == 19
    assert target.list_departures("c0", "p0", 0, ["alice"]) == lost

    for one in source.export_timestamps():
        home = (one.collection_id, one.parent_id)
        assert target.collection_history(*home) == source.collection_history(*home)
    # A purge alone changes no timestamp.
    source.purge_deleted("c0", "p0")
    before = source.collection_history("c0", "p0")
    copying.copy_records(source, target)
    assert target.collection_history("c0", "p0") == before


@pytest.mark.clause("E-13.1")
def test_data_that_replace_newer_ones_begin_a_new_epoch(
    source: StorageBase, target: StorageBase
) -> None:
    copying.copy_records(source, target)
    history = target.collection_history("c0", "p0")
    assert history == source.collection_history("c0", "p0")
    target.create("c0", "p0", {"id": "later"})

    copying.copy_records(source, target)

    restored = target.collection_history("c0", "p0")
    assert restored.epoch not in ("", history.epoch)
    assert restored.purged == history.purged
    copying.copy_records(source, target)
    assert target.collection_history("c0", "p0") == restored


@pytest.mark.clause("E-7.3")
def test_changes_go_on_in_the_target(source: StorageBase, target: StorageBase) -> None:
    copying.copy_records(source, target)

    assert target.create("ahead", "p1", {})["last_modified"] == FUTURE + 2


@pytest.mark.clause("E-7.3")
def test_a_second_run_writes_nothing(source: Storage, target: Any) -> None:
    first = copying.copy_records(source, target)
    target.imports.clear()

    second = copying.copy_records(source, target)

    assert target.imports == []
    assert (second.entries, second.written, second.removed) == (first.entries, 0, 0)


@pytest.mark.clause("E-7.3")
def test_a_second_run_copies_what_changed(source: Storage, target: Any) -> None:
    copying.copy_records(source, target)
    target.imports.clear()
    kept = source.create("c0", "p0", {"id": "new", "n": 1})
    source.purge_deleted("c1", "*")

    copied = copying.copy_records(source, target)

    assert content(target) == content(source)
    assert copied.written == 1
    assert copied.removed > 0
    written = [entry for batch in target.imports for one in batch for entry in one.entries]
    assert written == [("new", kept["last_modified"], {"n": 1})]


@pytest.mark.clause("E-7.3", "B-4.10")
@pytest.mark.parametrize(("old", "new"), [(1, 2), (True, 1), ([0], [False]), ({"a": 1}, {"b": 1})])
def test_data_that_changed_at_one_timestamp_are_copied(
    source: StorageBase,
    target: StorageBase,
    old: dict[str, Any] | int | list[Any],
    new: dict[str, Any] | int | list[Any],
) -> None:
    source.update("c0", "p0", "past", {"n": old, "last_modified": 5})
    copying.copy_records(source, target)
    source.update("c0", "p0", "past", {"n": new, "last_modified": 5})

    assert copying.copy_records(source, target).written == 1

    copied = target.get("c0", "p0", "past")["n"]
    assert (copied, type(copied)) == (new, type(new))


@pytest.mark.clause("E-7.3")
def test_what_vanished_from_the_source_vanishes(source: StorageBase, target: StorageBase) -> None:
    copying.copy_records(source, target)
    source.flush()
    source.create("c0", "p0", {"id": "only", "last_modified": 3})

    copying.copy_records(source, target)

    assert content(target) == content(source)
    assert content(target) == [(("p0", "c0", 3), [("only", 3, {})])]


@pytest.mark.clause("E-7.3")
def test_what_the_target_held_is_replaced(source: StorageBase, target: StorageBase) -> None:
    fill(target, seed=1, collections=12)
    target.create("c0", "p0", {"id": "r1", "last_modified": FUTURE})

    copying.copy_records(source, target)

    assert content(target) == content(source)


@pytest.mark.clause("E-7.3")
def test_a_copy_that_is_killed_anywhere_is_finished_by_another(
    source: Storage, target: Any
) -> None:
    reference = FragileStorage()
    copying.copy_records(source, reference)
    deaths = list(itertools.product(range(1, len(reference.imports) + 1), ("before", "after")))
    assert len(deaths) > 8

    for death in deaths:
        target = FragileStorage()
        target.dies_at = death
        with pytest.raises(KilledError):
            copying.copy_records(source, target)
        written = sum(len(entries) for _, entries in content(target))

        target.dies_at = None
        copied = copying.copy_records(source, target)

        assert content(target) == content(source)
        # What was there is not written again.
        assert copied.written == copied.entries - written


@pytest.mark.clause("E-7.3")
def test_no_more_than_a_batch_is_held(source: StorageBase, target: StorageBase) -> None:
    entries = [(f"{n:03}", n, {"n": n}) for n in range(100)]
    source.import_([ImportedCollection("big", "c", 1_000, entries)])  # type: ignore[arg-type]
    live = []

    class Counting(Storage):
        def export(self) -> Iterator[Any]:
            for one in source.export():
                yield one._replace(entries=self._counted(one.entries))

        def _counted(self, entries: Any) -> Iterator[Any]:
            for entry in entries:
                live.append(entry)
                yield entry

    class Writing(FragileStorage):
        def import_(self, collections: Any) -> None:
            super().import_(collections)
            assert len(live) <= copying.BATCH + len(collections) * 2
            live.clear()

    target = Writing()
    copying.copy_records(Counting(), target)

    assert content(target) == content(source)
    assert max(sum(len(one.entries) for one in batch) for batch in target.imports) <= 7


class BusyStorage(Storage):
    """Somebody writes to it while it is exported."""

    def __init__(self, write: Any) -> None:
        super().__init__()
        self.write = write

    def export(self) -> Iterator[Any]:
        for collection in super().export():
            yield collection._replace(entries=self._busy(collection))

    def _busy(self, collection: Any) -> Iterator[Any]:
        for n, entry in enumerate(collection.entries):
            self.write(self, collection, n)
            yield entry


def behind(storage: Any, collection: Any, n: Any) -> None:
    """Write where the copy has been."""
    if n == 3:
        storage.update("c0", "p0", "000", {"late": True})


def ahead(storage: Any, collection: Any, n: Any) -> None:
    """Write a new collection where the copy is going."""
    if n == 3:
        storage.update("d", "p1", "x", {"late": True})


def deletion(storage: Any, collection: Any, n: Any) -> None:
    """Delete where the copy has been."""
    if n == 3 and collection.collection_id == "c0":
        storage.delete("c0", "p0", "000")


@pytest.mark.clause("E-7.3")
@pytest.mark.parametrize("write", [behind, deletion])
def test_changes_during_the_copy_are_noticed_and_copied_by_the_next(
    write: Callable[..., Any], target: StorageBase
) -> None:
    source = BusyStorage(write)
    for n in range(20):
        source.create("c0", "p0", {"id": f"{n:03}"})

    copied = copying.copy_records(source, target)

    assert copied.has_moved or not copying.has_same_timestamps(source, target)
    # Nobody is served records from the future.
    for state, entries in content(target):
        assert state[2] >= max(entry.last_modified for entry in entries)
    assert copying.find_newer_collection(source, target) is None

    source.write = lambda *args: None
    copied = copying.copy_records(source, target)

    assert not copied.has_moved
    assert copying.has_same_timestamps(source, target)
    assert content(target) == content(source)


@pytest.mark.clause("E-7.3", "D-60")
def test_a_change_is_noticed_though_a_later_one_was_copied(target: StorageBase) -> None:
    """The timestamps are equal in the end, but the first change was missed."""

    def write(storage: Any, collection: Any, n: Any) -> None:
        if n == 3:
            storage.update("c0", "p0", "000", {"late": 1})
            storage.update("c0", "p0", "019", {"late": 2})

    class ReadsLate(BusyStorage):
        """Reads each entry when it is asked for it, as servers do page by page."""

        def _busy(self, collection: Any) -> Iterator[Any]:
            for n in range(20):
                self.write(self, collection, n)
                yield copying.ExportedEntry(*self._read(f"{n:03}"))

        def _read(self, record_id: Any) -> Any:
            record = self.get("c0", "p0", record_id)
            return record.pop("id"), record.pop("last_modified"), record

    source = ReadsLate(write)
    for n in range(20):
        source.create("c0", "p0", {"id": f"{n:03}"})

    copied = copying.copy_records(source, target)

    assert source.get("c0", "p0", "000")["late"] == 1
    assert "late" not in target.get("c0", "p0", "000")
    assert copying.has_same_timestamps(source, target)
    assert copied.has_moved


@pytest.mark.clause("E-7.3")
def test_a_new_collection_is_noticed(target: StorageBase) -> None:
    source = BusyStorage(ahead)
    for n in range(20):
        source.create("c0", "p0", {"id": f"{n:03}"})

    copying.copy_records(source, target)

    assert not copying.has_same_timestamps(source, target)


@pytest.mark.clause("E-7.3")
def test_progress_is_told_while_records_are_compared(
    source: StorageBase, target: StorageBase
) -> None:
    told = []

    def tell(copied: Any) -> None:
        told.append((copied.entries, copied.written))

    copying.copy_records(source, target, tell)
    first, told = told, []
    copying.copy_records(source, target, tell)

    for steps in (first, told):
        assert len(steps) > 4
        assert steps == sorted(steps)
        assert steps[-1][0] == sum(len(entries) for _, entries in content(source))


@pytest.mark.clause("E-7.3")
def test_a_target_that_was_written_to_is_found(source: StorageBase, target: StorageBase) -> None:
    copying.copy_records(source, target)
    assert copying.find_newer_collection(source, target) is None

    target.collection_timestamp("c9", "p9")
    assert copying.find_newer_collection(source, target) is None

    target.create("c9", "p9", {"id": "x"})
    target.delete("c9", "p9", "x")
    newer = copying.find_newer_collection(source, target)
    assert newer == ("p9", "c9", target.collection_timestamp("c9", "p9"))

    target.purge_deleted("c9", "p9")
    assert copying.find_newer_collection(source, target) is None

    target.update("c0", "p0", "x", {})
    assert copying.find_newer_collection(source, target)[:2] == ("p0", "c0")  # type: ignore[index]


@pytest.mark.clause("E-7.3")
def test_an_order_unlike_the_contracts_is_refused(source: StorageBase, target: StorageBase) -> None:
    class Disordered(Storage):
        def export(self) -> Any:
            return reversed([one._replace(entries=list(one.entries)) for one in source.export()])

    class Repeating(Storage):
        def export(self) -> Iterator[Any]:
            for one in source.export():
                entry = copying.ExportedEntry("x", 1, {})
                yield one._replace(entries=[entry, entry])

    for backend in (Disordered(), Repeating()):
        with pytest.raises(copying.DisorderError, match="is exported after"):
            copying.copy_records(backend, target)


@pytest.mark.clause("E-7.3")
def test_a_record_that_cannot_be_stored_is_named(source: StorageBase) -> None:
    class Picky(Storage):
        def import_(self, collections: Any) -> None:
            for one in collections:
                if any(entry.data and "\0" in str(entry.data.get("t")) for entry in one.entries):
                    raise TypeError("no NUL here")
            super().import_(collections)

    source.create("c1", "p1", {"id": "odd", "t": "a\0b"})

    with pytest.raises(copying.UnstorableError) as caught:
        copying.copy_records(source, Picky())

    message = "the record 'odd' of 'c1' of 'p1' cannot be stored: no NUL here"
    assert str(caught.value) == message


@pytest.mark.clause("E-7.3")
def test_a_refusal_that_is_of_no_record_is_passed_on(source: StorageBase) -> None:
    class Closed(Storage):
        def import_(self, collections: Any) -> None:
            if len(collections) > 1:
                raise TypeError("one at a time")
            super().import_(collections)

    with pytest.raises(copying.UnstorableError, match=r"^one at a time$"):
        copying.copy_records(source, Closed())


# Permissions


def grant(permission: Any) -> None:
    for n in range(30):
        permission.add_user_principal(f"user{n}", f"group{n % 4}")
        permission.add_principal_to_ace(f"/o/{n % 7}", f"p{n % 2}", f"user{n}")


@pytest.mark.clause("E-7.3")
def test_principals_are_copied_then_only_what_changed() -> None:
    source, target = Permission(), Permission()
    grant(source)
    target.add_user_principal("stranger", "group1")
    target.add_principal_to_ace("/o/1", "p0", "stranger")

    first = copying.copy_grants(source, target)
    assert content(target) == content(source)
    assert (first.entries, first.written, first.removed) == (60, 60, 2)

    source.remove_principal("group1")
    source.delete_object_permissions("/o/2")
    source.add_user_principal("user5", "new")
    second = copying.copy_grants(source, target)
    assert content(target) == content(source)
    assert second.written == 1

    third = copying.copy_grants(source, target)
    assert (third.entries, third.written, third.removed) == (len(content(source)), 0, 0)


@pytest.mark.clause("E-7.3")
def test_progress_is_told_while_principals_are_compared() -> None:
    source, target = Permission(), Permission()
    grant(source)
    copying.copy_grants(source, target)
    told = []

    copying.copy_grants(source, target, lambda copied: told.append(copied.entries))

    assert told == [7, 14, 21, 28, 35, 42, 49, 56, 60]


@pytest.mark.clause("E-7.3")
def test_a_principal_that_cannot_be_stored_is_no_traceback() -> None:
    class Picky(Permission):
        def import_(self, added: Any, removed: Any) -> None:
            raise TypeError("no NUL here")

    source = Permission()
    grant(source)

    with pytest.raises(copying.UnstorableError, match="no NUL here"):
        copying.copy_grants(source, Picky())


@pytest.mark.clause("E-7.3")
def test_users_and_objects_of_the_same_name_are_not_confused() -> None:
    source, target = Permission(), Permission()
    source.import_([ACEPrincipal("a", "b", "c")], [])
    target.import_([UserPrincipal("a", "b")], [])

    copying.copy_grants(source, target)

    assert content(target) == [ACEPrincipal("a", "b", "c")]
