"""Lines that leave together, soon, and at the latest when the process ends."""

import gc
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers.starting import run_program
from support.statsd_server import StatsDServer

from cliquet.monitoring import datagrams
from cliquet.monitoring.datagrams import MAX_DATAGRAM_BYTES, MAX_LINES, Datagrams
from cliquet.monitoring.statsd import Batching
from cliquet.testing.bounded import Threads, wait_until

SECONDS = 20


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be sent because of its age."""
    monkeypatch.setattr(datagrams, "MAX_WAIT_SECONDS", 600)


@pytest.fixture
def senders() -> Callable[[], list[threading.Thread]]:
    """Return the threads that send; those of applications of other tests are left out."""
    before = set(threading.enumerate())
    return lambda: [
        thread
        for thread in threading.enumerate()
        if thread.name == "cliquet-metrics" and thread not in before
    ]


def test_lines_leave_soon_without_any_other(
    monkeypatch: pytest.MonkeyPatch, senders: Callable[[], list[threading.Thread]]
) -> None:
    monkeypatch.setattr(datagrams, "MAX_IDLE_ROUNDS", 0)
    sent: list[str] = []
    kept = Datagrams(sent.append)

    kept.keep("one:1|c")
    kept.keep("two:1|c")

    # They leave together, unless it takes as long as they wait to keep two of them.
    wait_until(lambda: "\n".join(sent).split("\n") == ["one:1|c", "two:1|c"], "a datagram")
    before = len(sent)
    # The next ones are sent by the same thread, or by another.
    wait_until(lambda: not senders(), "the end of the thread")
    kept.keep("three:1|c")
    wait_until(lambda: sent[before:], "another datagram")
    assert sent[before:] == ["three:1|c"]


def test_one_thread_sends_the_lines_of_requests_that_are_apart(
    senders: Callable[[], list[threading.Thread]],
) -> None:
    sent: list[str] = []
    kept = Datagrams(sent.append)
    kept.keep("one:1|c")
    (thread,) = senders()

    wait_until(lambda: sent, "a datagram")
    # Meanwhile it has looked in vain.
    thread.join(3 * datagrams.MAX_WAIT_SECONDS)
    kept.keep("two:1|c")
    wait_until(lambda: sent[1:], "another datagram")

    assert senders() == [thread]
    kept.close()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.usefixtures("patient")
def test_many_lines_leave_at_once_in_datagrams_that_no_network_cuts() -> None:
    sent: list[str] = []
    kept = Datagrams(sent.append)
    lines = [f"name.of.a.metric.{number:04}:1|c" for number in range(MAX_LINES)]

    for line in lines[:-1]:
        kept.keep(line)
    assert sent == []
    kept.keep(lines[-1])

    assert "\n".join(sent).split("\n") == lines
    assert len(sent) == 3
    assert max(map(len, sent)) <= MAX_DATAGRAM_BYTES


@pytest.mark.usefixtures("patient")
def test_a_line_longer_than_a_datagram_leaves_alone() -> None:
    sent: list[str] = []
    kept = Datagrams(sent.append)
    fitting = "x" * (MAX_DATAGRAM_BYTES - 4)

    for line in ("one", fitting, "two", "y" * 2000, "three"):
        kept.keep(line)
    kept.flush()

    assert sent == [f"one\n{fitting}", "two", "y" * 2000, "three"]


@pytest.mark.usefixtures("patient")
def test_lines_of_many_threads_are_all_sent_once() -> None:
    sent: list[str] = []
    kept = Datagrams(sent.append)

    def work(number: int) -> None:
        for line in range(1000):
            kept.keep(f"{number}.{line}")

    with Threads(8) as threads:
        list(threads.map(work, range(8)))
    kept.flush()

    expected = {f"{number}.{line}" for number in range(8) for line in range(1000)}
    lines = "\n".join(sent).split("\n")
    assert len(lines) == 8000
    assert {*lines} == expected


class Client:
    """A client of StatsD that collects garbage while it sends, as may happen anywhere."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.closed = threading.Event()

    def _send(self, text: str) -> None:
        gc.collect()
        self.sent.append(text)

    def close(self) -> None:
        self.closed.set()


def test_a_sender_that_is_interrupted_by_the_end_of_its_owner_does_not_wait_for_itself() -> None:
    client = Client()
    owner: Any = Batching(client, "")
    # As an application, which only the collector finds.
    owner.itself = owner
    owner.incr("one")
    del owner

    assert client.closed.wait(SECONDS)
    assert client.sent == ["one:1|c"]


@pytest.mark.usefixtures("patient")
def test_a_handler_of_signals_may_keep_and_flush_in_the_middle_of_a_flush() -> None:
    sent: list[str] = []

    def send(text: str) -> None:
        if not sent:
            sent.append("")
            # As a handler of signals would.
            kept.keep("of the handler:1|c")
            kept.flush()
            kept.close()
        sent.append(text)

    ended: list[bool] = []
    kept = Datagrams(send, lambda: ended.append(bool(sent[1:])))
    kept.keep("one:1|c")
    with Threads(1) as threads:
        threads.submit(kept.flush).result(SECONDS)

    assert sent == ["", "one:1|c"]
    # Nothing was taken from who was sending.
    assert ended == [True]
    kept.close()
    assert ended == [True]


@pytest.mark.usefixtures("patient")
def test_nothing_is_sent_after_the_end() -> None:
    sent: list[str] = []
    kept = Datagrams(sent.append)

    kept.keep("before")
    kept.close()
    kept.keep("after")
    kept.flush()

    assert sent == ["before"]


@pytest.mark.usefixtures("patient")
def test_lines_are_sent_although_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    def refuse(thread: Any) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    kept = Datagrams(sent.append)
    kept.keep("one")
    kept.keep("two")

    assert sent == ["one", "two"]


def test_a_process_does_not_hold_what_nobody_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagrams, "MAX_WAIT_SECONDS", 0.01)
    kept = Datagrams(str)
    kept.keep("one")
    reference = weakref.ref(kept)
    del kept

    def is_gone() -> bool:
        gc.collect()
        return reference() is None

    wait_until(is_gone, "the end of the lines")


def test_the_child_of_a_fork_sends_its_own_lines_alone(processes: None, tmp_path: Path) -> None:
    server = StatsDServer()
    program = """
    import os, sys
    from cliquet.monitoring import datagrams
    from cliquet.statsd import Client

    datagrams.MAX_WAIT_SECONDS = 600
    client = Client("127.0.0.1", int(sys.argv[1]), "of")
    client.count("parent")
    # A thread of the parent may hold it.
    client._batching._datagrams._lock.acquire()
    child = os.fork()
    if not child:
        client.count("child")
        sys.exit()
    os.waitpid(child, 0)
    client._batching._datagrams._lock.release()
    """
    run(program, server, tmp_path)

    assert sorted(name for name, *_ in server.received()) == ["of.child", "of.parent"]
    server.close()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_multiprocessing_send_at_their_end(
    processes: None, method: str, tmp_path: Path
) -> None:
    server = StatsDServer()
    program = f"""
    import multiprocessing, sys
    from cliquet.monitoring import datagrams
    from cliquet.statsd import Client

    def work(port):
        datagrams.MAX_WAIT_SECONDS = 600
        Client("127.0.0.1", port, "of").count("worker")

    if __name__ == "__main__":
        context = multiprocessing.get_context({method!r})
        worker = context.Process(target=work, args=(int(sys.argv[1]),))
        worker.start()
        worker.join()
    """
    run(program, server, tmp_path)

    assert [name for name, *_ in server.received()] == ["of.worker"]
    server.close()


def run(program: str, server: StatsDServer, folder: Path) -> None:
    """Run a program to its end, with the port of a server as its argument."""
    path = folder / "program.py"
    path.write_text(textwrap.dedent(program))
    port = server.url.rpartition(":")[2]
    run_program([sys.executable, "-W", "ignore", str(path), port], check=True, timeout=60)
