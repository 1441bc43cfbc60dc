"""The live feed under each server, and in the program of its own (E-14.6)."""

import contextlib
import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from deployment.service import (
    FEED,
    MUSHROOMS,
    SERVERS,
    USER,
    Server,
    Service,
    deployed,
    on_sqlite,
)
from processes.client import Client
from support.busy import BUSY_SECONDS
from support.streams import ServerStream

from cliquet.testing.bounded import wait_until

STREAM = f"{MUSHROOMS}?_sync="
START = Server(
    ("cliquet", "--ini", "production.ini", "start", "--server", "waitress", "--port", "{port}"),
    processes=1,
)
# Of these, each stream has a thread.
THREADED = {
    "gunicorn gthread": SERVERS["gunicorn gthread"],
    "granian": SERVERS["granian"],
    "cliquet start": START,
}
# Otherwise, gunicorn ends them after half a minute.
STOP_SECONDS = 2

pytestmark = [pytest.mark.usefixtures("processes"), pytest.mark.slow]


def settings(folder: Any) -> dict[str, str]:
    return {**on_sqlite(folder), "CLIQUET_SYNC_ENABLED": "true", "CLIQUET_FEED_MAX_STREAMS": "4"}


@pytest.fixture
def open_stream() -> Iterator[Callable[..., ServerStream]]:
    opened: list[ServerStream] = []

    def begin(service: Any, path: str = STREAM, **headers: str) -> ServerStream:
        sent = {**USER, **{name.replace("_", "-"): value for name, value in headers.items()}}
        opened.append(ServerStream(service.port, path, sent))
        return opened[-1]

    yield begin
    for one in opened:
        one.close()


@pytest.fixture
def service() -> Iterator[Service]:
    """The service in one process, and the feed beside it."""
    with deployed(SERVERS["gunicorn gthread"].alone(), settings) as running:
        yield running


@pytest.fixture
def feed(service: Service) -> Iterator[Service]:
    beside = Service(service.folder, FEED, service.environment)
    beside.start()
    yield beside
    beside.stop()


@pytest.mark.clause("E-14.2", "E-14.6")
@pytest.mark.parametrize("name", THREADED)
def test_streams_are_served_and_end_in_time(
    name: str, open_stream: Callable[..., ServerStream]
) -> None:
    with deployed(THREADED[name], settings) as service:
        streams = [open_stream(service) for _ in range(2)]
        first, second = (service.create(f"n{number}").data for number in range(2))

        assert [stream.until_items(2) for stream in streams] == [[first, second]] * 2
        service.signal(signal.SIGTERM)
        begin = time.monotonic()
        for stream in streams:
            stream.until_over()
        duration = time.monotonic() - begin

        assert [stream.events[-1].name for stream in streams] == ["end", "end"]
        assert duration < STOP_SECONDS + BUSY_SECONDS
        service.wait_for_end()


@pytest.mark.clause("E-14.6")
def test_workers_with_one_thread_refuse_streams() -> None:
    with deployed(SERVERS["gunicorn sync"].alone(), settings) as service:
        answer = service.send("GET", STREAM, user={**USER, "Accept": "text/event-stream"})

    assert answer.status == 503
    assert "retry-after" in answer.headers
    assert "cliquet feed" in answer.json["message"]


@pytest.mark.clause("E-14.6")
def test_streams_leave_a_process_when_their_clients_do(
    service: Service, open_stream: Callable[..., ServerStream]
) -> None:
    streams = [open_stream(service) for _ in range(4)]
    for stream in streams:
        stream.until_items(0)
    assert service.send("GET", STREAM, user={**USER, "Accept": "text/event-stream"}).status == 503

    for stream in streams:
        stream.close()
    # What is sent to them finds out that they are gone.

    def is_served() -> bool:
        service.create("n")
        return open_stream(service).status == 200

    wait_until(is_served, "a stream that is served", pause_seconds=0.3)


@pytest.mark.clause("E-14.6")
def test_the_feed_serves_the_same_urls(feed: Service, service: Service) -> None:
    created = service.create("a").data
    path = f"{MUSHROOMS}/{created['id']}"

    listed, fetched = feed.send("GET", STREAM), feed.send("GET", path)

    assert listed.data == [created]
    assert fetched.headers["etag"] == f'"{created["last_modified"]}"'
    assert feed.send("HEAD", path).body == b""
    assert feed.send("GET", "/v1/unknown").status == 404
    assert feed.send("GET", MUSHROOMS, user={}).status == 401
    refused = feed.create("b")
    assert (refused.status, refused.json["errno"]) == (405, 115)


@pytest.mark.clause("E-14.2", "E-14.3", "E-14.6")
def test_the_feed_tells_what_the_service_writes(
    feed: Service, service: Service, open_stream: Callable[..., ServerStream]
) -> None:
    stream = open_stream(feed)
    records = [service.create(f"n{number}").data for number in range(5)]
    assert stream.until_items(5) == records

    again = open_stream(feed, Last_Event_ID=stream.named("checkpoint")[0].id)

    assert again.until_items(1)[0] == records[0]
    assert again.response.headers["Content-Type"] == "text/event-stream"


@pytest.mark.clause("E-14.1", "E-14.6")
def test_the_feed_lets_requests_wait(feed: Service, service: Service) -> None:
    token = feed.send("GET", STREAM).headers["sync-token"]
    waiting = Client(feed.port, USER)
    waiting.connection.request("GET", f"{STREAM}{token}", headers={**USER, "Prefer": "wait=60"})
    time.sleep(0.5)
    created = service.create("a").data

    response = waiting.connection.getresponse()

    assert json.loads(response.read())["data"] == [created]
    assert response.headers["Preference-Applied"] == "wait=60"
    begin = time.monotonic()
    token = response.headers["Sync-Token"]
    late = feed.send("GET", f"{STREAM}{token}", user={**USER, "Prefer": "wait=1"})
    assert late.data == []
    assert time.monotonic() - begin < 1 + BUSY_SECONDS
    waiting.close()


@pytest.mark.clause("E-14.6")
def test_the_feed_ends_in_time(
    feed: Service, service: Service, open_stream: Callable[..., ServerStream]
) -> None:
    streams = [open_stream(feed) for _ in range(10)]
    for stream in streams:
        stream.until_items(0)

    feed.signal(signal.SIGTERM)
    begin = time.monotonic()
    for stream in streams:
        stream.until_over()
    code = feed.wait_for_end()

    assert time.monotonic() - begin < STOP_SECONDS + BUSY_SECONDS
    assert {stream.events[-1].name for stream in streams} == {"end"}
    assert code == 0


TERM, INT = signal.SIGTERM, signal.SIGINT


@pytest.mark.clause("E-14.6")
@pytest.mark.parametrize("pause_seconds", [0, 0.05, 0.2])
@pytest.mark.parametrize("numbers", [(TERM, TERM), (TERM, INT), (INT, INT), (INT, TERM)])
def test_a_feed_that_is_told_again_ends_quietly(
    feed: Service,
    open_stream: Callable[..., ServerStream],
    numbers: tuple[int, int],
    pause_seconds: float,
) -> None:
    stream = open_stream(feed)
    stream.until_items(0)

    for number in numbers:
        feed.signal(number)
        time.sleep(pause_seconds)
    code = feed.wait_for_end()

    assert code == 0
    assert "Traceback" not in feed.log()


@pytest.mark.clause("E-14.3", "E-14.6")
def test_a_killed_feed_loses_nothing(
    feed: Service, service: Service, open_stream: Callable[..., ServerStream]
) -> None:
    stream = open_stream(feed)
    first = service.create("a").data
    stream.until_items(1)
    feed.signal(signal.SIGKILL)
    stream.until_over()
    second = service.create("b").data
    feed.wait_for_end()

    feed.start()

    again = open_stream(feed, Last_Event_ID=stream.token)
    assert again.until_items(1) == [second]
    assert first not in again.items


@pytest.mark.clause("E-14.5")
def test_a_slow_reader_holds_nobody_back(
    feed: Service, service: Service, open_stream: Callable[..., ServerStream]
) -> None:
    """Its connection is full of records that it never takes."""
    for _ in range(40):
        service.create("x" * 100_000)
    with socket.create_connection(("127.0.0.1", feed.port), 20) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lines = [
            f"GET {STREAM} HTTP/1.1",
            "Host: localhost",
            "Accept: text/event-stream",
            f"Authorization: {USER['Authorization']}",
        ]
        slow.sendall("\r\n".join([*lines, "", ""]).encode())
        fast = open_stream(feed, f"{STREAM}{feed.send('GET', STREAM).headers['sync-token']}")
        fast.until_items(0)
        begin = time.monotonic()
        created = service.create("fast").data

        assert fast.until_items(1) == [created]
        assert time.monotonic() - begin < BUSY_SECONDS


@pytest.mark.clause("E-14.6")
def test_the_clients_of_the_feed_are_forgotten_when_they_leave(
    feed: Service, service: Service, open_stream: Callable[..., ServerStream]
) -> None:
    def open_sockets() -> int:
        # Threads that read open files of the database, which stay.
        number = 0
        for one in Path(f"/proc/{feed.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                number += os.readlink(one).startswith("socket:")
        return number

    streams = [open_stream(feed) for _ in range(20)]
    for stream in streams:
        stream.until_items(0)
    # Not compared with the number before: the loop has sockets of its own, once it runs.
    held = open_sockets()
    assert held > 20

    for stream in streams:
        stream.close()

    wait_until(lambda: open_sockets() <= held - 20, lambda: (held, open_sockets()))


@pytest.mark.clause("E-14.6")
def test_a_request_that_is_no_http_is_refused(feed: Service) -> None:
    with socket.create_connection(("127.0.0.1", feed.port), 20) as raw:
        raw.sendall(b"\0nonsense\r\n\r\n")
        response = http.client.HTTPResponse(raw)
        response.begin()

    assert response.status == 400
