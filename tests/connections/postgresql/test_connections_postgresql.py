"""The client of PostgreSQL: settings, sessions, the request's transaction, the pool."""

import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy
from servers.starting import run_program
from sqlalchemy import pool as toolkit_pools
from support.busy import BUSY_SECONDS
from support.configured import config_of
from support.statements import record
from support.things import RequestTransactionTests, add, in_another_thread, names

from cliquet import settings
from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.connections.postgresql.pool import QueuePoolWithMaxBacklog
from cliquet.storage.exceptions import BackendError
from cliquet.storage.postgresql import client as published
from cliquet.testing.bounded import Thread, wait_until
from cliquet.testing.storage.transactions import failing_request
from cliquet.testing.transactions import request_transaction

ROOT = Path(__file__).parents[3]


def make_client(url: Any, start: str = "storage_", /, **options: Any) -> Any:
    configured = {f"{start}{name}": value for name, value in options.items()}
    config = config_of({f"{start}url": url, **configured})
    return published.create_from_config(config, start)


@pytest.fixture
def client(postgresql_url: str) -> Iterator[Any]:
    client = make_client(postgresql_url)
    with client.connect() as session:
        session.execute("CREATE TABLE things (name text PRIMARY KEY)")
    yield client
    client.dispose()


# Settings


@pytest.mark.clause("B-11.5", "P-35.20", "S-11.7")
def test_both_schemes_mean_psycopg2(postgresql_url: str) -> None:
    former = postgresql_url.replace("postgresql://", "postgres://")

    with pytest.warns(DeprecationWarning, match="postgres://"):
        client = make_client(former)

    assert client.engine.dialect.driver == "psycopg2"
    with client.connect(readonly=True) as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
    client.dispose()


@pytest.mark.clause("B-11.5")
@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://localhost/x", "postgresql+asyncpg://u:secret@localhost/x"]
)
def test_an_url_of_another_kind_is_refused_without_showing_the_password(url: str) -> None:
    with pytest.raises(settings.SettingError) as caught:
        make_client(url)

    assert "storage_url" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.clause("B-11.6", "S-12.3")
def test_the_same_url_gives_the_same_client_and_a_warning(postgresql_url: str) -> None:
    first = make_client(postgresql_url)

    message = r"^Reuse existing PostgreSQL connection\. Parameters cache_\* will be ignored\.$"
    with pytest.warns(UserWarning, match=message):
        second = make_client(postgresql_url, "cache_", pool_size=3)

    assert second is first


@pytest.mark.clause("B-11.6")
def test_transaction_per_request_makes_another_client(postgresql_url: str) -> None:
    first = make_client(postgresql_url)
    config = SimpleNamespace(
        get_settings=lambda: {"storage_url": postgresql_url, "transaction_per_request": False}
    )

    assert published.create_from_config(config, "storage_") is not first


@pytest.mark.clause("B-11.3", "S-12.1", "B-21.27")
def test_options_reach_the_pool(postgresql_url: str) -> None:
    client = make_client(
        postgresql_url,
        pool_size="3",
        max_overflow=4,
        max_backlog=5,
        pool_recycle="6",
        pool_timeout=7,
        backend="cliquet.storage.postgresql",
        max_fetch_size=10,
        prefix="x",
    )

    pool = client.engine.pool
    assert isinstance(pool, QueuePoolWithMaxBacklog)
    assert (pool.size(), pool._max_overflow, pool._pool.max_backlog) == (3, 4, 5)  # type: ignore[attr-defined]
    assert (pool._recycle, pool._timeout) == (6, 7)


@pytest.mark.clause("B-21.27", "S-12")
def test_the_default_pool_keeps_25_connections(postgresql_url: str) -> None:
    assert make_client(postgresql_url).engine.pool.size() == 25


@pytest.mark.clause("S-12.2", "B-11.4", "S-23.17")
@pytest.mark.parametrize("former", ["maxoverflow", "pool_maxoverflow"])
def test_former_spellings_of_the_overflow_are_understood(postgresql_url: str, former: str) -> None:
    with pytest.warns(DeprecationWarning, match="storage_max_overflow"):
        client = make_client(postgresql_url, **{former: 3})

    assert client.engine.pool._max_overflow == 3


@pytest.mark.clause("S-12.1", "B-11.3", "S-22")
def test_an_unknown_option_fails_at_start(postgresql_url: str) -> None:
    with pytest.raises(TypeError, match="max_bakclog"):
        make_client(postgresql_url, max_bakclog=3)


@pytest.mark.clause("S-22")
def test_an_option_that_is_no_number_fails_at_start(postgresql_url: str) -> None:
    with pytest.raises(ValueError, match="storage_max_overflow"):
        make_client(postgresql_url, max_overflow="many")


@pytest.mark.clause("B-11.15", "B-21.27")
@pytest.mark.parametrize("name", ["NullPool", "StaticPool"])
def test_other_pools_need_no_size(postgresql_url: str, name: str) -> None:
    client = make_client(postgresql_url, poolclass=f"sqlalchemy.pool.{name}", pool_size=25)

    assert isinstance(client.engine.pool, getattr(toolkit_pools, name))
    with client.connect(readonly=True) as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
    client.dispose()


@pytest.mark.clause("S-12.4", "B-11.1", "B-24")
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, postgresql_url: str) -> None:
    monkeypatch.setattr(published, "sqlalchemy", None)

    with pytest.raises(ImportWarning, match="PostgreSQL SQLAlchemy dependency missing"):
        make_client(postgresql_url)


@pytest.mark.clause("B-11.1", "S-12.4")
@pytest.mark.usefixtures("processes")
def test_modules_import_without_the_packages() -> None:
    program = (
        "import sys\n"
        "sys.modules['sqlalchemy'] = sys.modules['psycopg2'] = None\n"
        "import cliquet.storage.postgresql.pool\n"
        "from cliquet.storage.postgresql import load_from_config\n"
        "from types import SimpleNamespace\n"
        "try:\n"
        "    load_from_config(SimpleNamespace(get_settings=dict))\n"
        "except ImportWarning as error:\n"
        "    print(error)\n"
    )

    run = run_program(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert "pip install cliquet[postgresql]" in run.stdout


@pytest.mark.clause("B-2.5", "B-11.5")
def test_a_server_that_is_gone_is_not_waited_for_for_ever(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parameters(url: Any) -> Any:
        client = make_client(url)
        connection = client.engine.raw_connection()
        found = connection.dbapi_connection.info.dsn_parameters
        connection.close()
        client.dispose()
        return found["connect_timeout"], found["tcp_user_timeout"], found["keepalives_idle"]

    assert parameters(postgresql_url) == ("3", "5000", "30")
    given = parameters(f"{postgresql_url}?connect_timeout=7&tcp_user_timeout=8000")
    assert given == ("7", "8000", "30")
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "9")
    assert parameters(f"{postgresql_url}?application_name=x")[0] == "9"


@pytest.mark.clause("B-2.5")
def test_a_server_that_does_not_answer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # The driver waits for two seconds at least.
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=2"
        client = make_client(url)
        started = time.monotonic()
        with pytest.raises(BackendError), client.connect(readonly=True):
            pass
    assert time.monotonic() - started < 20


# Sessions


@pytest.mark.clause("B-11.8")
def test_outside_a_request_a_block_commits(client: PostgreSQLClient) -> None:
    add(client, "a")

    assert in_another_thread(lambda: names(client)) == ["a"]


@pytest.mark.clause("B-11.8")
def test_a_block_that_raises_commits_nothing(client: PostgreSQLClient) -> None:
    def block() -> None:
        with client.connect() as session:
            session.execute("INSERT INTO things VALUES ('a')")
            raise KeyError

    with pytest.raises(KeyError):
        block()

    assert names(client) == []


@pytest.mark.clause("B-11.8", "B-2.5")
def test_an_error_of_the_database_is_a_backend_error(client: PostgreSQLClient) -> None:
    with pytest.raises(BackendError) as caught, client.connect() as session:
        session.execute("SELECT nonsense")

    assert type(caught.value.original).__name__ == "UndefinedColumn"
    assert not caught.value.retryable
    add(client, "a")


class TestRequestTransactions(RequestTransactionTests):
    pass


@pytest.mark.clause("B-18.2")
def test_a_request_that_fails_leaves_nothing(client: Any) -> None:
    with failing_request():
        add(client, "a")

    assert names(client) == []
    assert client.engine.pool.checkedout() == 0


@pytest.mark.clause("X-23", "B-11.10")
def test_a_savepoint_mends_a_transaction_that_failed(client: PostgreSQLClient) -> None:
    with request_transaction() as transaction:
        add(client, "a")
        mark = transaction.savepoint()
        with pytest.raises(BackendError):
            add(client, "a")
        with pytest.raises(BackendError):
            names(client)
        mark.rollback()
        add(client, "b")

    assert names(client) == ["a", "b"]


@pytest.mark.clause("B-11.10", "B-18.9", "H-34.7")
def test_a_transaction_that_failed_cannot_be_committed(client: PostgreSQLClient) -> None:
    def request() -> None:
        with request_transaction():
            add(client, "a")
            with pytest.raises(BackendError):
                add(client, "a")

    with pytest.raises(BackendError):
        request()

    assert names(client) == []


# Statements that wait


def put(session: Any, name: Any) -> None:
    session.has_written = True
    session.defer("INSERT INTO things VALUES (%s)", (name,))


@pytest.mark.clause("B-12.10", "B-11.8")
def test_a_write_that_waits_is_committed(client: PostgreSQLClient) -> None:
    with client.connect() as session:
        put(session, "a")
    with request_transaction(), client.connect() as session:
        put(session, "b")

    assert names(client) == ["a", "b"]


@pytest.mark.clause("B-12.10", "X-23")
def test_a_write_that_waits_is_undone_with_its_savepoint(client: PostgreSQLClient) -> None:
    with request_transaction() as current, client.connect() as session:
        put(session, "a")
        mark = current.savepoint()
        put(session, "b")
        mark.rollback()
        put(session, "c")

    assert names(client) == ["a", "c"]


@pytest.mark.clause("B-12.10", "B-2.5")
def test_a_write_that_waits_may_fail_the_commit(client: PostgreSQLClient) -> None:
    add(client, "a")

    def request() -> None:
        with request_transaction(), client.connect() as session:
            put(session, "b")
            put(session, "a")

    with pytest.raises(BackendError, match="duplicate key"):
        request()

    assert names(client) == ["a"]


@pytest.mark.clause("B-12.10", "B-2.5")
def test_what_the_driver_cannot_write_fails_at_once(client: PostgreSQLClient) -> None:
    with client.connect() as session, pytest.raises(BackendError, match="can't adapt"):
        put(session, object())


@pytest.mark.clause("B-12.10")
def test_only_so_much_waits(client: PostgreSQLClient, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = record(client, monkeypatch)

    with client.connect() as session:
        put(session, "a")
        assert sent == []
        for n in range(400):
            put(session, f"{n:03}" * 300)
        assert len(sent) == 1

    assert len(names(client)) == 401


@pytest.mark.clause("B-22.33")
def test_without_transaction_nothing_waits(client: PostgreSQLClient) -> None:
    with client.autocommit() as session:
        put(session, "a")
        assert names(client) == ["a"]


@pytest.mark.clause("B-11.8", "B-11.9")
def test_force_commit_commits_what_was_done(client: PostgreSQLClient) -> None:
    with failing_request():
        add(client, "a")
        with client.connect(force_commit=True) as session:
            session.execute("INSERT INTO things VALUES ('b')")
        add(client, "c")

    assert names(client) == ["a", "b"]


@pytest.mark.clause("B-18.2")
def test_reading_opens_no_transaction(client: Any) -> None:
    with request_transaction() as transaction:
        names(client)
        assert transaction._resources == []
        assert client.engine.pool.checkedout() == 0


@pytest.mark.clause("B-18.7")
def test_the_commit_comes_after_the_vote_of_the_others(client: PostgreSQLClient) -> None:
    with request_transaction() as transaction:
        add(client, "a")
        (manager,) = transaction._resources
        assert manager.sortKey() > "~sqlalchemy"


@pytest.mark.clause("X-23", "B-23.8")
def test_a_deadlock_is_retryable(client: PostgreSQLClient) -> None:
    add(client, "a")
    add(client, "b")
    both = threading.Barrier(2, timeout=60)
    outcomes = []

    def update(first: Any, second: Any) -> None:
        statement = "UPDATE things SET name = name WHERE name = %s"
        try:
            with client.connect() as session:
                session.execute(statement, (first,))
                both.wait()
                session.execute(statement, (second,))
            outcomes.append(None)
        except BackendError as error:
            outcomes.append(error)

    threads = [Thread(target=update, args=names) for names in ("ab", "ba")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    (error,) = [outcome for outcome in outcomes if outcome is not None]
    assert error.retryable


# The pool


@pytest.mark.clause("B-11.12", "B-11.13", "S-12.5")
def test_only_so_many_threads_wait(postgresql_url: str) -> None:
    client = make_client(postgresql_url, pool_size=2, max_overflow=1, max_backlog=2, pool_timeout=2)
    held = [client.engine.raw_connection() for _ in range(3)]
    delays = []

    def ask() -> None:
        started = time.monotonic()
        with pytest.raises(BackendError) as caught, client.connect(readonly=True):
            pass
        assert isinstance(caught.value.original, sqlalchemy.exc.TimeoutError)
        delays.append(time.monotonic() - started)

    waiting = [Thread(target=ask) for _ in range(2)]
    for thread in waiting:
        thread.start()
    pool: Any = client.engine.pool
    wait_until(lambda: pool._pool._waiting == 2, "two threads that wait")
    # Who waits now would wait longer.
    pool._timeout = 2 * BUSY_SECONDS
    ask()
    # There is no room for a third.
    assert delays.pop() < BUSY_SECONDS
    for thread in waiting:
        thread.join()
    assert len(delays) == 2
    assert all(delay > 1.9 for delay in delays)
    assert len(delays) == 2
    for connection in held:
        connection.close()
    with client.connect(readonly=True) as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
    client.dispose()


@pytest.mark.clause("B-11.14", "B-24")
def test_a_recreated_pool_is_like_the_first(postgresql_url: str) -> None:
    pool = make_client(postgresql_url, pool_size=2, max_backlog=4).engine.pool.recreate()

    assert isinstance(pool, QueuePoolWithMaxBacklog)
    assert (pool.size(), pool._pool.max_backlog) == (2, 4)  # type: ignore[attr-defined]


@pytest.mark.clause("B-2.5")
def test_connections_that_the_server_closed_are_replaced(client: PostgreSQLClient) -> None:
    names(client)
    with client.aside().connect(readonly=True) as session:
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with client.aside().connect(readonly=True) as session:
            (count,) = session.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            ).fetchone()
        if count == 1:
            break

    assert names(client) == []


@pytest.mark.clause("E-9.1")
def test_a_forked_process_does_not_use_its_parents_connections(postgresql_url: str) -> None:
    program = (
        "import os, sys\n"
        "from types import SimpleNamespace\n"
        "from cliquet.storage.postgresql.client import create_from_config\n"
        "config = SimpleNamespace(get_settings=lambda: {'storage_url': sys.argv[1]})\n"
        "client = create_from_config(config, 'storage_')\n"
        "def pid():\n"
        "    with client.connect(readonly=True) as session:\n"
        "        return session.execute('SELECT pg_backend_pid()').fetchone()[0]\n"
        "before = pid()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if pid() != before else 1)\n"
        "_, status = os.waitpid(child, 0)\n"
        "assert pid() == before\n"
        "print(os.waitstatus_to_exitcode(status))\n"
    )

    run = run_program(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program, postgresql_url],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )

    assert run.stdout == "0\n", run.stderr


@pytest.mark.clause("B-3.10")
def test_making_a_client_connects_to_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client = make_client("postgresql://localhost:1/never_used_elsewhere")

    with pytest.raises(BackendError), client.connect(readonly=True):
        pass
