"""Clients of streams in threads that do not take what is sent to them (E-14.5)."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from webtest import TestApp

from cliquet.feed import slow_clients
from cliquet.testing.bounded import Thread, wait_until
from cliquet.testing.web import basic_auth

URL = "/v0/spores?_sync="
LARGE = "x" * 100_000


class Sending(Thread):
    """Does what a thread of gunicorn does: sends a response on a connection that blocks."""

    def __init__(self, app: Any, connection: socket.socket) -> None:
        super().__init__()
        headers = {**basic_auth(), "Accept": "text/event-stream"}
        request = app.RequestClass.blank(URL, headers=headers)
        environ = {**request.environ, "wsgi.multithread": True, "gunicorn.socket": connection}
        self._body = app.app(environ, lambda *_: None)
        self._connection = connection
        self.error: OSError | None = None

    def run(self) -> None:
        with contextlib.closing(self._body):
            try:
                for part in self._body:
                    self._connection.sendall(part)
            except OSError as error:
                self.error = error


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_clients, "SLOW_SECONDS", 0.4)


def create(app: Any, **data: Any) -> None:
    app.post_json("/v0/spores", {"data": data}, headers=basic_auth(), status=201)


def threads_named(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


@pytest.mark.clause("E-14.5", "E-14.6")
def test_a_client_that_takes_nothing_holds_no_thread_for_ever(
    live_app: TestApp, connection: tuple[socket.socket, socket.socket]
) -> None:
    for _ in range(20):
        create(live_app, text=LARGE)
    sending = Sending(live_app, connection[0])
    begin = time.monotonic()

    sending.start()
    sending.join()

    # The server treats it as a client that is gone.
    assert isinstance(sending.error, BrokenPipeError)
    assert time.monotonic() - begin > 0.4
    hub = live_app.app.registry.feed
    assert hub._number == 0
    wait_until(lambda: not threads_named("cliquet-feed-slow"), "the end of the watching thread")


@pytest.mark.clause("E-14.5")
def test_a_client_that_takes_everything_stays(
    live_app: TestApp, connection: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = connection
    theirs.settimeout(20)
    sending = Sending(live_app, ours)
    sending.start()
    begin = time.monotonic()
    told = b""
    # Between two signs of life it has nothing to take, however long that is.
    while time.monotonic() - begin < 1.2 or b": keep-alive" not in told:
        told += theirs.recv(65536)

    create(live_app, text="late")
    while b"late" not in told:
        told += theirs.recv(65536)

    theirs.close()
    sending.join()
    assert isinstance(sending.error, OSError)


@pytest.mark.clause("E-14.6")
def test_a_server_that_tells_no_connection_is_left_to_itself() -> None:
    assert slow_clients.connection_of({}) is None
    assert slow_clients.connection_of({"gunicorn.socket": "no socket"}) is None
