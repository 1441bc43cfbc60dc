"""Clients that are told of changes when they happen (E-14)."""

import queue
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from support.devices import Network, device
from testapp import RESOURCES
from webtest import TestApp

from cliquet.client import Change, ClientError, Collection
from cliquet.feed import answers, stopping, stream
from cliquet.feed.hub import hub_of
from cliquet.testing.bounded import Thread, wait_until
from cliquet.testing.web import make_app

LONG_SECONDS = 20


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.2)
    monkeypatch.setattr(answers, "_PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(stopping, "_is_begun", False)


def make_live_app(**settings: str) -> TestApp:
    return make_app(
        RESOURCES, settings={"sync_enabled": "true", "feed_recheck_seconds": "1", **settings}
    )


class Follower:
    """A thread that follows a collection."""

    def __init__(self, collection: Collection) -> None:
        self.told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.stop = threading.Event()
        self._thread = Thread(target=self._run, args=[collection])
        self._thread.start()

    def _run(self, collection: Collection) -> None:
        try:
            for change in collection.follow(self.stop):
                self.told.put(change)
        except ClientError as error:
            self.told.put(error)

    def next(self) -> Any:
        return self.told.get(timeout=LONG_SECONDS)

    def end(self) -> bool:
        """End the thread, and return whether it has ended."""
        self.stop.set()
        self._thread.join(LONG_SECONDS)
        return not self._thread.is_alive()


class Case:
    """A user with two devices, one of which follows the other."""

    def __init__(self, carries: type[Network] = Network, **settings: str) -> None:
        self.app = make_live_app(**settings)
        self.network = carries(self.app)
        self.phone = device(Network(self.app))
        self.laptop = device(self.network)
        self.first = self.phone.create({"n": 1})
        self.phone.sync()
        self.follower = Follower(self.laptop)
        assert self.follower.next() == Change(self.first, self.phone[self.first])

    def preferences(self) -> list[str]:
        return [request.headers.get("Prefer", "") for request in self.network.requests]


def kinds(network: Network) -> list[str]:
    return [request.headers["Accept"] for request in network.requests]


@pytest.fixture
def case() -> Iterator[Case]:
    made = Case()
    yield made
    assert made.follower.end()


def wait_for_stream(case: Case) -> None:
    tick = threading.Event()
    for _ in range(20 * LONG_SECONDS):
        if "text/event-stream" in kinds(case.network):
            return
        tick.wait(0.05)
    pytest.fail("no stream")


@pytest.mark.clause("E-14.2")
def test_changes_are_told_when_they_happen(case: Case) -> None:
    wait_for_stream(case)
    phone, laptop = case.phone, case.laptop

    second = phone.create({"n": 2})
    phone.sync()
    assert case.follower.next() == Change(second, phone[second])
    assert laptop[second] == phone[second]

    phone.delete(case.first)
    phone.sync()
    assert case.follower.next() == Change(case.first, None)
    assert dict(laptop) == dict(phone)
    assert kinds(case.network).count("text/event-stream") == 1


class Crowded(Network):
    """Leads to a service whose only stream somebody else has."""

    def __init__(self, app: TestApp) -> None:
        hub_of(app.app.registry).enter({"wsgi.multithread": True})
        super().__init__(app)


@pytest.mark.clause("E-14.1", "E-14.6")
def test_a_client_for_whom_there_is_no_stream_is_told_too() -> None:
    case = Case(Crowded, feed_max_streams="1", retry_after_seconds="1")
    wait_for_stream(case)

    numbers = [case.phone.create({"n": n}) for n in (2, 3)]
    case.phone.sync()

    assert {case.follower.next().id for _ in numbers} == set(numbers)
    assert case.follower.end()
    assert "wait=50" in case.preferences()


class Failing(Network):
    """Leads to a service that fails when it is asked for a stream for the first time."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        is_stream = request.headers["Accept"] == "text/event-stream"
        fails = is_stream and "text/event-stream" not in kinds(self)
        response = super().handle_request(request)
        return httpx.Response(500, text="no JSON") if fails else response


@pytest.mark.clause("E-14.2")
def test_a_service_that_has_failed_is_asked_again() -> None:
    case = Case(Failing)
    wait_for_stream(case)

    second = case.phone.create({"n": 2})
    case.phone.sync()

    assert case.follower.next().id == second
    assert case.follower.end()


@pytest.mark.clause("E-14.2", "E-11.5")
def test_a_reset_starts_again(case: Case) -> None:
    wait_for_stream(case)
    case.app.app.registry.storage.flush()
    second = case.phone.create({"n": 2})
    case.phone.sync()

    changes = [case.follower.next(), case.follower.next()]

    assert Change(case.first, None) in changes
    assert dict(case.laptop) == dict(case.phone)
    assert set(case.laptop) == {second}


def test_a_lost_connection_is_opened_again(case: Case) -> None:
    wait_for_stream(case)
    case.network.is_cut()
    second = case.phone.create({"n": 2})
    case.phone.sync()
    with pytest.raises(queue.Empty):
        case.follower.told.get(timeout=0.5)
    case.network.is_good()

    assert case.follower.next().id == second


class WithoutStreams(Network):
    """Leads to a service that does not know of streams."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.headers["Accept"] == "text/event-stream":
            request.headers["Accept"] = "application/json"
        return super().handle_request(request)


@pytest.mark.clause("E-14.1")
def test_without_streams_the_service_is_asked_to_wait() -> None:
    case = Case(WithoutStreams, feed_max_wait_seconds="1")
    wait_until(lambda: "wait=50" in case.preferences())

    second = case.phone.create({"n": 2})
    case.phone.sync()

    assert case.follower.next().id == second
    assert case.follower.end()


def test_wrong_credentials_end_the_loop() -> None:
    app = make_live_app()
    stranger = device(Network(app))
    stranger._service.http = httpx.Client(transport=Network(app))

    error = Follower(stranger).next()

    assert isinstance(error, ClientError)
    assert error.status == 401
