"""The client of SQLite: URLs, sessions, the request's transaction, several processes."""

import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.starting import start_process
from support.busy import BUSY_SECONDS
from support.configured import config_of
from support.things import RequestTransactionTests, add, in_another_thread, names

from cliquet import settings
from cliquet.connections import attempts
from cliquet.connections.sqlite import config as sqlite_config
from cliquet.connections.sqlite.client import SQLiteClient
from cliquet.connections.sqlite.connection import PAGE_CACHE_KIB
from cliquet.storage.exceptions import BackendError, ReadonlyError, TimeLimitError
from cliquet.testing.bounded import Threads, Timer
from cliquet.testing.storage.transactions import failing_request
from cliquet.testing.transactions import request_transaction
from cliquet.transactions import scope

ROOT = Path(__file__).parents[3]


def make_client(url: Any, start: str = "storage_", /, **options: Any) -> Any:
    configured = {f"{start}url": url, **options}
    return sqlite_config.create_from_config(config_of(configured), start)


class Things:
    """A schema of one table."""

    def is_missing(self, session: Any) -> bool:
        found = session.execute("SELECT 1 FROM sqlite_master WHERE name = 'things'")
        return found.fetchone() is None

    def create(self, session: Any) -> None:
        session.execute("CREATE TABLE things (name TEXT PRIMARY KEY)")


def with_table(client: Any) -> Any:
    client.on_first_use(Things())
    return client


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Any]:
    client = with_table(SQLiteClient(tmp_path / "data.db", busy_timeout_seconds=0.2))
    yield client
    client.dispose()


# URLs


@pytest.mark.clause("E-1.2")
def test_relative_and_absolute_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    relative = make_client("sqlite:///data.db")
    absolute = make_client(f"sqlite:///{tmp_path}/data.db")

    assert relative.path == tmp_path / "data.db"
    assert absolute is relative


@pytest.mark.clause("E-1.2")
def test_a_private_file_vanishes_with_its_client() -> None:
    client = with_table(make_client("sqlite://"))
    add(client, "a")
    folder = client.path.parent

    assert make_client("sqlite://") is not client
    client.dispose()
    del client

    assert not folder.exists()


@pytest.mark.clause("E-1.2")
@pytest.mark.parametrize(
    "url",
    [
        "",
        "data.db",
        "sqlite:///",
        "sqlite:data.db",
        "postgresql://localhost/x",
        # These would be names of files.
        "sqlite:///:memory:",
        "sqlite:////:memory:",
        "sqlite:///:memory:?cache=shared",
        "sqlite:///file::memory:",
        "sqlite:///file:data.db",
        "sqlite:///data.db?timeout=5",
    ],
)
def test_an_url_of_another_kind_is_refused(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(settings.SettingError, match="storage_url"):
        make_client(url)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.clause("E-1.2")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing/data.db", "the folder {0}/missing does not exist"),
        ("file/data.db", "{0}/file is no folder"),
        ("closed/data.db", "the folder {0}/closed cannot be written to"),
        ("closed", "{0}/closed is a folder"),
        ("secret", "the file {0}/secret cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_the_reason(
    name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "secret").touch()
    (tmp_path / "closed").mkdir()
    # The administrator, who may run the tests, may do everything.
    refused = {tmp_path / "closed", tmp_path / "secret"}
    monkeypatch.setattr("os.access", lambda path, mode: path not in refused)

    with pytest.raises(settings.SettingError) as caught:
        make_client(f"sqlite:///{tmp_path}/{name}")

    assert f"({said.format(tmp_path)})" in str(caught.value)
    assert "its own memory" not in str(caught.value)


@pytest.mark.clause("E-1.2")
def test_memory_is_refused_with_the_reason() -> None:
    with pytest.raises(settings.SettingError, match="each connection would have its own memory"):
        make_client("sqlite:///:memory:")


@pytest.mark.clause("E-1.4")
def test_the_busy_timeout_is_a_setting(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data.db"

    assert make_client(url, storage_busy_timeout_seconds="0.5").busy_timeout_seconds == 0.5
    with pytest.raises(settings.SettingError, match="storage_busy_timeout_seconds"):
        make_client(f"{url}2", storage_busy_timeout_seconds="soon")


@pytest.mark.clause("E-1.5")
def test_backends_of_one_file_share_a_client_and_the_cache_has_another_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data.db"
    config = config_of({"cache_url": url})

    storage = make_client(url)
    permission = make_client(url, "permission_")
    cache = sqlite_config.create_from_config(config, "cache_", sibling="cache")

    assert permission is storage
    assert cache.path == tmp_path / "data.db-cache"


# Sessions


@pytest.mark.clause("E-1.3")
def test_the_file_is_made_at_the_first_use(client: SQLiteClient) -> None:
    assert not client.path.exists()

    assert names(client) == []

    assert client.path.exists()


@pytest.mark.clause("E-1.4")
def test_commits_reach_the_disk_and_the_log_is_written_ahead(client: SQLiteClient) -> None:
    add(client, "a")

    with client.connect(readonly=True) as session:
        assert session.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert session.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_connection_keeps_the_pages_that_lists_look_records_up_in(client: SQLiteClient) -> None:
    add(client, "a")

    with client.connect(readonly=True) as session:
        assert session.execute("PRAGMA cache_size").fetchone() == (-PAGE_CACHE_KIB,)


class TestRequestTransactions(RequestTransactionTests):
    pass


@pytest.mark.clause("B-18.2")
def test_a_request_that_fails_leaves_nothing_and_no_lock(client: SQLiteClient) -> None:
    with failing_request():
        add(client, "a")

    assert names(client) == []
    in_another_thread(lambda: add(client, "b"))
    assert names(client) == ["b"]


@pytest.mark.clause("X-22")
@pytest.mark.parametrize("to_savepoint", [False, True])
def test_what_is_kept_outlives_a_failure(client: Any, to_savepoint: bool) -> None:
    keep = "INSERT INTO things VALUES (%s) ON CONFLICT DO NOTHING"

    with failing_request() as transaction:
        add(client, "a")
        mark = transaction.savepoint()
        with client.connect() as session:
            session.keep(keep, ("kept",))
        if to_savepoint:
            mark.rollback()
            assert names(client) == ["a", "kept"]

    assert names(client) == ["kept"]


@pytest.mark.clause("B-2.5")
def test_an_error_of_the_database_is_a_backend_error(client: SQLiteClient) -> None:
    with pytest.raises(BackendError) as caught, client.connect() as session:
        session.execute("SELECT nonsense")

    assert isinstance(caught.value.original, sqlite3.OperationalError)
    add(client, "a")


@pytest.mark.clause("B-2.5")
def test_a_single_query_gives_its_connection_back_whatever_happens(client: SQLiteClient) -> None:
    add(client, "a")

    with pytest.raises(BackendError) as caught:
        client.rows("SELECT nonsense")

    assert isinstance(caught.value.original, sqlite3.OperationalError)
    assert client.pool_status() == (0, 1)
    assert client.rows("SELECT 1 WHERE %s = %s", ("a", "a")) == [(1,)]
    assert client.pool_status() == (0, 1)


@pytest.mark.clause("B-2.5", "E-1.3")
def test_a_file_of_another_kind_is_a_backend_error(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    path.write_text("no database, but long enough to be taken for one\n" * 100)
    client = with_table(SQLiteClient(path))

    with pytest.raises(BackendError, match="not a database"):
        names(client)


@pytest.mark.clause("B-21.7")
def test_a_file_that_cannot_be_written_is_readonly(client: SQLiteClient, tmp_path: Path) -> None:
    add(client, "a")
    with client.connect(readonly=True) as session:
        session.execute("PRAGMA query_only = ON")

    with pytest.raises(ReadonlyError):
        add(client, "b")

    client.dispose()


# The lock


@pytest.mark.clause("E-1.4")
def test_a_lock_that_is_not_obtained_in_time_is_a_backend_error(client: SQLiteClient) -> None:
    with request_transaction():
        add(client, "a")
        started = time.monotonic()
        outcome = in_another_thread(lambda: add(client, "b"))
        assert time.monotonic() - started < BUSY_SECONDS

    assert isinstance(outcome, BackendError)
    assert names(client) == ["a"]


@pytest.mark.clause("E-1.4")
def test_a_lock_of_another_process_is_waited_for_and_not_for_ever(client: SQLiteClient) -> None:
    add(client, "a")
    other = sqlite3.connect(client.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        started = time.monotonic()
        with pytest.raises(BackendError, match="locked"):
            add(client, "b")
        assert 0.15 < time.monotonic() - started < BUSY_SECONDS
        assert names(client) == ["a"]
    finally:
        other.execute("ROLLBACK")
        other.close()

    add(client, "b")


@pytest.mark.clause("E-1.4", "S-22")
def test_the_longest_wait_that_a_setting_may_ask_for_is_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data.db"
    with pytest.raises(settings.SettingError, match="up to 2147483, or nothing"):
        make_client(url, storage_busy_timeout_seconds="2147484")
    client = with_table(make_client(url, storage_busy_timeout_seconds="2147483"))
    add(client, "a")
    other = sqlite3.connect(client.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    end = Timer(0.3, lambda: other.execute("ROLLBACK"))
    end.start()

    add(client, "b")

    assert names(client) == ["a", "b"]
    end.join()
    other.close()
    client.dispose()


@pytest.mark.clause("E-1.4", "X-34")
def test_the_wait_for_ones_own_process_and_for_the_others_is_one(tmp_path: Path) -> None:
    client = with_table(SQLiteClient(tmp_path / "data.db", busy_timeout_seconds=1))
    add(client, "a")

    def delay(_: object) -> float:
        started = time.monotonic()
        with pytest.raises(TimeLimitError):
            add(client, "b")
        return time.monotonic() - started

    other = sqlite3.connect(client.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    threads = Threads(3)
    longest = 2.0
    # Two waits would last two seconds each time, and one on a busy machine may do so now and then.
    for _ in range(10):
        # One waits for the other process, the others for that one.
        delays = list(threads.map(delay, range(3)))
        assert min(delays) > 0.8
        longest = min(longest, max(delays))
        if longest < 1.8:
            break
    other.execute("ROLLBACK")
    other.close()
    threads.shutdown()

    assert longest < 1.8
    add(client, "c")
    client.dispose()


@pytest.mark.clause("E-1.4")
def test_commands_wait_as_long_as_it_takes(client: SQLiteClient) -> None:
    add(client, "a")
    other = sqlite3.connect(client.path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    end = Timer(0.6, lambda: other.execute("ROLLBACK"))
    end.start()

    with scope.without_time_limits():
        add(client, "b")

    assert names(client) == ["a", "b"]
    end.join()
    other.close()


@pytest.mark.clause("E-1.4", "E-1.3")
def test_the_first_use_of_an_existing_file_waits_for_no_writer(client: SQLiteClient) -> None:
    add(client, "a")
    other = with_table(SQLiteClient(client.path, busy_timeout_seconds=0.2))
    with client.begin() as session:
        session.execute("INSERT INTO things VALUES ('b')")

        assert in_another_thread(lambda: names(other)) == ["a"]

    other.dispose()


WRITER = """
import sys
from pathlib import Path
from cliquet.connections.sqlite.client import SQLiteClient

class Counts:
    def is_missing(self, session):
        found = session.execute("SELECT 1 FROM sqlite_master WHERE name = 'counts'")
        return found.fetchone() is None

    def create(self, session):
        session.execute("CREATE TABLE counts (n INTEGER)")

client = SQLiteClient(Path(sys.argv[1]), busy_timeout_seconds=60)
client.on_first_use(Counts())
for _ in range(100):
    with client.begin() as session:
        (n,) = session.execute("SELECT coalesce(max(n), 0) FROM counts").fetchone()
        session.execute("INSERT INTO counts VALUES (%s)", (n + 1,))
"""


@pytest.mark.clause("E-1.4", "B-5.20")
@pytest.mark.usefixtures("processes")
def test_processes_share_the_file_from_its_creation_on(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    writers = [start_process([sys.executable, "-c", WRITER, str(path)], cwd=ROOT) for _ in range(4)]

    assert [writer.wait(200) for writer in writers] == [0, 0, 0, 0]

    with sqlite3.connect(path) as connection:
        numbers = [n for (n,) in connection.execute("SELECT n FROM counts ORDER BY n")]
    connection.close()
    assert numbers == list(range(1, 401))


@pytest.mark.clause("E-1.4")
def test_a_process_that_is_killed_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    client = with_table(SQLiteClient(path))
    add(client, "a")
    client.dispose()
    child = os.fork()
    if child == 0:
        with client.begin() as session:
            session.execute("INSERT INTO things VALUES ('lost')")
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)

    add(client, "b")

    assert names(client) == ["a", "b"]
    client.dispose()


@pytest.mark.clause("E-9.1")
def test_a_forked_process_opens_the_file_itself(client: SQLiteClient) -> None:
    add(client, "a")
    child = os.fork()
    if child == 0:
        add(client, "child")
        os._exit(0)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert names(client) == ["a", "child"]


@pytest.mark.clause("B-2.5")
def test_a_wait_that_cannot_find_out_who_writes_fails_at_once(
    client: SQLiteClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "MAX_WAIT_SECONDS", 2 * BUSY_SECONDS)
    with client.autocommit() as session:
        session.execute("PRAGMA query_only = ON")
    begun = time.monotonic()

    with pytest.raises(BackendError):
        client.wait_for_commits()

    assert time.monotonic() - begun < BUSY_SECONDS
