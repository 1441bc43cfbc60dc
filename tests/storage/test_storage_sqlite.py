"""The storage in SQLite: the contract, and what is particular to it."""

import contextlib
import re
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.starting import start_process
from support.clocks import Clock
from support.configured import config_of
from support.process_costs import MEGABYTE, own_memory

from cliquet.storage import StorageBase, memory, sqlite
from cliquet.storage.exceptions import ReadonlyError
from cliquet.storage.query import COMPARISON, Filter
from cliquet.storage.sqlite.functions import _Reader
from cliquet.testing.storage import StorageContract
from cliquet.testing.storage.common import HOME, OTHER_PARENT, create, timestamp, tombstones
from cliquet.testing.storage.transactions import failing_request
from cliquet.testing.transactions import request_transaction

ROOT = Path(__file__).parents[2]


def make_storage(path: Any, **more: Any) -> Any:
    configured = {"storage_url": f"sqlite:///{path}", **more}
    return sqlite.load_from_config(config_of(configured))


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Any]:
    storage = make_storage(tmp_path / "data.db")
    yield storage
    storage.client.dispose()


class TestSQLiteStorage(StorageContract):
    pass


# Values that SQLite takes for equal, or for something else, unlike JSON; the field may be missing.
DOUBTFUL: list[Any] = [
    *(0, 1, 3, 3.0, -0.0, 10**9, 2**53, 2**53 + 1, -(2**63), 0.1, 1e300, True, False, None),
    *("", "3", "1", "true", "null", "a", "a\0", "a\0b", "\u00e9", "e\u0301", "\n", '"', "'"),
    *([], [3], {}, {"a": 3}, ...),
]
NAMES = ["size", "Size", "a.size", "$", "0", 'a"b', "size'", "gr\u00f6\u00dfe"]


@pytest.mark.parametrize("name", NAMES)
def test_equality_means_the_same_as_in_python(storage: StorageBase, name: str) -> None:
    """What SQLite says first of a record leaves out none that Python takes for equal."""
    in_python = memory.load_from_config(config_of({}))
    for kept in (storage, in_python):
        for number, value in enumerate(DOUBTFUL):
            data = {"number": number} | ({} if value is ... else {name: value})
            kept.create(record=data, **HOME)

    def found(kept: Any, value: Any, operator: COMPARISON) -> list[int]:
        records = kept.list_all(filters=[Filter(name, value, operator)], **HOME)
        return sorted(record["number"] for record in records)

    for value in DOUBTFUL[:-1]:
        for operator, operand in (
            (COMPARISON.EQ, value),
            (COMPARISON.NOT, value),
            (COMPARISON.IN, [value, 3, "a"]),
            (COMPARISON.EXCLUDE, [value, 3, "a"]),
        ):
            ours, theirs = (found(kept, operand, operator) for kept in (storage, in_python))
            assert ours == theirs, (operator, operand)


def test_filter_asks_python_for_few_records(
    storage: StorageBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an index, SQLite itself leaves out the records with other values."""
    asked: list[Any] = []
    order_key = _Reader.order_key

    def noting(self: Any, text: Any, path: bytes) -> bytes:
        asked.append(path)
        return order_key(self, text, path)

    monkeypatch.setattr(_Reader, "order_key", noting)
    for number in range(50):
        storage.create(record={"size": number}, **HOME)
    assert len(storage.list_all(filters=[Filter("size", 7, COMPARISON.EQ)], **HOME)) == 1
    assert len(asked) == 1


@pytest.mark.clause("E-1.3", "B-3.10")
def test_the_schema_is_created_at_the_first_use(storage: StorageBase) -> None:
    assert not storage.client.path.exists()

    record = create(storage)
    storage.client.dispose()

    assert make_storage(storage.client.path).list_all(**HOME) == [record]


@pytest.mark.clause("E-1.3", "B-12.11")
def test_a_rehearsed_migration_makes_no_file(storage: StorageBase) -> None:
    storage.initialize_schema(dry_run=True)

    assert not storage.client.path.exists()


@pytest.mark.clause("E-1.3", "E-13.1")
def test_a_file_of_the_first_version_is_migrated(storage: StorageBase) -> None:
    record = create(storage)
    storage.delete(**HOME, object_id=create(storage)["id"])
    before = (timestamp(storage), tombstones(storage))
    schema = _schema_of(storage)
    with storage.client.begin() as session:
        session.execute("ALTER TABLE timestamps RENAME TO later")
        session.execute(
            "CREATE TABLE timestamps (parent_id TEXT NOT NULL, collection_id TEXT NOT NULL,"
            " last_modified INTEGER NOT NULL, live INTEGER NOT NULL DEFAULT 0,"
            " PRIMARY KEY (parent_id, collection_id)) WITHOUT ROWID"
        )
        session.execute(
            "INSERT INTO timestamps SELECT parent_id, collection_id, last_modified, live FROM later"
        )
        session.execute("DROP TABLE later")
        session.execute("DROP TABLE departures")
        for name, condition in (("", ""), ("live_", " WHERE NOT deleted")):
            session.execute(f"DROP INDEX records_{name}in_time")
            session.execute(
                f"CREATE INDEX records_{name}by_time ON records"
                f" (parent_id, collection_id, last_modified DESC, id DESC){condition}"
            )
        session.execute("DELETE FROM metadata WHERE name = 'storage_schema_version'")
        session.execute("INSERT INTO metadata VALUES ('storage_schema_version', '1')")
        session.wrote()
    storage.client.dispose()

    migrated = make_storage(storage.client.path)
    # Until then, what needs no horizon works.
    assert migrated.list_all(**HOME) == [record]
    assert create(migrated, id="more")["last_modified"] > before[0]
    migrated.delete(**HOME, object_id="more")
    migrated.initialize_schema()
    migrated.initialize_schema()

    assert _schema_of(migrated) == schema
    assert migrated.list_all(**HOME) == [record]
    assert tombstones(migrated)[:1] == before[1]
    assert migrated.count_all(**HOME) == 1
    assert re.fullmatch("[0-9a-f]{8}", migrated.collection_history(**HOME).epoch)
    assert migrated.purge_deleted(**HOME) == 2
    assert migrated.collection_history(**HOME).purged == timestamp(migrated)


def _schema_of(storage: Any) -> list[Any]:
    with storage.client.connect(readonly=True) as session:
        return session.execute(
            "SELECT type, name, replace(sql, '\"', '') FROM sqlite_master ORDER BY 1, 2"
        ).fetchall()


@pytest.mark.clause("B-4.6")
def test_timestamps_come_from_the_clock_of_the_host(storage: StorageBase, clock: Clock) -> None:
    assert create(storage)["last_modified"] == clock.now
    assert create(storage)["last_modified"] == clock.now + 1


@pytest.mark.clause("B-21.7")
def test_a_readonly_instance_attempts_no_write(storage: StorageBase) -> None:
    readonly = sqlite.Storage(storage.client, is_readonly=True)

    with pytest.raises(ReadonlyError):
        readonly.collection_timestamp(**HOME)
    record = create(storage)
    assert readonly.collection_timestamp(**HOME) == record["last_modified"]


@pytest.mark.clause("X-22", "H-9.3")
def test_a_first_access_after_a_write_survives_the_failure_of_the_request(
    storage: StorageBase,
) -> None:
    first = None
    with failing_request():
        create(storage)
        first = storage.collection_timestamp(**OTHER_PARENT)

    assert storage.collection_timestamp(**OTHER_PARENT) == first
    assert storage.list_all(**HOME) == []


WRITER = """
import sys
from types import SimpleNamespace
from cliquet.storage import sqlite

settings = {"storage_url": sys.argv[1], "storage_busy_timeout_seconds": 60}
storage = sqlite.load_from_config(SimpleNamespace(get_settings=lambda: settings))
home = {"collection_id": "mushroom", "parent_id": "alice"}

def increment():
    record = storage.get(**home, object_id="counter")
    storage.update(**home, object_id="counter", record={"n": record["n"] + 1})

for _ in range(50):
    storage.create(**home, record={})
    storage.atomic(increment, **home)
"""


@pytest.mark.clause("E-1.4", "D-55", "D-57", "B-4.5")
@pytest.mark.usefixtures("processes")
def test_processes_share_the_file(storage: StorageBase) -> None:
    create(storage, id="counter", n=0)
    url = f"sqlite:///{storage.client.path}"
    writers = [start_process([sys.executable, "-c", WRITER, url], cwd=ROOT) for _ in range(4)]

    assert [writer.wait(200) for writer in writers] == [0] * 4

    records = storage.list_all(**HOME)
    assert storage.get(**HOME, object_id="counter")["n"] == 200
    assert len({record["last_modified"] for record in records}) == storage.count_all(**HOME) == 201
    assert timestamp(storage) == max(record["last_modified"] for record in records)


@pytest.mark.clause("E-1.3", "E-10.2")
def test_a_service_that_starts_makes_nothing_in_a_file_that_another_process_makes(
    tmp_path: Path,
) -> None:
    """That one could not tell then that it has made the tables."""
    path = tmp_path / "data.db"
    path.touch()
    storage = sqlite.load_from_config(config_of({"storage_url": f"sqlite:///{path}"}))
    storage.declare_indexes("mushroom", ["rank"])

    assert storage.missing_indexes() == []

    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    create(storage, id="a")
    assert storage.missing_indexes() == []
    storage.client.dispose()


@pytest.mark.clause("E-1.3")
def test_the_tables_are_those_of_a_plain_file(storage: StorageBase) -> None:
    create(storage, id="a", n=1)

    with sqlite3.connect(storage.client.path) as connection:
        rows = connection.execute("SELECT id, data FROM records").fetchall()
    connection.close()

    assert rows == [("a", '{"n":1}')]


# What is kept of requests


@pytest.mark.slow
@pytest.mark.clause("X-34")
@pytest.mark.parametrize(
    ("operator", "prefix"),
    [
        (COMPARISON.IN, ""),
        # Beyond what their keys tell apart.
        (COMPARISON.EXCLUDE, "x" * 500),
        (COMPARISON.CONTAINS, ""),
        (COMPARISON.CONTAINS_ANY, ""),
    ],
)
def test_nothing_is_kept_of_long_operands(
    storage: StorageBase, operator: COMPARISON, prefix: str
) -> None:
    create(storage, id="a", f=["a"])

    def send(number: Any) -> None:
        values = [f"{prefix}{number}-{n}" for n in range(400_000 // (len(prefix) + 10))]
        storage.list_all(**HOME, filters=[Filter("f", values, operator)])

    send(-1)
    before = own_memory()
    for number in range(12):
        send(number)

    assert own_memory() - before < 20 * MEGABYTE


@pytest.mark.slow
@pytest.mark.clause("X-34")
def test_little_is_kept_of_statements_that_clients_choose(storage: StorageBase) -> None:
    create(storage)

    def send(first: Any, size: Any) -> None:
        filters = [Filter(f"f{n}", [*range(20)], COMPARISON.IN) for n in range(first, first + size)]
        storage.list_all(**HOME, filters=filters)

    send(0, 100)
    before = own_memory()
    for number in range(300):
        send(1000 * number, 100)
    assert own_memory() - before < 30 * MEGABYTE

    for number in range(250):
        send(1000 * number, 10)
    assert own_memory() - before < 60 * MEGABYTE


def test_a_connection_that_keeps_much_makes_room_for_another(storage: StorageBase) -> None:
    create(storage)
    with storage.client.connect(readonly=True) as session:
        first = session.connection
    for _ in range(30):
        storage.list_all(**HOME, filters=[Filter("f" * 1000, [1], COMPARISON.IN)] * 2)
    with storage.client.connect(readonly=True) as session:
        assert session.connection is not first
        session.execute("SELECT 1")
    with pytest.raises(sqlite3.ProgrammingError):
        first.execute("SELECT 1")


@pytest.mark.clause("B-23.26")
def test_a_write_reads_the_timestamp_of_its_collection_once(storage: StorageBase) -> None:
    sent: list[str] = []
    record = create(storage)
    client: Any = storage
    with client.client.connect(readonly=True) as session:
        session.connection.set_trace_callback(sent.append)

    def replace() -> Any:
        return storage.update(object_id=record["id"], record={"a": 1}, **HOME)

    storage.atomic(replace, **HOME)
    storage.create(record={"a": 1}, **HOME)

    reads = [text for text in sent if text.startswith("SELECT last_modified, live")]
    assert len(reads) == 2, "\n".join(sent)


@pytest.mark.clause("B-23.26", "B-4.2")
def test_what_was_read_of_a_collection_ends_with_what_undoes_it(storage: StorageBase) -> None:
    with request_transaction() as transaction:
        first = create(storage)["last_modified"]
        mark = transaction.savepoint()
        create(storage)
        mark.rollback()
        assert timestamp(storage) == first
        again = create(storage)["last_modified"]
        assert again > first

    with contextlib.suppress(KeyError), request_transaction():
        undone = create(storage)["last_modified"]
        raise KeyError
    assert undone > again
    assert timestamp(storage) == again
    assert create(storage)["last_modified"] > again


def steps_of_page(storage: Any, limit: int) -> int:
    """Return how many steps the machine of SQLite takes for a page as text."""
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    storage.get_all(**HOME, limit=limit, as_text=True)
    with storage.client.connect(readonly=True) as session:
        connection = session.connection
    connection.set_progress_handler(count, 1)
    try:
        page, _ = storage.get_all(**HOME, limit=limit, as_text=True)
    finally:
        connection.set_progress_handler(None, 1)
    assert len(page.parsed()) == limit
    return steps


def test_the_text_of_a_record_in_a_page_is_made_once(storage: Any) -> None:
    for number in range(41):
        create(storage, name=f"Ard\u00e8che {number}")

    each = (steps_of_page(storage, 40) - steps_of_page(storage, 20)) / 20

    # Making it twice took 52.
    assert 0 < each < 45
