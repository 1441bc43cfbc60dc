"""The storage in PostgreSQL: the contract, and what is particular to it."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.busy import BUSY_SECONDS
from support.configured import loading
from support.judged_statements import judging
from support.statements import counted, record
from transaction import TransactionManager

from cliquet.connections.selected_aces import InsertedACEs, SelectedACEs
from cliquet.core.globs import Pattern
from cliquet.storage import StorageBase, postgresql
from cliquet.storage.atomicity import HeldACEs, Seen, StaleReadError
from cliquet.storage.exceptions import BackendError, ReadonlyError, RecordNotFoundError
from cliquet.storage.query import COMPARISON, Filter, Sort
from cliquet.storage.selection import CollectionKey
from cliquet.storage.timestamps import MAX_TIMESTAMP
from cliquet.testing.bounded import PATIENCE_SECONDS, Thread
from cliquet.testing.storage import StorageContract
from cliquet.testing.storage.common import HOME, OTHER_PARENT, create, in_another_thread, timestamp
from cliquet.testing.transactions import request_transaction
from cliquet.transactions import scope

make_storage = loading(postgresql, "storage")


@pytest.fixture(scope="module")
def shared_storage(postgresql_module_url: str) -> Iterator[Any]:
    storage = make_storage(postgresql_module_url)
    storage.initialize_schema()
    yield storage
    storage.client.dispose()


@pytest.fixture
def storage(shared_storage: Any) -> Any:
    shared_storage.flush()
    return shared_storage


@pytest.mark.clause("E-9.3")
class TestPostgreSQLStorage(StorageContract):
    """The contract, of which a distributed database could run every statement."""

    @pytest.fixture(autouse=True)
    def judged(self, storage: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        yield from judging(monkeypatch, storage.client)


@pytest.fixture
def sent(storage: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return record(storage.client, monkeypatch)


@pytest.mark.clause("B-4.6", "B-22.1")
def test_timestamps_come_from_the_clock_of_the_server_and_never_from_the_future(
    storage: StorageBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cliquet.utils.msec_time", lambda: 5)

    def clock() -> Any:
        with storage.client.connect(readonly=True) as session:
            query = "SELECT extract(epoch FROM clock_timestamp()) * 1000"
            return session.execute(query).fetchone()[0]

    for _ in range(50):
        before = clock()
        record = create(storage)
        assert before - 1 < record["last_modified"] <= clock()
        time.sleep(0.001)


@pytest.mark.clause("B-22.1", "B-21.1")
def test_300_creations_have_300_timestamps(storage: StorageBase) -> None:
    assert len({create(storage)["last_modified"] for _ in range(300)}) == 300


@pytest.mark.clause("B-21.29", "B-6.21")
def test_ids_are_in_code_point_order_whatever_the_collation(storage: StorageBase) -> None:
    for name in ("b", "B", "a", "-a", "é", "A"):
        create(storage, id=name)

    ids = [item["id"] for item in storage.list_all(**HOME, sorting=[Sort("id", 1)])]

    assert ids == sorted(ids) == ["-a", "A", "B", "a", "b", "é"]


@pytest.mark.clause("B-12.8", "B-21.26")
def test_ids_and_timestamps_are_not_stored_twice(storage: StorageBase) -> None:
    create(storage, id="a", n=1)

    with storage.client.connect(readonly=True) as session:
        assert session.execute("SELECT data FROM records").fetchall() == [({"n": 1},)]


@pytest.mark.clause("B-22.27")
def test_nul_is_refused_and_what_only_looks_like_it_is_kept(storage: StorageBase) -> None:
    for value in ("\0", {"a": ["\0"]}, {"\0": 1}):
        with pytest.raises(TypeError, match="NUL"):
            create(storage, value=value)

    record = create(storage, value="\\u0000")
    assert storage.get(**HOME, object_id=record["id"])["value"] == "\\u0000"


@pytest.mark.clause("B-21.7", "B-4.15")
def test_a_readonly_instance_attempts_no_write(postgresql_url: str, storage: StorageBase) -> None:
    with pytest.raises(ReadonlyError):
        make_readonly(storage).collection_timestamp(**HOME)
    record = create(storage)

    assert make_readonly(storage).collection_timestamp(**HOME) == record["last_modified"]


def make_readonly(storage: Any) -> Any:
    return postgresql.Storage(storage.client, is_readonly=True)


@pytest.mark.clause("B-21.7", "B-4.15")
def test_a_server_that_accepts_no_write_is_readonly(postgresql_url: str) -> None:
    storage = make_storage(postgresql_url)
    storage.initialize_schema()
    create(storage)
    with storage.client.connect() as session:
        name = storage.client.engine.url.database
        session.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    storage.client.dispose()

    with pytest.raises(ReadonlyError):
        storage.collection_timestamp(**OTHER_PARENT)
    assert storage.collection_timestamp(**HOME)
    storage.client.dispose()


@pytest.mark.clause("B-2.5", "B-3.10")
def test_a_server_that_is_down_is_noticed_at_the_first_use() -> None:
    storage = make_storage("postgresql://localhost:1/no_storage")

    with pytest.raises(BackendError):
        create(storage)
    with pytest.raises(BackendError):
        storage.list_all(**HOME)


@pytest.mark.clause("D-60", "B-22.3", "X-22")
def test_a_second_new_collection_of_a_request_can_be_read_meanwhile(storage: StorageBase) -> None:
    with request_transaction():
        create(storage)
        record = storage.create(**OTHER_PARENT, record={})
        read = in_another_thread(lambda: storage.collection_timestamp(**OTHER_PARENT))

    assert read < record["last_modified"]


@pytest.mark.clause("B-22.28", "B-3.9")
def test_a_request_may_write_after_it_flushed(storage: StorageBase) -> None:
    create(storage)

    with request_transaction():
        storage.flush()
        create(storage, id="a")
        assert timestamp(storage)

    assert [item["id"] for item in storage.list_all(**HOME)] == ["a"]
    assert storage.count_all(**HOME) == 1


@pytest.mark.clause("X-24", "D-54")
def test_the_first_write_of_a_collection_is_judged_under_its_lock(storage: StorageBase) -> None:
    start = threading.Barrier(8, timeout=60)
    created = []

    def put(parent_id: Any) -> None:
        def operation() -> bool:
            if storage.list_all("mushroom", parent_id):
                return False
            storage.update("mushroom", parent_id, "same", {})
            return True

        start.wait()
        created.append(storage.atomic(operation, collection_id="mushroom", parent_id=parent_id))

    for n in range(10):
        created.clear()
        threads = [Thread(target=put, args=(str(n),)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(created) == [False] * 7 + [True]


@pytest.mark.clause("B-23.8", "X-23")
def test_a_lock_against_the_order_is_not_waited_for_and_taken_in_order_next_time(
    storage: StorageBase, sent: list[Any]
) -> None:
    for parent_id in ("a", "b"):
        storage.create("mushroom", parent_id, {})
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with request_transaction():
            storage.create("mushroom", "a", {})
            held.set()
            done.wait(PATIENCE_SECONDS)

    holder = Thread(target=hold)
    holder.start()
    assert held.wait(PATIENCE_SECONDS)
    contended = set()
    try:
        scope.enter(TransactionManager(explicit=True).begin(), contended)
        storage.create("mushroom", "b", {})
        started = time.monotonic()
        with pytest.raises(BackendError) as caught:
            storage.create("mushroom", "a", {})
        assert caught.value.retryable
        assert time.monotonic() - started < BUSY_SECONDS
        scope.current().abort()
        assert scope.contended() == set()
    finally:
        done.set()
        holder.join()

    sent.clear()
    attempt = TransactionManager(explicit=True).begin()
    scope.enter(attempt, contended)
    storage.create("mushroom", "b", {})
    attempt.commit()

    # Both, in order, in the round trip of the first statement.
    first = sent[0]
    assert first.index("'1:a:mushroom'") < first.index("'1:b:mushroom'")
    assert "NOWAIT" not in first


# Round trips


@pytest.mark.clause("B-23.1", "B-23.11")
def test_reading_takes_one_round_trip(storage: Any, sent: list[str]) -> None:
    create(storage, id="a", n=1)
    storage.get(**HOME, object_id="a")
    storage.get_all(**HOME, filters=[Filter("n", 1, COMPARISON.EQ)], limit=10)
    timestamp(storage)
    storage.count_all(**HOME)
    sent.clear()

    storage.get(**HOME, object_id="a")
    assert len(sent) == 1
    page, _ = storage.get_all(**HOME, filters=[Filter("n", 1, COMPARISON.EQ)], limit=10)
    assert page.timestamp
    assert len(sent) == 2
    timestamp(storage)
    storage.count_all(**HOME)
    assert len(sent) == 4


@pytest.mark.clause("B-21.22", "B-23.5")
def test_writing_takes_one_round_trip_and_the_commit(storage: Any, sent: list[str]) -> None:
    unique = {"unique_fields": ("phone",)}
    create(storage, id="a")
    writes = [
        lambda: create(storage, n=1),
        lambda: create(storage, id="b"),
        lambda: storage.create(**HOME, record={"phone": 1}, **unique),
        lambda: storage.update(**HOME, object_id="a", record={"phone": 2}, **unique),
        lambda: storage.delete(**HOME, object_id="a"),
        lambda: storage.update(**HOME, object_id="a", record={}),
        lambda: storage.delete(**HOME, object_id="a", with_deleted=False),
    ]
    for write in writes:
        sent.clear()
        write()
        assert len(counted(sent)) == 1, sent


@pytest.mark.clause("B-23.27", "E-9.3")
class TestUpdateOfWhatWasSeen:
    """What a late lock writes, or does not."""

    @pytest.fixture(autouse=True)
    def judged(self, storage: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        yield from judging(monkeypatch, storage.client)

    @staticmethod
    def update(storage: Any, seen: Any, **place: Any) -> Any:
        new = {"id": seen["id"], "n": 2}
        place = {**HOME, **place, "object_id": seen["id"]}
        stored, *_ = storage.update_seen(**place, record=new, seen=Seen(seen))
        return stored

    def test_a_record_that_nobody_has_changed_is_replaced_and_committed(self, storage: Any) -> None:
        before = create(storage, n=1, gone=True, exact=[1.5, 10**18, "é\n", None, {"a": 0.1}])

        stored = self.update(storage, before)

        stamp = stored["last_modified"]
        assert stored == {"id": before["id"], "n": 2, "last_modified": stamp}
        assert stamp > before["last_modified"]
        found = in_another_thread(lambda: storage.get(**HOME, object_id=before["id"]))
        assert found == stored
        assert timestamp(storage) == stamp
        assert storage.get_all(**HOME) == ([stored], 1)

    @pytest.mark.parametrize(
        "way", ["changed", "changed in a past", "deleted", "erased", "elsewhere", "tombstone"]
    )
    def test_otherwise_nothing_changes_not_even_the_timestamp(self, storage: Any, way: str) -> None:
        seen = record = create(storage, n=1)
        create(storage, n=9)
        place = {**HOME, "object_id": record["id"]}
        if way == "changed":
            storage.update(**place, record={"n": 3})
        elif way == "changed in a past":
            # The timestamp that the caller wants may be the one that the record has.
            changed = storage.update(**place, record={**record, "n": 3})
            assert changed["last_modified"] == record["last_modified"]
        elif way == "elsewhere":
            storage.create(**OTHER_PARENT, record={"n": 1})
        else:
            deleted = storage.delete(**place, with_deleted=way != "erased")
            seen = deleted if way == "tombstone" else seen
        where = OTHER_PARENT if way == "elsewhere" else HOME
        before = (
            storage.get_all(**where, include_deleted=True),
            storage.collection_timestamp(**where),
        )

        with pytest.raises(StaleReadError):
            self.update(storage, seen, **where)

        after = (
            storage.get_all(**where, include_deleted=True),
            storage.collection_timestamp(**where),
        )
        assert after == before

    def test_a_collection_without_a_row_is_not_touched(self, storage: Any) -> None:
        with pytest.raises(StaleReadError):
            self.update(storage, {"id": "a", "last_modified": 1})
        query = "SELECT live FROM timestamps WHERE parent_id = %s"
        assert storage.client.rows(query, (HOME["parent_id"],)) == []

    def test_within_a_transaction_it_is_for_another_way(self, storage: Any) -> None:
        record = create(storage, n=1)

        with storage.client.begin(), pytest.raises(StaleReadError):
            self.update(storage, record)
        assert storage.get(**HOME, object_id=record["id"]) == record

    @pytest.mark.parametrize("is_read", [True, False])
    def test_a_newer_timestamp_of_the_caller_is_kept(self, storage: Any, is_read: bool) -> None:
        record = create(storage, n=1)
        stamp = record["last_modified"] + 5000
        seen = Seen(record) if is_read else Seen()
        place = {**HOME, "object_id": record["id"], "seen": seen}

        stored, *_ = storage.update_seen(**place, record={"n": 2, "last_modified": stamp})

        assert stored == {"id": record["id"], "n": 2, "last_modified": stamp}
        assert storage.get(**HOME, object_id=record["id"]) == stored
        assert timestamp(storage) == stamp

    def test_one_that_is_not_newer_than_that_of_the_record_does_not_count(
        self, storage: Any
    ) -> None:
        record = create(storage, n=1)
        place = {**HOME, "object_id": record["id"], "seen": Seen()}

        for stamp in (record["last_modified"], 1):
            own = {"n": 2, "last_modified": stamp}
            before = timestamp(storage)
            stored, *_ = storage.update_seen(**place, record=own)
            assert stored["last_modified"] == timestamp(storage) > before

    def test_one_between_those_of_record_and_collection_is_for_another_way(
        self, storage: Any
    ) -> None:
        record = create(storage, n=1)
        stamp = record["last_modified"] + 5000
        create(storage, last_modified=stamp)
        place = {**HOME, "object_id": record["id"]}

        for own in (stamp, stamp - 1):
            new = {"n": 2, "last_modified": own}
            with pytest.raises(StaleReadError):
                storage.update_seen(**place, record=new, seen=Seen())
        assert storage.get(**place) == record
        assert timestamp(storage) == stamp

    def test_one_of_an_older_record_does_not_count_either_after_the_last_timestamp(
        self, storage: Any
    ) -> None:
        record = create(storage, last_modified=MAX_TIMESTAMP)
        create(storage)
        new = {"n": 2, "last_modified": timestamp(storage) + 5000}

        with pytest.raises(StaleReadError):
            storage.update_seen(**HOME, object_id=record["id"], record=new, seen=Seen())

    def test_the_former_record_is_told_to_who_may_ask_for_it(self, storage: Any) -> None:
        record = create(storage, n=1, nested={"a": [None, 1.5, "é"]})
        place = {**HOME, "object_id": record["id"]}

        told = storage.update_seen(**place, record={"n": 2}, seen=Seen(tells_former=True))
        not_told = storage.update_seen(**place, record={"n": 3}, seen=Seen())

        assert told.find_former() == record
        assert told.record["n"] == 2
        assert not_told.find_former is None

    def test_a_record_may_be_replaced_unread_up_to_a_timestamp(self, storage: Any) -> None:
        record = create(storage, n=1)
        place = {**HOME, "object_id": record["id"], "record": {"n": 2}}

        with pytest.raises(StaleReadError):
            storage.update_seen(**place, seen=Seen(until=record["last_modified"] - 1))
        assert storage.get(**HOME, object_id=record["id"]) == record

        stored, aces, _ = storage.update_seen(**place, seen=Seen(until=record["last_modified"]))
        assert storage.get(**HOME, object_id=record["id"]) == stored
        assert aces == {}

    @pytest.mark.parametrize("with_deleted", [True, False])
    def test_what_is_not_alive_is_not_replaced_unread(
        self, storage: Any, with_deleted: bool
    ) -> None:
        record = create(storage, n=1)
        storage.delete(**HOME, object_id=record["id"], with_deleted=with_deleted)
        before = timestamp(storage)

        with pytest.raises(StaleReadError):
            storage.update_seen(**HOME, object_id=record["id"], record={}, seen=Seen())

        assert storage.get_all(**HOME)[1] == 0
        assert timestamp(storage) == before

    @pytest.mark.parametrize(
        ("writer", "unless", "is_replaced"),
        [
            ("ann", None, True),
            ("bob", None, False),
            ("ben", None, False),
            (None, None, True),
            ("bob", ["bob", "bob_"], True),
            ("bob", ["cid", "ann"], False),
            ("ann", ["ann"], True),
        ],
    )
    def test_permissions_must_be_held_and_are_returned(
        self, storage: Any, writer: Any, unless: Any, is_replaced: bool
    ) -> None:
        record = create(storage, n=1)
        granted = "VALUES (%s, %s), (%s, %s), (%s, %s)"
        pairs = ("write", "ann", "write", "cid", "read", "ben")
        query = SelectedACEs(
            storage.client,
            f"SELECT permission, principal FROM ({granted}) AS held (permission, principal)",
            pairs,
        )
        seen = Seen(aces=HeldACEs(query, writer, unless))
        place = {**HOME, "object_id": record["id"], "record": {"n": 2}, "seen": seen}

        if not is_replaced:
            with pytest.raises(StaleReadError):
                storage.update_seen(**place)
            assert storage.get(**HOME, object_id=record["id"]) == record
            return
        stored, aces, _ = storage.update_seen(**place)
        assert storage.get(**HOME, object_id=record["id"]) == stored
        assert aces == {"write": {"ann", "cid"}, "read": {"ben"}}

    def test_permissions_of_another_server_are_for_another_way(
        self, storage: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record = create(storage, n=1)
        text = "SELECT ''::text AS permission, ''::text AS principal"
        own, other = (
            SelectedACEs(one, text, ()) for one in (storage.client, storage.client.aside())
        )

        def update(query: Any) -> None:
            seen = Seen(aces=HeldACEs(query, None))
            storage.update_seen(**HOME, object_id=record["id"], record={"n": 2}, seen=seen)

        with pytest.raises(StaleReadError):
            update(other)
        monkeypatch.setattr(storage, "_is_distributed", lambda: True)
        with pytest.raises(StaleReadError):
            update(own)
        assert storage.get(**HOME, object_id=record["id"]) == record


@pytest.mark.clause("B-23.24")
class TestCreationAlone:
    """A creation that commits by itself, with the permissions of the record."""

    ID = "8e2f8d2a-5a3c-4a57-9f1a-0b6a54bd0a01"

    def create(self, storage: Any, aces: Any = None, **record: Any) -> Any:
        return storage.create_alone(**HOME, record={"id": self.ID, "n": 2, **record}, aces=aces)

    def test_it_is_one_round_trip_after_the_first_one_of_a_collection(
        self, storage: Any, sent: list[str]
    ) -> None:
        with pytest.raises(StaleReadError):
            storage.create_alone("unknown", HOME["parent_id"], {"id": self.ID})
        first = create(storage, n=1)
        sent.clear()

        created = self.create(storage)

        assert len(sent) == 1, sent
        stamp = created["last_modified"]
        assert created == {"id": self.ID, "n": 2, "last_modified": stamp}
        assert stamp > first["last_modified"]
        assert in_another_thread(lambda: storage.get(**HOME, object_id=self.ID)) == created
        assert timestamp(storage) == stamp
        assert storage.get_all(**HOME)[1] == 2

    def test_what_stores_the_permissions_comes_first(self, storage: Any, sent: list[str]) -> None:
        create(storage, n=1)
        sent.clear()

        self.create(storage, InsertedACEs(storage.client, "SELECT %s", ("the permissions",)))

        assert len(sent) == 1, sent
        assert sent[0].index("the permissions") < sent[0].index("UPDATE timestamps")

    def test_a_row_of_the_collection_that_is_gone_is_made_again(self, storage: Any) -> None:
        create(storage, n=1)
        with storage.client.begin() as session:
            for table in ("records", "timestamps"):
                session.execute(f"DELETE FROM {table}")

        created = self.create(storage)

        assert storage.get_all(**HOME) == ([created], 1)
        assert timestamp(storage) == created["last_modified"]

    def test_otherwise_nothing_is_created(self, storage: Any) -> None:
        before = create(storage, n=1)
        other = InsertedACEs(storage.client.aside(), "SELECT 1", ())

        with pytest.raises(StaleReadError):
            self.create(storage, other)
        with pytest.raises(StaleReadError):
            self.create(storage, last_modified=before["last_modified"] + 5)
        with storage.client.begin(), pytest.raises(StaleReadError):
            self.create(storage)
        assert storage.get_all(**HOME) == ([before], 1)


@pytest.mark.clause("X-24", "B-20.6")
def test_judging_and_writing_takes_one_round_trip_and_the_commit(
    storage: StorageBase, sent: list[Any]
) -> None:
    create(storage, id="a")

    def put(object_id: Any) -> None:
        def operation() -> None:
            try:
                storage.get(**HOME, object_id=object_id)
            except RecordNotFoundError:
                assert storage.find_tombstone(**HOME, object_id=object_id) is None
            storage.update(**HOME, object_id=object_id, record={})

        storage.atomic(operation, **HOME)

    for object_id in ("a", "new"):
        sent.clear()
        put(object_id)
        assert len(counted(sent)) == 1, sent
        assert len(sent) == 2


@pytest.mark.clause("B-12.10", "B-23.7")
def test_further_creations_of_a_transaction_take_no_round_trip(
    storage: StorageBase, sent: list[Any]
) -> None:
    create(storage)
    sent.clear()

    with request_transaction():
        made = [create(storage, n=n) for n in range(5)]

    assert len(sent) == 2, sent
    assert [storage.get(**HOME, object_id=one["id"])["n"] for one in made] == [*range(5)]
    stamps = [one["last_modified"] for one in made]
    assert sorted(set(stamps)) == stamps
    assert timestamp(storage) == stamps[-1]
    assert storage.count_all(**HOME) == 6


@pytest.mark.clause("B-4.4", "B-4.6")
def test_the_clock_goes_on_while_a_transaction_holds_the_lock(storage: StorageBase) -> None:
    def clock() -> Any:
        with storage.client.autocommit() as session:
            return session.execute(
                "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
            ).fetchone()[0]

    with request_transaction():
        create(storage)
        for _ in range(3):
            before = clock()
            time.sleep(0.02)
            written = create(storage)["last_modified"]
            assert before < written <= clock()


@pytest.mark.clause("B-4.9", "B-4.8")
def test_writes_of_a_transaction_go_on_from_a_future_timestamp(storage: StorageBase) -> None:
    ahead = create(storage)["last_modified"] + 100_000

    with request_transaction():
        create(storage)
        storage.update(**HOME, object_id="a", record={"last_modified": ahead})
        time.sleep(0.02)
        assert create(storage)["last_modified"] == ahead + 1
        assert storage.delete(**HOME, object_id="a")["last_modified"] == ahead + 2

    assert timestamp(storage) == ahead + 2


@pytest.mark.clause("B-11.8", "X-23")
def test_what_is_undone_leaves_no_trace_in_later_writes(storage: StorageBase) -> None:
    create(storage, id="a")
    with request_transaction() as current:
        create(storage, n=1)
        mark = current.savepoint()
        undone = create(storage, id="b")
        storage.delete(**HOME, object_id="a")
        mark.rollback()
        create(storage, id="b", n=2)
        storage.update(**HOME, object_id="a", record={"n": 3})

    assert storage.count_all(**HOME) == 3
    assert storage.get(**HOME, object_id="b")["n"] == 2
    assert timestamp(storage) == storage.get(**HOME, object_id="a")["last_modified"]
    assert undone["last_modified"] <= timestamp(storage)


@pytest.mark.clause("B-22.3")
def test_the_first_write_of_a_collection_takes_one_more(
    storage: StorageBase, sent: list[Any]
) -> None:
    create(storage)

    assert len(counted(sent)) == 2


@pytest.mark.clause("E-9.3")
def test_each_statement_goes_to_one_server_of_a_distributed_database(
    storage: StorageBase, sent: list[Any]
) -> None:
    shapes = pytest.importorskip("support.statement_shapes", exc_type=ImportError)
    everything(storage)
    storage.flush()

    assert any(" records" in text for text in sent)
    for text in sent:
        assert shapes.unexplained_problems_of(text) == set(), text


@pytest.mark.clause("E-9.3", "B-21.19")
def test_only_reads_speak_of_several_parents(storage: StorageBase, sent: list[Any]) -> None:
    shapes = pytest.importorskip("support.statement_shapes", exc_type=ImportError)
    for parent_id in ("alice", "alan", "bob"):
        for number in range(3):
            storage.create("mushroom", parent_id, {"id": str(number)})
    everybody: dict[str, Any] = {"collection_id": "mushroom", "parent_id": Pattern("al*")}
    sent.clear()

    storage.list_all(**everybody)
    assert storage.trim_objects(**everybody, filters=[], max_objects=2) == 2
    assert len(storage.delete_all(**everybody)) == 4
    assert storage.purge_deleted(**everybody) == 6

    problems = {
        (problem, statement.partition(" ")[0])
        for text in sent
        for statement in shapes.split(text)
        for problem in shapes.problems_of(statement)
    }
    assert problems == {
        ("departures without constant parent_id", "SELECT"),
        ("records without constant parent_id", "SELECT"),
        ("timestamps without constant parent_id", "SELECT"),
    }


def everything(storage: Any) -> None:
    """Do all that does not speak of several parents."""
    unique = {"unique_fields": ("phone",)}
    create(storage, id="a")
    create(storage)
    storage.create(**HOME, record={"phone": 1}, **unique)
    storage.update(**HOME, object_id="a", record={"phone": 2}, **unique)
    storage.get(**HOME, object_id="a")
    storage.find_tombstone(**HOME, object_id="a")
    storage.get_all(**HOME, limit=1, filters=[Filter("phone", 2, COMPARISON.EQ)])
    storage.list_all(**HOME, sorting=[Sort("phone", 1)])
    storage.count_all(**HOME, include_deleted=True)
    timestamp(storage)
    storage.delete(**HOME, object_id="a")
    storage.trim_objects(**HOME, filters=[], max_objects=1)
    storage.delete_all(**HOME)
    storage.purge_deleted(**HOME, max_retained=1)
    storage.purge_deleted(**HOME)
    storage.atomic(lambda: storage.update(**HOME, object_id="b", record={}), **HOME)


# The schema


@pytest.mark.clause("B-2.5", "B-12.11")
def test_without_the_schema_the_error_says_what_to_do(postgresql_url: str) -> None:
    storage = make_storage(postgresql_url)

    with pytest.raises(BackendError, match="was `cliquet migrate` run"):
        storage.list_all(**HOME)

    storage.client.dispose()


@pytest.mark.clause("B-12.11", "B-3.8", "B-24")
def test_the_schema_is_created_once(postgresql_url: str) -> None:
    storage = make_storage(postgresql_url)
    assert storage._get_installed_version() is None

    storage.initialize_schema(dry_run=True)
    assert storage._get_installed_version() is None
    storage.initialize_schema()
    record = create(storage)
    storage.initialize_schema()

    assert storage._get_installed_version() == storage.schema_version
    assert storage.list_all(**HOME) == [record]
    storage.client.dispose()


@pytest.mark.clause("B-12.11")
def test_several_processes_may_create_it_at_once(postgresql_url: str) -> None:
    storage = make_storage(postgresql_url)
    outcomes = []

    def initialize() -> None:
        storage.initialize_schema()
        outcomes.append(storage._get_installed_version())

    threads = [Thread(target=initialize) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes == [storage.schema_version] * 6
    storage.client.dispose()


@pytest.mark.clause("B-22.28", "B-12.16", "B-21.30")
def test_a_record_that_is_being_stored_does_not_outlive_a_flush(storage: Any) -> None:
    create(storage)

    with storage.client.begin() as session:
        stored = create(storage)
        # What waits is sent.
        session.execute("SELECT 1")
        flushing = Thread(target=storage.flush)
        flushing.start()
        deadline = time.monotonic() + 60
        waiting = (
            "SELECT 1 FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        while not storage.client.rows(waiting):
            assert time.monotonic() < deadline, "The flush does not wait for the writer."
            time.sleep(0.01)
    flushing.join()

    with pytest.raises(RecordNotFoundError):
        storage.get(object_id=stored["id"], **HOME)
    create(storage)
    assert storage.client.rows("SELECT live FROM timestamps") == [(1,)]


def test_a_flush_keeps_the_history_of_the_schema(storage: Any) -> None:
    storage.flush()

    with storage.client.connect(readonly=True) as session:
        assert session.execute("SELECT count(*) FROM metadata").fetchone()[0] >= 1
    assert storage._get_installed_version() == storage.schema_version


@pytest.mark.clause("B-12.12", "S-11.8")
def test_another_time_zone_is_a_warning(postgresql_url: str) -> None:
    storage = make_storage(postgresql_url)
    with storage.client.connect() as session:
        name = storage.client.engine.url.database
        session.execute(f"ALTER DATABASE {name} SET timezone = 'Europe/Paris'")
    storage.client.dispose()

    with pytest.warns(UserWarning, match=r"Database timezone is not UTC \(Europe/Paris\)"):
        storage.initialize_schema()

    assert create(storage)
    storage.client.dispose()


@pytest.mark.clause("B-12.12", "S-11.8")
def test_another_encoding_is_refused(postgresql_server: str) -> None:
    import psycopg2

    connection = psycopg2.connect(f"{postgresql_server}/postgres")
    connection.autocommit = True
    name = f"latin_{time.monotonic_ns()}"
    connection.cursor().execute(
        f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    storage = make_storage(f"{postgresql_server}/{name}")

    with pytest.raises(AssertionError, match="Unexpected database encoding LATIN1"):
        storage.initialize_schema()

    assert storage._get_installed_version() is None
    storage.client.dispose()
    connection.cursor().execute(f"DROP DATABASE {name}")
    connection.close()


@pytest.mark.clause("D-59", "X-22")
@pytest.mark.parametrize("before", ["flushed", "locked", "neither"])
def test_a_first_timestamp_within_a_transaction_stays(storage: Any, before: str) -> None:
    with storage.client.begin() as session:
        if before == "flushed":
            storage.flush()
        elif before == "locked":
            storage._steps.lock(session, CollectionKey(**HOME))
        found = timestamp(storage)
        assert timestamp(storage) == found

    assert timestamp(storage) == found
