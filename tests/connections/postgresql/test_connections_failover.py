"""Connections that are alive but useless, as after a failover: dropped, and replaced at once."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest
from servers.pgbouncer import running_pgbouncer
from support.configured import config_of

from cliquet.storage import postgresql as storage_module
from cliquet.storage.exceptions import BackendError, ReadonlyError
from cliquet.storage.postgresql import client as published
from cliquet.testing.bounded import Thread
from cliquet.testing.storage.common import HOME, OTHER_PARENT, create

POOL_SIZE = 5


def make_storage(url: Any, **settings: Any) -> Any:
    configured = {"storage_url": url, "storage_pool_size": POOL_SIZE, **settings}
    config = config_of(configured)
    return storage_module.load_from_config(config)


def administer(url: Any, *statements: Any) -> None:
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        for statement in statements:
            # An administrator of a server that takes no writes can still say that it does.
            connection.cursor().execute("SET default_transaction_read_only = off")
            connection.cursor().execute(statement)


def set_readonly(url: Any, value: Any) -> None:
    name = url.rpartition("/")[2]
    administer(url, f"ALTER DATABASE {name} SET default_transaction_read_only = {value}")


def fill_pool(client: Any) -> None:
    """Open all the connections that the pool keeps."""
    all_open = threading.Barrier(POOL_SIZE, timeout=60)

    def use() -> None:
        with client.connect(readonly=True) as session:
            session.execute("SELECT 1")
            all_open.wait()

    threads = [Thread(target=use) for _ in range(POOL_SIZE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.engine.pool.checkedin() == POOL_SIZE


def pids(client: Any) -> Any:
    with client.connect(readonly=True) as session:
        return session.execute("SELECT pg_backend_pid()").fetchone()[0]


@pytest.fixture(params=["direct", "pgbouncer"])
def url(request: pytest.FixtureRequest, postgresql_url: str) -> Iterator[Any]:
    if request.param == "direct":
        yield postgresql_url
    else:
        with running_pgbouncer(postgresql_url, pool_size=POOL_SIZE) as through:
            yield through


@pytest.mark.clause("B-21.7", "B-2.5")
def test_one_failure_drops_all_connections_that_take_no_writes(postgresql_url: str) -> None:
    storage = make_storage(postgresql_url)
    storage.initialize_schema()
    set_readonly(postgresql_url, "on")
    storage.client.dispose()
    fill_pool(storage.client)
    set_readonly(postgresql_url, "off")

    with pytest.raises(ReadonlyError):
        create(storage)

    for _ in range(2 * POOL_SIZE):
        create(storage)
    storage.client.dispose()


@pytest.mark.clause("B-21.7", "B-2.5")
@pytest.mark.parametrize(
    "fails_first",
    [
        lambda storage: storage.flush(),
        lambda storage: storage.collection_timestamp(**OTHER_PARENT),
        lambda storage: storage.client.execute_aside("DELETE FROM records", ()),
    ],
    ids=["in a transaction", "in autocommit", "beside the transaction"],
)
def test_whatever_the_request_that_finds_it(
    postgresql_url: str, fails_first: Callable[..., Any]
) -> None:
    storage = make_storage(postgresql_url)
    storage.initialize_schema()
    set_readonly(postgresql_url, "on")
    storage.client.dispose()
    fill_pool(storage.client)
    storage.client.execute_aside("SELECT 1", ())
    set_readonly(postgresql_url, "off")

    with pytest.raises(ReadonlyError):
        fails_first(storage)

    for _ in range(2 * POOL_SIZE):
        storage.client.execute_aside("DELETE FROM records", ())
        create(storage)
    storage.client.dispose()


def in_transaction(client: Any, statement: str) -> None:
    with client.begin() as session:
        session.execute(statement)


@pytest.mark.clause("B-2.5", "E-9.2")
@pytest.mark.parametrize("use", [in_transaction, lambda client, text: client.rows(text)])
def test_after_the_server_ended_its_connections_the_next_request_succeeds(
    url: str, postgresql_url: str, use: Callable[[Any, str], Any]
) -> None:
    storage = make_storage(url)
    storage.initialize_schema()
    fill_pool(storage.client)
    failed = threading.Event()

    def be_ended(use: Callable[[Any, str], Any]) -> None:
        with pytest.raises(BackendError):
            use(storage.client, "SELECT 'ended', pg_sleep(20)")
        failed.set()

    thread = Thread(target=be_ended, args=(use,))
    thread.start()
    while not failed.wait(0.1):
        administer(
            postgresql_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND datname = current_database() AND query LIKE '%ended%'",
        )
    thread.join()

    for _ in range(2 * POOL_SIZE):
        create(storage)
    storage.client.dispose()


@pytest.mark.clause("B-21.7", "S-7.6")
def test_a_service_that_only_reads_keeps_its_connections(postgresql_url: str) -> None:
    writer = make_storage(postgresql_url)
    writer.initialize_schema()
    create(writer)
    writer.client.dispose()
    set_readonly(postgresql_url, "on")
    reader = storage_module.Storage(
        published.create_from_config(
            SimpleNamespace(
                get_settings=lambda: {"storage_url": f"{postgresql_url}?application_name=reader"}
            ),
            "storage_",
        ),
        is_readonly=True,
    )
    before = pids(reader.client)

    for _ in range(5):
        reader.list_all(**HOME)
        reader.collection_timestamp(**HOME)
        with pytest.raises(ReadonlyError):
            reader.collection_timestamp(**OTHER_PARENT)

    assert pids(reader.client) == before
    reader.client.dispose()
