"""The servers that the tests start are what the tests need."""

import os
import random
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pymemcache
import pytest
import redis
from servers.pgbouncer import running_pgbouncer
from servers.postgresql import COLLATIONS, PostgreSQLProcess, new_database, running_postgresql
from servers.postgresql_binaries import major_version, postgresql_bindirs
from servers.processes import HIGHEST_PORT, free_port
from servers.redis import running_durable_redis


def ask(url: Any, statement: Any, *parameters: Any) -> Any:
    """Return the rows that a statement of its own transaction gives, and the driver's errors."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def is_open(port: Any) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module", params=["newest", "oldest"])
def postgresql(processes: None, request: pytest.FixtureRequest) -> Iterator[Any]:
    bindirs = postgresql_bindirs()
    if request.param == "oldest" and len(bindirs) < 2:
        pytest.skip("one major version of PostgreSQL only")
    bindir = bindirs[0 if request.param == "newest" else -1] if bindirs else None
    with running_postgresql(bindir=bindir, is_durable=True) as server:
        yield server


def test_a_database_is_empty_in_utf8_and_in_universal_time(postgresql_url: str) -> None:
    assert ask(postgresql_url, "SHOW timezone") == [("UTC",)]
    assert ask(postgresql_url, "SHOW server_encoding") == [("UTF8",)]
    assert ask(postgresql_url, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []


def test_each_test_has_a_database_of_its_own(
    postgresql_url: str, postgresql_module_url: str
) -> None:
    assert postgresql_url != postgresql_module_url


def test_a_database_vanishes_though_somebody_is_connected(postgresql_server: str) -> None:
    with new_database(postgresql_server) as url:
        connection = psycopg2.connect(url)

    connection.close()
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        psycopg2.connect(url)


@pytest.mark.parametrize("collation", [COLLATIONS[-1], None])
def test_a_database_has_the_collation_that_is_asked_for(
    postgresql_server: str, collation: str | None
) -> None:
    with new_database(postgresql_server, collation=collation) as url:
        assert ask(url, "SELECT 'B' < 'a' COLLATE \"C\"") == [(True,)]
        if collation is not None:
            assert ask(url, "SELECT 'B' < 'a'") == [(True,)]


def test_postgresql_crashes_and_comes_back_with_what_was_committed(
    postgresql: PostgreSQLProcess,
) -> None:
    with new_database(postgresql.url) as url:
        ask(url, "CREATE TABLE kept (id int)")
        ask(url, "INSERT INTO kept VALUES (1)")

        postgresql.crash()
        assert not is_open(postgresql.port)
        postgresql.start()

        assert ask(url, "SELECT id FROM kept") == [(1,)]


def test_postgresql_is_of_the_major_version_that_was_chosen(postgresql: PostgreSQLProcess) -> None:
    [(number,)] = ask(f"{postgresql.url}/postgres", "SHOW server_version_num")

    bindirs = postgresql_bindirs()
    assert int(number) // 10000 in {major_version(folder) for folder in bindirs}


@pytest.mark.usefixtures("processes")
def test_postgresql_takes_settings_of_its_own() -> None:
    with running_postgresql("max_connections=17") as server:
        assert ask(f"{server.url}/postgres", "SHOW max_connections") == [("17",)]
        port = server.port

    assert not is_open(port)


def test_pgbouncer_shares_connections_between_transactions(postgresql_url: str) -> None:
    with running_pgbouncer(postgresql_url, pool_size=1) as url:
        clients = [psycopg2.connect(url) for _ in range(3)]
        pids = []
        for client in clients:
            client.autocommit = True
            with client.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                pids += cursor.fetchone()  # type: ignore[arg-type]
            # Stays connected: the next one gets the same connection to the server all the same.
        for client in clients:
            client.close()

    assert len(set(pids)) == 1
    assert urlsplit(url).port != urlsplit(postgresql_url).port


@pytest.mark.usefixtures("processes")
def test_a_durable_redis_comes_back_with_what_it_acknowledged() -> None:
    with running_durable_redis() as server:
        with redis.Redis.from_url(server.url) as client:
            client.set("kept", "1")

        server.kill()
        assert not is_open(server.port)
        server.start()

        with redis.Redis.from_url(server.url) as client:
            assert client.get("kept") == b"1"


def test_memcached_keeps_what_it_is_given(memcached_server: str) -> None:
    client = pymemcache.Client(memcached_server)
    key = f"services-{time.time_ns()}"

    client.set(key, b"1", noreply=False)

    assert client.get(key) == b"1"
    client.close()


def test_servers_keep_away_from_the_ports_of_clients(redis_url: Any) -> None:
    with socket.create_connection(("127.0.0.1", urlsplit(redis_url).port), 10) as client:
        assert client.getsockname()[1] > HIGHEST_PORT


def test_nobody_is_given_the_port_of_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the question and the start of the server, nobody listens to it."""
    wanted_at_first = {free_port(), free_port()}
    wanted = list(wanted_at_first)

    class Insisting:
        def randint(self, lowest: int, highest: int) -> int:
            return wanted.pop(0) if wanted else random.randint(lowest, highest)

    monkeypatch.setattr(random, "SystemRandom", Insisting)
    child = os.fork()
    if child == 0:
        os._exit(free_port() in wanted_at_first)

    assert free_port() not in wanted_at_first
    assert os.waitpid(child, 0)[1] == 0


def test_a_postgresql_whose_processes_stand_still_leaves_none_behind(processes: None) -> None:
    with running_postgresql() as server:
        pid = server.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        server.signal_all(signal.SIGSTOP)

    assert children
    assert [child for child in children if Path("/proc", child).exists()] == []
