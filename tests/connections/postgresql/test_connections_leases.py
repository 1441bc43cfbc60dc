"""Loans of connections, which do without the proxies of SQLAlchemy."""

import gc
import time
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import event
from support.configured import config_of

from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.connections.postgresql.config import create_from_config
from cliquet.connections.postgresql.leases import Lease, lend
from cliquet.storage.exceptions import BackendError
from cliquet.testing.bounded import Thread

NUMBER = "SELECT pg_backend_pid()"


@pytest.fixture
def client(postgresql_url: str) -> Iterator[PostgreSQLClient]:
    """Return a client whose pool has a single connection."""
    options = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 1}
    configured = {f"storage_{name}": value for name, value in options.items()}
    config = config_of({"storage_url": postgresql_url, **configured})
    client = create_from_config(config, "storage_", is_shared=False)
    yield client
    client.dispose()


def number(client: PostgreSQLClient) -> int:
    with client.autocommit() as session:
        found: int = session.execute(NUMBER).fetchone()[0]
    return found


@pytest.mark.clause("B-11.12", "B-24")
def test_a_read_takes_no_proxy(client: PostgreSQLClient) -> None:
    with client.autocommit() as session:
        assert type(session.connection) is Lease  # type: ignore[attr-defined]  # not public
        status = client.pool_status()

    assert status == (1, 1)
    assert client.pool_status() == (0, 1)


@pytest.mark.clause("B-24")
@pytest.mark.parametrize("name", ["checkout", "checkin", "reset"])
def test_listeners_of_an_application_are_told_of_each_loan(
    client: PostgreSQLClient, name: str
) -> None:
    number(client)
    told = []

    def listener(*args: Any) -> None:
        told.append(args)

    event.listen(client.engine, name, listener)
    number(client)
    number(client)
    event.remove(client.engine, name, listener)
    number(client)

    assert len(told) == 2


@pytest.mark.clause("B-24")
def test_a_pool_that_asks_first_still_asks(postgresql_url: str) -> None:
    config = config_of({"storage_url": postgresql_url, "storage_pool_pre_ping": "true"})
    client = create_from_config(config, "storage_", is_shared=False)
    with client.autocommit() as session:
        assert type(session.connection) is not Lease  # type: ignore[attr-defined]  # not public
    client.dispose()


@pytest.mark.clause("B-11.8")
def test_a_forgotten_session_gives_its_place_back_without_its_connection(
    client: PostgreSQLClient,
) -> None:
    former = number(client)
    session = client.session_factory()
    session.execute("SELECT 1")
    del session
    gc.collect()

    assert client.pool_status() == (0, 1)
    assert number(client) != former


@pytest.mark.clause("B-2.5", "B-11.12")
def test_a_connection_that_cannot_be_made_takes_no_place(client: PostgreSQLClient) -> None:
    number(client)

    def fail(*args: Any) -> bool:
        raise sqlalchemy.exc.InvalidRequestError("no")

    for _ in range(3):
        with pytest.raises(sqlalchemy.exc.InvalidRequestError):
            lend(client.engine, fail)

    assert number(client)


@pytest.mark.clause("B-11.12")
def test_who_waits_gets_the_connection_that_comes_back(client: PostgreSQLClient) -> None:
    held = client.session_factory(is_autocommit=True)
    found: list[int] = []
    waiting = Thread(target=lambda: found.append(number(client)))
    waiting.start()
    pool: Any = client.engine.pool
    for _ in range(90):
        if pool._pool._waiting:
            break
        time.sleep(0.01)
    client._take_back(held)
    waiting.join()

    assert len(found) == 1


@pytest.mark.clause("B-11.12")
def test_connections_above_the_size_of_the_pool_are_closed(postgresql_url: str) -> None:
    options = {"storage_pool_size": 1, "storage_max_overflow": 1, "storage_pool_timeout": 1}
    config = config_of({"storage_url": postgresql_url, **options})
    client = create_from_config(config, "storage_", is_shared=False)
    with client.autocommit(), client.autocommit(), pytest.raises(BackendError):
        client.session_factory()

    pool: Any = client.engine.pool
    assert (pool.checkedin(), pool.overflow()) == (1, 0)
    client.dispose()
