"""A server that does not answer, and gives no error: waits end, and threads are free again."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from servers.forwarding import Forwarder, forwarding
from servers.postgresql import running_postgresql
from support.busy import BUSY_SECONDS
from support.configured import config_of

from cliquet.cache import postgresql as cache_module
from cliquet.connections.postgresql.client import PostgreSQLClient
from cliquet.storage.exceptions import BackendError, TimeLimitError
from cliquet.storage.postgresql import client as published
from cliquet.testing.bounded import Threads, wait_until
from cliquet.testing.transactions import request_transaction
from cliquet.transactions import scope

LIMIT_SECONDS = 0.5
# The grace for the error of a server that lives, and the time of a new connection. Without bound,
# it would be that of TCP: a quarter of an hour, or for ever.
BOUND_SECONDS = LIMIT_SECONDS + 5 + BUSY_SECONDS
THREADS = 4


@pytest.fixture
def network(postgresql_url: str) -> Iterator[Forwarder]:
    port = int(postgresql_url.rpartition("/")[0].rpartition(":")[2])
    with forwarding(port) as forwarder:
        yield forwarder


@pytest.fixture
def url(network: Forwarder, postgresql_url: str) -> str:
    name = postgresql_url.rpartition("/")[2]
    return f"postgresql://postgres@127.0.0.1:{network.port}/{name}?connect_timeout=2"


@pytest.fixture
def client(url: str) -> Iterator[PostgreSQLClient]:
    client = make_client(url)
    with client.connect(readonly=True) as session:
        session.execute("SELECT 1")
    yield client
    client.dispose()


def make_client(url: str, **settings: Any) -> PostgreSQLClient:
    configured = {"storage_url": url, "statement_timeout_seconds": LIMIT_SECONDS, **settings}
    return published.create_from_config(config_of(configured), "storage_")


def read(client: PostgreSQLClient) -> Any:
    with client.connect(readonly=True) as session:
        return session.execute("SELECT 1").fetchone()[0]


def read_at_once(client: PostgreSQLClient) -> Any:
    return client.rows("SELECT 1")


def write(client: PostgreSQLClient) -> None:
    with client.begin() as session:
        session.execute("SELECT 1")


def read_in_transaction(client: PostgreSQLClient) -> None:
    with request_transaction():
        write(client)


@contextlib.contextmanager
def given_up() -> Iterator[Any]:
    started = time.monotonic()
    with pytest.raises(BackendError) as caught:
        yield caught
    assert time.monotonic() - started < BOUND_SECONDS


@pytest.mark.clause("E-21.1")
@pytest.mark.setting("statement_timeout_seconds")
@pytest.mark.parametrize("use", [read, read_at_once, write, read_in_transaction])
def test_a_statement_without_answer_is_given_up(
    client: PostgreSQLClient, network: Forwarder, use: Callable[..., Any]
) -> None:
    network.silence()

    with given_up() as caught:
        use(client)

    assert isinstance(caught.value, TimeLimitError)
    assert caught.value.setting == "statement_timeout_seconds"


@pytest.mark.clause("E-21.1")
def test_a_commit_without_answer_is_given_up(client: PostgreSQLClient, network: Forwarder) -> None:
    with given_up(), client.begin() as session:
        session.execute("SELECT 1")
        network.silence()


@pytest.mark.clause("E-21.1")
def test_an_undoing_without_answer_is_given_up(
    client: PostgreSQLClient, network: Forwarder
) -> None:
    def fail() -> None:
        with client.begin() as session:
            session.execute("SELECT 1")
            network.silence()
            raise LookupError

    started = time.monotonic()
    with pytest.raises(LookupError):
        fail()
    assert time.monotonic() - started < BOUND_SECONDS


@pytest.mark.clause("E-21.1")
def test_the_first_queries_of_a_process_are_given_up(url: str, network: Forwarder) -> None:
    # The server lets it in, and says nothing more.
    network.swallows = lambda data: data.startswith(b"Q")
    client = make_client(url)

    started = time.monotonic()
    with pytest.raises(BackendError):
        read(client)

    assert time.monotonic() - started < BOUND_SECONDS
    client.dispose()


@pytest.mark.clause("E-21.1", "E-21.2")
def test_all_threads_come_free_and_those_that_come_later_hardly_wait(
    client: PostgreSQLClient, network: Forwarder
) -> None:
    threads = Threads(THREADS)
    assert list(threads.map(lambda _: read(client), range(THREADS))) == [1] * THREADS
    network.silence()

    started = time.monotonic()
    stuck = [threads.submit(read, client) for _ in range(THREADS)]
    assert all(isinstance(outcome.exception(60), BackendError) for outcome in stuck)
    assert time.monotonic() - started < BOUND_SECONDS

    # One at a time asks the server again; the others learn at once that it is silent.
    started = time.monotonic()
    later = [threads.submit(read, client) for _ in range(5 * THREADS)]
    assert all(isinstance(outcome.exception(60), BackendError) for outcome in later)
    assert time.monotonic() - started < 2 * BOUND_SECONDS
    threads.shutdown()


@pytest.mark.clause("E-21.2")
def test_it_is_used_again_as_soon_as_it_answers(
    client: PostgreSQLClient, network: Forwarder
) -> None:
    network.silence()
    for _ in range(2):
        with given_up():
            read(client)
    network.swallows = lambda data: False

    threads = Threads(THREADS)
    assert list(threads.map(lambda _: read(client), range(5 * THREADS))) == [1] * 5 * THREADS
    threads.shutdown()


@pytest.mark.clause("E-21.2")
def test_what_one_backend_finds_out_the_others_know(url: str, network: Forwarder) -> None:
    """The cache has connections of its own to the same server."""
    storage = make_client(url)
    configured = {"cache_url": url, "statement_timeout_seconds": LIMIT_SECONDS}
    cache = cache_module.load_from_config(config_of(configured)).client
    assert (read(storage), read(cache), storage is cache) == (1, 1, False)
    network.silence()
    with given_up():
        read(cache)

    # It connects anew, which takes no longer than the driver allows.
    with given_up() as caught:
        read(storage)
    assert not isinstance(caught.value, TimeLimitError)
    storage.dispose()
    cache.dispose()


@pytest.mark.clause("E-21.1")
def test_commands_wait_as_long_as_it_takes(client: PostgreSQLClient) -> None:
    with scope.without_time_limits(), client.begin() as session:
        session.execute(f"SELECT pg_sleep({LIMIT_SECONDS + 3})")


@pytest.mark.clause("E-21.1")
def test_a_server_that_lives_says_itself_what_took_too_long(client: PostgreSQLClient) -> None:
    pid = pid_of(client)
    for _ in range(3):
        with pytest.raises(TimeLimitError, match="canceling statement"), client.begin() as session:
            session.execute("SELECT pg_sleep(20)")
    assert pid_of(client) == pid


def pid_of(client: PostgreSQLClient, sleep_seconds: float = 0) -> Any:
    with client.connect(readonly=True) as session:
        query = "SELECT pg_backend_pid(), pg_sleep(%s)"
        return session.execute(query, (sleep_seconds,)).fetchone()[0]


@pytest.mark.clause("E-21.1")
@pytest.mark.usefixtures("processes")
def test_a_forked_process_leaves_the_waits_of_its_parent_alone(client: PostgreSQLClient) -> None:
    threads = Threads(1)
    slow = threads.submit(pid_of, client, sleep_seconds=LIMIT_SECONDS / 2)
    wait_until(lambda: client._server.deadlines, "a query that waits")
    child = os.fork()
    if child == 0:
        # The socket is the same one in both processes.
        os._exit(len(client._server.deadlines))
    assert os.waitpid(child, 0)[1] == 0
    slow.result()
    threads.shutdown()


@pytest.mark.clause("E-21.1")
@pytest.mark.usefixtures("processes")
def test_a_server_whose_processes_stand_still_is_given_up() -> None:
    """The system still accepts connections, and acknowledges every byte."""
    with running_postgresql() as server:
        client = make_client(f"{server.url}/postgres?connect_timeout=2")
        assert read(client) == 1
        server.signal_all(signal.SIGSTOP)
        try:
            for _ in range(2):
                with given_up():
                    read(client)
        finally:
            server.signal_all(signal.SIGCONT)
        assert read(client) == 1
        client.dispose()
