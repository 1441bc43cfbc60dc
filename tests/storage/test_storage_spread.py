"""The storage in PostgreSQL with collections that are spread over three counters (E-23)."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import pytest
from servers.postgresql import new_database, running_postgresql
from support.configured import loading
from support.judged_statements import judging

from cliquet.core.globs import Pattern
from cliquet.storage import StorageBase, postgresql
from cliquet.storage.departures import Departure, DepartureKind
from cliquet.storage.exceptions import BackendError
from cliquet.testing.storage import (
    AtomicTests,
    ChangeTests,
    ConcurrencyTests,
    CreationTests,
    DeletionTests,
    DepartureTests,
    ExtremeQueryTests,
    FilterTests,
    ForgettingTests,
    HistoryTests,
    JointReadTests,
    ListingTests,
    NameTests,
    PageTests,
    PaginationTests,
    RecordTests,
    SortingTests,
    TimestampTests,
    TransactedDepartureTests,
    TransactedHistoryTests,
    TransactedWatchingTests,
    TransactionTests,
    WatchingTests,
)
from cliquet.testing.storage.common import COLLECTION, OTHER_COLLECTION
from cliquet.testing.storage.finding import FindingTests
from cliquet.testing.storage.slices import SliceTests

SHARDS = 3

# What does not hold for a collection with shards, and why (E-23.5).
_NUMBERS: Final = "The shards share the timestamps between them, so that some are left out."
_UNIQUE: Final = "Values are compared under one lock, which such a collection does not have."
_COPIES: Final = "Such a collection is not copied and not set back, but refused."
_LATER: Final = "The records may be later than the timestamp of their page, and never earlier."
_SHARDS: Final = "A shard that holds nothing is forgotten by itself."
_AGAIN: Final = "A request that writes to several shards may have to begin again, as this one does."
_BY_SHARD: Final = "A purge in slices goes shard by shard, or in one step."
EXCEPTIONS: Final = {
    "test_slices_remove_what_a_purge_would": _BY_SHARD,
    "test_the_oldest_go_first_and_the_horizon_follows": _BY_SHARD,
    "test_departures_of_the_same_ages_go_with_them": _BY_SHARD,
    "test_those_with_one_timestamp_go_together": _BY_SHARD,
    "test_an_abandoned_purge_leaves_what_another_one_finishes": _BY_SHARD,
    "test_a_poller_misses_no_change": _AGAIN,
    "test_collections_that_hold_something_are_kept": _SHARDS,
    "test_an_empty_collection_with_a_horizon_is_not_forgotten": _SHARDS,
    "test_first_accesses_before_a_time_are_forgotten": _COPIES,
    "test_a_copy_keeps_horizon_and_epoch": _COPIES,
    "test_given_values_win": _COPIES,
    "test_an_import_keeps_what_is_not_given": _COPIES,
    "test_restored_data_begin_a_new_epoch": _COPIES,
    "test_a_forgotten_collection_begins_a_new_epoch": _COPIES,
    "test_departures_are_copied": _COPIES,
    "test_departures_are_never_after_the_collection": _COPIES,
    "test_unique_values_of_a_request_that_fails_are_free": _UNIQUE,
    "test_unicity_first_asked_in_a_request_that_fails_holds_afterwards": _UNIQUE,
    "test_departures_come_with_what_is_there_now": _NUMBERS,
    "test_each_departure_has_a_position_of_its_own": _NUMBERS,
    "test_timestamps_go_on_from_a_future_one": _NUMBERS,
    "test_timestamps_go_on_from_any_that_there_is": _NUMBERS,
    "test_after_the_last_timestamp_a_collection_goes_on_from_the_clock": _NUMBERS,
    "test_a_collection_emptied_without_trace_keeps_its_timestamp": _NUMBERS,
    "test_one_of_the_creations_with_a_unique_value_succeeds": _UNIQUE,
    "test_a_refused_write_moves_no_timestamp": _UNIQUE,
    "test_a_collection_that_is_set_back_begins_a_new_epoch": _COPIES,
    "test_a_page_and_its_timestamp_are_of_one_instant": _LATER,
}

make_storage = loading(postgresql, "storage")


@pytest.fixture(scope="module")
def shared_storage(postgresql_module_url: str) -> Iterator[Any]:
    storage = make_storage(postgresql_module_url)
    for name in (COLLECTION, OTHER_COLLECTION["collection_id"]):
        storage.declare_shards(name, SHARDS)
    storage.initialize_schema()
    yield storage
    storage.client.dispose()


@pytest.fixture
def storage(shared_storage: Any) -> Any:
    shared_storage.flush()
    return shared_storage


@pytest.mark.clause("E-9.3", "E-23.5")
class TestSpreadPostgreSQLStorage(
    RecordTests,
    TimestampTests,
    JointReadTests,
    ListingTests,
    NameTests,
    PageTests,
    FilterTests,
    SortingTests,
    PaginationTests,
    ExtremeQueryTests,
    CreationTests,
    DeletionTests,
    ForgettingTests,
    ChangeTests,
    ConcurrencyTests,
    AtomicTests,
    TransactedDepartureTests,
    TransactedHistoryTests,
    TransactedWatchingTests,
    DepartureTests,
    HistoryTests,
    WatchingTests,
    FindingTests,
    SliceTests,
    TransactionTests,
):
    """The contract, but for unique fields, copies, and the exceptions above."""

    @pytest.fixture(autouse=True)
    def judged(self, storage: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        yield from judging(monkeypatch, storage.client, has_shards=True)

    @pytest.fixture(autouse=True)
    def except_(self, request: pytest.FixtureRequest) -> None:
        reason = EXCEPTIONS.get(request.node.originalname)
        if reason is not None:
            pytest.skip(reason)


def test_no_exception_is_unknown() -> None:
    assert [name for name in EXCEPTIONS if not hasattr(TestSpreadPostgreSQLStorage, name)] == []


@pytest.mark.clause("E-7.7", "E-23.5")
@pytest.mark.parametrize(("limit", "left"), [({}, []), ({"max_retained": 2}, ["r4", "r5"])])
@pytest.mark.parametrize("in_slices", [True, False])
def test_a_purge_reaches_all_shards(
    storage: Any, limit: dict[str, int], left: list[str], in_slices: bool
) -> None:
    home = {"collection_id": COLLECTION, "parent_id": "alice"}
    for number in range(6):
        storage.create(**home, record={"id": f"r{number}"})
        storage.delete(**home, object_id=f"r{number}")

    if in_slices:
        number = sum(storage.purge_slices(**home, size=2, **limit))
    else:
        number = storage.purge_deleted(**home, **limit)

    tombstones, _ = storage.get_all(**home, include_deleted=True)
    assert sorted(one["id"] for one in tombstones) == left
    assert number == 6 - len(left)


@pytest.mark.clause("E-23.2")
def test_collections_without_shards_are_served_beside(storage: Any) -> None:
    whole = {"collection_id": "whole", "parent_id": "alice"}
    spread = {"collection_id": COLLECTION, "parent_id": "alice"}
    for home in (whole, spread):
        for number in range(4):
            storage.create(**home, record={"id": f"r{number}"})
    with pytest.raises(ValueError, match="has no unique fields"):
        storage.create(**spread, record={"name": "a"}, unique_fields=["name"])

    departure = Departure("r0", DepartureKind.GONE, ["bob"])
    position = storage.record_departures(**whole, departures=[departure])
    found = storage.list_departures(**whole, after=0, principals=["bob"])
    assert [(one.id, one.position) for one in found] == [("r0", position)]

    everybody = Pattern.of("a", "")
    for name in ("whole", COLLECTION):
        assert storage.trim_objects(name, everybody, None, max_objects=3) == 1
        assert storage.trim_objects(name, everybody, None, max_objects=0) == 3
        assert storage.purge_deleted(name, everybody, max_retained=1) >= 3
    assert storage.trim_objects(**whole, filters=None, max_objects=1) == 0
    assert sum(storage.purge_slices(**whole, size=1)) == 1


@pytest.mark.clause("E-23.6")
def test_a_service_that_starts_without_its_database_serves_no_part_of_a_collection(
    processes: None,
) -> None:
    with running_postgresql() as server, new_database(server.url) as url:
        with closing_client(make_storage(url)) as spread:
            spread.declare_shards(COLLECTION, SHARDS)
            spread.initialize_schema()
            spread.create(COLLECTION, "alice", record={"n": 1})
        with closing_client(make_storage(url)) as whole:
            whole.declare_shards(COLLECTION, 1)
            server.stop()
            with pytest.raises(BackendError):
                whole.differing_shards()
            server.start()

            with pytest.raises(BackendError, match="3 shards in the database, and 1 in the servi"):
                whole.get_all(COLLECTION, "alice")


@contextlib.contextmanager
def closing_client(storage: Any) -> Iterator[Any]:
    yield storage
    storage.client.dispose()


@pytest.mark.clause("E-23.5")
def test_copies_are_refused_clearly(storage: StorageBase) -> None:
    for refused in (
        storage.export,
        lambda: storage.import_([]),
        lambda: storage.rewind(COLLECTION, "alice", 1),
    ):
        with pytest.raises(BackendError, match="basket, mushroom"):
            refused()
