"""The service while its PostgreSQL fails: two hosts in the URL, and a standby that is promoted."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from servers.forwarding import Forwarder, forwarding
from servers.network_hosts import network_hosts
from servers.postgresql import PostgreSQLProcess, running_postgresql
from servers.postgresql_standby import make_synchronous, promote, running_standby
from support.busy import BUSY_SECONDS
from testapp import Mushroom
from webtest import TestApp

from cliquet.testing.bounded import PATIENCE_SECONDS, Thread, Threads, wait_until
from cliquet.testing.web import basic_auth, make_app
from deployment.service import GUNICORN, MUSHROOMS, Service, deployed, on_postgresql

WRITERS = 4
STATEMENT_SECONDS = 1
# A hung statement, and then an attempt to connect. Without bound, it would be that of TCP: a
# quarter of an hour, or for ever.
BOUND_SECONDS = STATEMENT_SECONDS + 5 + BUSY_SECONDS
# The threads of the file gunicorn.conf.py.
THREADS = 8


class Servers(NamedTuple):
    """A primary behind a network, and its standby, which has each write that was acknowledged."""

    primary: PostgreSQLProcess
    network: Forwarder
    standby: PostgreSQLProcess
    url: str


@pytest.fixture
def servers(processes: None) -> Iterator[Servers]:
    with (
        running_postgresql("synchronous_commit=on") as primary,
        running_standby(primary) as standby,
        forwarding(primary.port) as network,
    ):
        make_synchronous(primary)
        hosts = f"127.0.0.1:{network.port},127.0.0.1:{standby.port}"
        url = f"postgresql://postgres@{hosts}/postgres?connect_timeout=2"
        yield Servers(primary, network, standby, url)


def application(url: str) -> TestApp:
    settings = {"statement_timeout_seconds": str(STATEMENT_SECONDS), "cache_backend": ""}
    for kind in ("storage", "permission"):
        settings[f"{kind}_backend"] = f"cliquet.{kind}.postgresql"
        settings[f"{kind}_url"] = url
    app = make_app([Mushroom], settings=settings)
    app.app.registry.storage.initialize_schema()
    app.app.registry.permission.initialize_schema()
    return app


FAILURES: dict[str, Callable[[Servers], Any]] = {
    "stopped": lambda servers: servers.primary.stop(),
    "killed": lambda servers: servers.primary.signal_all(signal.SIGKILL),
    "standing still": lambda servers: servers.primary.signal_all(signal.SIGSTOP),
    "silenced": lambda servers: servers.network.silence(),
}


class Writer:
    """A client that creates one record after the other, and knows what was acknowledged.

    Attributes
    ----------
    longest_seconds : longest time that a request took.
    failed : set by whoever lets the server fail.
    recovered : set by a write that has begun after that and was acknowledged. One that fails in
        between is likely, but not certain.
    """

    def __init__(self, app: TestApp, user: str, is_over: threading.Event) -> None:
        self._app = app
        self._is_over = is_over
        self.headers = basic_auth(user)
        self.acknowledged: list[str] = []
        self.refusals: list[Any] = []
        self.longest_seconds = 0.0
        self.failed = threading.Event()
        self.recovered = threading.Event()

    def run(self) -> None:
        number = 0
        while not self._is_over.is_set():
            number += 1
            started = time.monotonic()
            has_failed = self.failed.is_set()
            answer = self._app.post_json(
                "/v0/mushrooms", {"data": {"name": str(number)}}, headers=self.headers, status="*"
            )
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - started)
            if answer.status_int == 201:
                self.acknowledged.append(answer.json["data"]["id"])
                if has_failed:
                    self.recovered.set()
            else:
                self.refusals.append(answer)
                time.sleep(0.02)


@contextlib.contextmanager
def writing(app: TestApp) -> Iterator[list[Writer]]:
    """Let some clients write during the block."""
    is_over = threading.Event()
    writers = [Writer(app, f"user {number}", is_over) for number in range(WRITERS)]
    threads = [Thread(target=writer.run) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        yield writers
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


@pytest.mark.clause("E-21.1", "E-21.2", "E-21.3")
@pytest.mark.parametrize("failure", FAILURES)
def test_the_standby_takes_over_and_no_acknowledged_write_is_lost(
    servers: Servers, failure: str
) -> None:
    app = application(servers.url)
    with writing(app) as writers:
        wait_until(lambda: all(len(writer.acknowledged) > 5 for writer in writers), "some writes")
        FAILURES[failure](servers)
        failed = time.monotonic()
        if failure == "silenced":
            # Nobody may write there any more, which is what a tool for failovers sees to.
            servers.primary.signal_all(signal.SIGKILL)
        for writer in writers:
            writer.failed.set()
        promote(servers.standby)
        for writer in writers:
            assert writer.recovered.wait(PATIENCE_SECONDS), writer.refusals[-1:]
        recovered_seconds = time.monotonic() - failed

    assert recovered_seconds < 3 * BOUND_SECONDS
    for writer in writers:
        listed = app.get("/v0/mushrooms", headers=writer.headers).json["data"]
        assert set(writer.acknowledged) <= {record["id"] for record in listed}
        assert writer.longest_seconds < BOUND_SECONDS
        assert {answer.status_int for answer in writer.refusals} <= {503}
        assert all("Retry-After" in answer.headers for answer in writer.refusals)
    app.app.registry.storage.client.dispose()


class Line(NamedTuple):
    """What a service reaches its database by.

    Attributes
    ----------
    cut, mend : let nothing arrive any more, with no error for anybody, and everything again.
    """

    cut: Callable[[], None]
    mend: Callable[[], None]


@pytest.fixture(params=["a proxy that swallows packets", "a cable that is pulled"])
def service(processes: None, request: pytest.FixtureRequest) -> Iterator[tuple[Service, Line]]:
    """The service in one process of eight threads, and its line to its database."""
    with contextlib.ExitStack() as stack:
        if request.param == "a cable that is pulled":
            (host,) = stack.enter_context(network_hosts(1))
            server = stack.enter_context(running_postgresql(host=host))
            url, line = server.url, Line(host.unplug, host.plug)
        else:
            server = stack.enter_context(running_postgresql())
            network = stack.enter_context(forwarding(server.port))
            url = f"postgresql://postgres@127.0.0.1:{network.port}"
            line = Line(network.silence, network.resume)
        settings = {
            **on_postgresql(f"{url}/postgres?connect_timeout=2")(None),
            "CLIQUET_STATEMENT_TIMEOUT_SECONDS": str(STATEMENT_SECONDS),
        }
        yield (
            stack.enter_context(deployed(GUNICORN.alone(), lambda _: settings, migrates=True)),
            line,
        )


@pytest.mark.clause("E-21.1", "E-21.2", "H-31.1")
def test_threads_that_wait_for_a_silent_database_come_free(service: tuple[Service, Line]) -> None:
    deployed_service, line = service
    clients = Threads(THREADS)
    assert all(answer.status == 200 for answer in clients.map(listed(deployed_service), range(8)))
    line.cut()

    # One thread is left: it asks no database.
    began = time.monotonic()
    stuck = [clients.submit(listed(deployed_service), number) for number in range(THREADS - 1)]
    durations = []
    while not all(outcome.done() for outcome in stuck):
        durations.append(seconds_of_an_answer(deployed_service))
        # They wait for two seconds longer than for a statement.
        assert time.monotonic() - began < STATEMENT_SECONDS + 2 + BUSY_SECONDS
        time.sleep(0.2)
    # On a busy machine, some of them may take longer. Who has to wait for a thread waits for two
    # seconds at least.
    assert min(durations) < 1
    assert_refused(stuck)

    # No thread is left: it waits for the first one that comes free.
    stuck = [clients.submit(listed(deployed_service), number) for number in range(THREADS)]
    assert seconds_of_an_answer(deployed_service) < BOUND_SECONDS
    assert_refused(stuck)

    line.mend()
    wait_until(lambda: listed(deployed_service)(0).status == 200, "an answer")
    clients.shutdown()


def listed(service: Service) -> Callable[[int], Any]:
    return lambda number: service.send("GET", MUSHROOMS, user=basic_auth(f"user {number}"))


def seconds_of_an_answer(service: Service) -> float:
    """Return how long a request takes that asks no database."""
    started = time.monotonic()
    assert service.send("GET", "/v1/__lbheartbeat__").status == 200
    return time.monotonic() - started


def assert_refused(outcomes: list[Any]) -> None:
    for outcome in outcomes:
        answer = outcome.result()
        assert (answer.status, answer.headers["retry-after"]) == (503, "30")
