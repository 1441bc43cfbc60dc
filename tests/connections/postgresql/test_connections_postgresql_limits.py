"""What a transaction of PostgreSQL may take, and the level that its locks rely on."""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from servers.pgbouncer import running_pgbouncer
from servers.starting import start_process
from support.busy import BUSY_SECONDS
from support.configured import config_of

from cliquet.cache import postgresql as cache_module
from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.permission import postgresql as permission_module
from cliquet.storage import postgresql as storage_module
from cliquet.storage.exceptions import BackendError, TimeLimitError
from cliquet.storage.postgresql import client as published
from cliquet.testing.bounded import Thread, wait_until
from cliquet.testing.transactions import request_transaction
from cliquet.transactions import scope

ROOT = Path(__file__).parents[3]
SLEEP = "SELECT pg_sleep(20)"


def make_config(url: Any, **settings: Any) -> Any:
    configured = {
        **{f"{kind}_url": url for kind in ("storage", "permission", "cache")},
        **settings,
    }
    return config_of(configured)


def make_client(url: Any, **settings: Any) -> Any:
    return published.create_from_config(make_config(url, **settings), "storage_")


@pytest.fixture(params=["direct", "pgbouncer"])
def url(request: pytest.FixtureRequest, postgresql_url: str) -> Iterator[Any]:
    """URL of an empty database, directly or through PgBouncer in transaction mode."""
    if request.param == "direct":
        yield postgresql_url
    else:
        with running_pgbouncer(postgresql_url, pool_size=3) as through:
            yield through


@pytest.fixture
def client(url: Any) -> Iterator[Any]:
    client = make_client(url, statement_timeout_seconds="1", lock_timeout_seconds="0.3")
    yield client
    client.dispose()


def running(url: Any, text: Any) -> Any:
    """Return how many statements with a text run on the server."""
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
            " AND datname = current_database()"
            " AND pid <> pg_backend_pid() AND query LIKE %s",
            (f"%{text}%",),
        )
        return cursor.fetchone()[0]  # type: ignore[index]


@pytest.mark.clause("X-34", "E-9.2")
@pytest.mark.setting("statement_timeout_seconds")
@pytest.mark.parametrize("readonly", [True, False])
def test_a_statement_that_takes_too_long_is_given_up_by_the_server(
    client: PostgreSQLClient, url: str, readonly: bool
) -> None:
    started = time.monotonic()
    with pytest.raises(TimeLimitError) as caught, client.connect(readonly=readonly) as session:
        session.execute(SLEEP)

    assert time.monotonic() - started < 15
    assert caught.value.setting == "statement_timeout_seconds"
    assert not caught.value.retryable
    # The server says so a moment after it has sent its error.
    wait_until(lambda: running(url, "pg_sleep(20)") == 0, seconds=15)
    # The connection is as before, and so is its limit.
    with client.connect(readonly=readonly) as session:
        assert session.execute("SELECT 1").fetchone() == (1,)
        assert session.execute("SHOW statement_timeout").fetchone() == ("1s",)


@pytest.mark.clause("X-34")
def test_each_statement_has_the_whole_time(client: PostgreSQLClient) -> None:
    with client.begin() as session:
        for _ in range(6):
            session.execute("SELECT pg_sleep(0.2)")


@pytest.mark.clause("X-34", "E-9.2")
def test_the_limits_end_with_the_transaction(client: PostgreSQLClient, url: str) -> None:
    with client.begin() as session:
        session.execute("SELECT 1")
    with client.connect(readonly=True) as session:
        session.execute("SELECT 1")
    client.dispose()

    # PgBouncer gives its connections to whoever comes next.
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        names = ("statement_timeout", "lock_timeout")
        cursor.execute("SELECT setting, reset_val FROM pg_settings WHERE name IN %s", (names,))
        limits = cursor.fetchall()
        assert len(limits) == 2
        # They are those of the server.
        assert all(now == at_first for now, at_first in limits)


@pytest.fixture
def locked_row(client: Any, postgresql_url: str) -> Iterator[None]:
    """A row of the table `things` that another transaction has locked."""
    with client.begin() as session:
        session.execute("CREATE TABLE things (name text PRIMARY KEY)")
        session.execute("INSERT INTO things VALUES ('a')")
    with contextlib.closing(psycopg2.connect(postgresql_url)) as connection:
        connection.cursor().execute("SELECT 1 FROM things FOR UPDATE")
        yield


@pytest.mark.clause("X-34")
@pytest.mark.setting("lock_timeout_seconds")
@pytest.mark.parametrize("readonly", [True, False])
@pytest.mark.usefixtures("locked_row")
def test_a_lock_is_not_waited_for_longer(url: str, readonly: bool) -> None:
    client = make_client(f"{url}?application_name=other", lock_timeout_seconds="0.3")
    started = time.monotonic()
    with pytest.raises(TimeLimitError) as caught, client.connect(readonly=readonly) as session:
        session.execute("UPDATE things SET name = name")

    assert 0.2 < time.monotonic() - started < BUSY_SECONDS
    assert caught.value.setting == "lock_timeout_seconds"
    # Whoever waited that long is told, and not run again.
    assert not caught.value.retryable
    client.dispose()


@pytest.mark.clause("X-34", "X-22")
@pytest.mark.usefixtures("locked_row")
def test_a_lock_that_is_not_waited_for_at_all_is_retryable(client: PostgreSQLClient) -> None:
    with pytest.raises(BackendError) as caught, client.begin() as session:
        session.execute("SELECT 1 FROM things FOR UPDATE NOWAIT")

    assert caught.value.retryable


@pytest.mark.clause("X-34")
def test_a_statement_that_an_administrator_cancels_is_no_limit(url: str) -> None:
    client = make_client(url)
    outcomes = []

    def sleep() -> None:
        with pytest.raises(BackendError) as caught, client.connect(readonly=True) as session:
            session.execute(SLEEP)
        outcomes.append(caught.value)

    sleeper = Thread(target=sleep)
    sleeper.start()
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:

        def cancel() -> bool:
            connection.rollback()
            cursor.execute(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE state = 'active'"
                " AND datname = current_database()"
                " AND query LIKE '%pg_sleep(20)%' AND pid <> pg_backend_pid()"
            )
            return cursor.fetchone() is not None

        wait_until(cancel, "a statement that runs", seconds=15)
    sleeper.join()

    (error,) = outcomes
    assert not isinstance(error, TimeLimitError)
    client.dispose()


@pytest.mark.clause("X-34")
def test_the_limits_are_not_those_of_migrations_and_commands(url: str) -> None:
    client = make_client(url, statement_timeout_seconds="0.2", lock_timeout_seconds="0.3")
    with scope.without_time_limits():
        for readonly in (True, False):
            with client.connect(readonly=readonly) as session:
                session.execute("SELECT pg_sleep(0.3)")
    client.dispose()


@pytest.mark.clause("X-34", "B-14.4")
def test_every_backend_has_the_limits(postgresql_url: str) -> None:
    config = make_config(postgresql_url, statement_timeout_seconds=7, lock_timeout_seconds=3)
    storage = storage_module.load_from_config(config)
    permission = permission_module.load_from_config(config)
    cache = cache_module.load_from_config(config)

    for client in (storage.client, permission.client, cache.client, storage.client.aside()):
        for readonly in (True, False):
            with client.connect(readonly=readonly) as session:
                assert session.execute("SHOW statement_timeout").fetchone() == ("7s",)
                (lock_timeout,) = session.execute("SHOW lock_timeout").fetchone()
            assert lock_timeout == ("2s" if client is storage.client.aside() else "3s")
        client.dispose()


# The level of isolation


@pytest.mark.clause("D-53", "B-11.16", "B-23.8")
@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_the_level_is_the_one_that_the_locks_rely_on(postgresql_url: str, level: str) -> None:
    name = postgresql_url.rpartition("/")[2]
    with contextlib.closing(psycopg2.connect(postgresql_url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(
            f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'"
        )
    config = make_config(postgresql_url, storage_pool_size=8)
    storage = storage_module.load_from_config(config)
    cache = cache_module.load_from_config(config)
    storage.initialize_schema()
    cache.initialize_schema()
    for client in (storage.client, storage.client.aside(), cache.client):
        for readonly in (True, False):
            with client.connect(readonly=readonly) as session:
                found = session.execute("SHOW transaction_isolation").fetchone()
                assert found == ("read committed",)
    storage.create("mushroom", "alice", {"id": "a", "n": 0})
    done = []

    def write() -> None:
        for n in range(25):
            with request_transaction():
                storage.update("mushroom", "alice", "a", {"n": n})
            # In autocommit: a single statement is a transaction too.
            cache.set("key", n)
            storage.collection_timestamp("mushroom", f"parent-{n}")
            done.append(n)

    writers = [Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert len(done) == 100
    storage.client.dispose()
    cache.client.dispose()


SLEEPER = """
import sys
from types import SimpleNamespace
from cliquet.storage.postgresql.client import create_from_config
settings = {"storage_url": sys.argv[1], "statement_timeout_seconds": 1}
client = create_from_config(SimpleNamespace(get_settings=lambda: settings), "storage_")
with client.connect(readonly=True) as session:
    session.execute("SELECT pg_sleep(20)")
"""


@pytest.mark.clause("X-34")
def test_nothing_runs_on_when_the_service_is_gone(postgresql_url: str) -> None:
    service = start_process([sys.executable, "-c", SLEEPER, postgresql_url], cwd=ROOT)
    try:
        wait_until(lambda: running(postgresql_url, "pg_sleep(20)") == 1)
    finally:
        service.kill()
        service.wait(60)

    wait_until(lambda: running(postgresql_url, "pg_sleep(20)") == 0, seconds=15)
