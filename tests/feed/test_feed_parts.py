"""The small parts of the feed, each by itself."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from servers.starting import run_program

from cliquet.feed import gateway, stopping
from cliquet.feed.sharing import SharedAnswers
from cliquet.feed.source import Page
from cliquet.feed.stream import Question
from cliquet.testing.bounded import PATIENCE_SECONDS, Thread, wait_until


def page(status: int = 200, judged_at: float = 10.0) -> Page:
    return Page(status, [], "t", True, None, 0, None, b"me", judged_at)


@pytest.mark.clause("E-14.5")
def test_one_of_many_reads_and_the_others_get_its_answer() -> None:
    shared, reads, answers = SharedAnswers(), [], []

    def read(query: str) -> Page:
        reads.append(query)
        time.sleep(0.2)
        return page()

    def ask() -> None:
        answers.append(shared.answer(Question("q", "key", 0.0), read))

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert reads == ["q"]
    assert answers == [page()] * 8


@pytest.mark.clause("E-14.4")
@pytest.mark.parametrize("first", [page(403), page(judged_at=4.0), RuntimeError()])
def test_an_error_or_an_old_answer_is_nobody_elses(first: object) -> None:
    shared = SharedAnswers()
    begun = threading.Event()

    def read_first(query: str) -> Page:
        begun.set()
        time.sleep(0.2)
        if isinstance(first, Exception):
            raise first
        assert isinstance(first, Page)
        return first

    def ask() -> None:
        with contextlib.suppress(RuntimeError):
            shared.answer(Question("q", "key", 5.0), read_first)

    thread = Thread(target=ask)
    thread.start()
    assert begun.wait(PATIENCE_SECONDS)

    meanwhile = shared.answer(Question("q", "key", 5.0), lambda query: page(judged_at=20.0))
    thread.join()
    later = shared.answer(Question("q", "key", 5.0), lambda query: page(judged_at=30.0))

    assert meanwhile.judged_at == 20.0
    assert later.judged_at == 30.0


@pytest.mark.clause("E-14.5")
def test_few_answers_are_kept() -> None:
    shared = SharedAnswers()

    for number in range(500):
        shared.answer(Question("q", number, 0.0), lambda query: page())

    assert len(shared._answers) <= 64


def scope(**other: Any) -> dict[str, Any]:
    return {
        "method": "GET",
        "path": "/v1/é",
        "raw_path": b"/v1/%C3%A9",
        "query_string": b"_sync=a%20b",
        "http_version": "1.1",
        "scheme": "https",
        "headers": [],
        **other,
    }


@pytest.mark.clause("E-14.6")
def test_a_request_of_an_asgi_server_becomes_one_of_wsgi() -> None:
    headers = [
        (b"host", b"example.com"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"prefer", b"wait=1"),
        (b"prefer", b"count=none"),
        (b"content-length", b"5"),
        (b"content-type", b"text/plain"),
        (b"x_forwarded_for", b"evil"),
    ]

    environ = gateway.environ_of(scope(headers=headers, client=("10.0.0.1", 1), server=None))

    assert environ["PATH_INFO"] == "/v1/Ã©"
    assert environ["QUERY_STRING"] == "_sync=a%20b"
    assert environ["HTTP_HOST"] == "example.com"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["HTTP_PREFER"] == "wait=1,count=none"
    assert environ["CONTENT_LENGTH"] == "0"
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert environ["REMOTE_ADDR"] == "10.0.0.1"
    assert environ["wsgi.url_scheme"] == "https"
    assert not [name for name in environ if "FORWARDED" in name]


@pytest.mark.clause("E-14.6")
def test_bodies_of_wsgi_applications_are_closed() -> None:
    closed = []

    class Body(list[bytes]):
        def close(self) -> None:
            closed.append(1)

    def application(environ: Any, start_response: Any) -> Any:
        start_response("201 Created", [("X-Own", "1")])
        return Body([b"a", b"b"])

    response, answer = gateway.call(application, gateway.environ_of(scope()))

    assert answer is None
    assert response is not None
    assert (response.status_code, response.body, response.headers["X-Own"]) == (201, b"ab", "1")
    assert closed == [1]


@pytest.mark.clause("E-14.6")
def test_a_worker_of_gunicorn_that_was_told_to_end_is_recognised() -> None:
    class Worker:
        alive = True

        def handle_exit(self, number: int, frame: Any) -> None:
            self.alive = False

    worker = Worker()
    former = signal.signal(signal.SIGTERM, worker.handle_exit)
    try:
        assert not stopping.has_begun()
        os.kill(os.getpid(), signal.SIGTERM)
        wait_until(stopping.has_begun, "the signal")
    finally:
        signal.signal(signal.SIGTERM, former)


LISTENING = """
import os, signal, time
from cliquet.feed import stopping

stopping.listen()
# As a server does later on.
signal.signal(signal.SIGTERM, lambda number, frame: None)
signal.signal(signal.SIGUSR1, lambda number, frame: None)
os.kill(os.getpid(), signal.SIGUSR1)
time.sleep(0.1)
assert not stopping.has_begun()
os.kill(os.getpid(), signal.SIGTERM)
deadline = time.monotonic() + 60
while not stopping.has_begun() and time.monotonic() < deadline:
    time.sleep(0.01)
assert stopping.has_begun()
"""


@pytest.mark.clause("E-14.6")
@pytest.mark.usefixtures("processes")
def test_the_signals_of_a_process_are_noticed_whoever_handles_them() -> None:
    done = run_program([sys.executable, "-c", LISTENING], stderr=subprocess.PIPE, check=False)

    assert done.returncode == 0, done.stderr
