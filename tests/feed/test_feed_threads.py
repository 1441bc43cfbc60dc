"""The threads of ``cliquet feed``, and its end when a request hangs in one of them."""

import asyncio
import json
import os
import signal
import sys
import textwrap
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from deployment.service import BIN
from servers.processes import free_port
from servers.starting import run_program, start_process

from cliquet.feed import stopping
from cliquet.feed.server import FeedServer
from cliquet.feed.threads import Threads
from cliquet.testing.bounded import Thread, wait_until

# The request that hangs does so for a minute.
SECONDS = 40


def test_calls_run_in_as_many_threads_as_there_are() -> None:
    threads = Threads(2, "of-a-test")
    both = threading.Barrier(3, timeout=SECONDS)
    may_end = threading.Event()

    def call(number: int, *, more: int) -> tuple[int, str]:
        if not may_end.is_set():
            both.wait()
            may_end.wait(SECONDS)
        return number + more, threading.current_thread().name

    calls = [threads.submit(call, number, more=10) for number in range(3)]
    both.wait()
    assert not calls[2].running()
    may_end.set()

    results = [one.result(SECONDS) for one in calls]
    assert [number for number, _ in results] == [10, 11, 12]
    assert {name for _, name in results} == {"of-a-test-0", "of-a-test-1"}
    threads.shutdown()


def test_an_error_is_that_of_the_call_alone() -> None:
    threads = Threads(1, "of-a-test")

    failed, done = threads.submit(int, "no number"), threads.submit(int, "1")

    assert isinstance(failed.exception(SECONDS), ValueError)
    assert done.result(SECONDS) == 1
    threads.shutdown()


def test_what_has_not_begun_is_dropped_at_the_end() -> None:
    threads = Threads(1, "of-a-test")
    has_begun, may_end = threading.Event(), threading.Event()

    def call() -> None:
        has_begun.set()
        may_end.wait(SECONDS)

    first, second = threads.submit(call), threads.submit(int)
    third = threads.submit(int)
    third.cancel()
    assert has_begun.wait(SECONDS)
    threads.shutdown(cancel_futures=True)
    threads.shutdown(cancel_futures=True)
    may_end.set()

    assert first.result(SECONDS) is None
    assert second.cancelled()
    with pytest.raises(RuntimeError):
        threads.submit(int)
    wait_until(lambda: not [one for one in threading.enumerate() if "of-a-test" in one.name])


def test_a_call_that_was_cancelled_is_not_made() -> None:
    threads = Threads(1, "of-a-test")
    may_end, made = threading.Event(), []
    threads.submit(may_end.wait, SECONDS)
    dropped, kept = threads.submit(made.append, 1), threads.submit(made.append, 2)

    assert dropped.cancel()
    may_end.set()
    kept.result(SECONDS)

    assert made == [2]
    threads.shutdown()


def test_fewer_threads_serve_where_no_more_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = Threads(2, "of-a-test")
    assert threads.submit(int, "1").result(SECONDS) == 1

    def refuse(thread: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert threads.submit(int, "2").result(SECONDS) == 2
    with pytest.raises(RuntimeError):
        Threads(1, "of-another-test").submit(int)
    threads.shutdown()


def test_a_call_that_hangs_does_not_keep_the_process_from_its_end(processes: None) -> None:
    script = """
        import threading
        from cliquet.feed.threads import Threads

        has_begun = threading.Event()
        def hang():
            has_begun.set()
            threading.Event().wait(60)

        threads = Threads(1, "cliquet-feed")
        threads.submit(hang)
        assert has_begun.wait(20)
        threads.shutdown(cancel_futures=True)
        print("ended")
    """
    outcome = run_program(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )

    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "ended\n", "")


# The program

HANGING = """
    import json, os, time
    from pathlib import Path

    def application(global_config, **settings):
        def answer(environ, start_response):
            start_response("200 OK", [("Content-Type", "application/json")])
            if environ["PATH_INFO"] == "/hang":
                Path("hanging").touch()
                time.sleep(60)
            return [json.dumps(environ["PATH_INFO"]).encode()]
        return answer
"""
INI = "[app:main]\nuse = call:hanging:application\n"


@pytest.mark.slow
@pytest.mark.clause("E-14.6")
@pytest.mark.parametrize("times", [1, 20])
def test_the_feed_ends_although_a_request_hangs(
    processes: None, tmp_path: Path, times: int
) -> None:
    (tmp_path / "hanging.py").write_text(textwrap.dedent(HANGING))
    (tmp_path / "feed.ini").write_text(INI)
    port = free_port()
    command = [str(BIN / "cliquet"), "feed", "--ini", "feed.ini", "--host", "127.0.0.1"]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"}
    url = f"http://127.0.0.1:{port}"

    def answered() -> Any:
        try:
            with urllib.request.urlopen(f"{url}/ready", timeout=SECONDS) as response:
                return json.load(response)
        except OSError:
            return None

    def ask() -> None:
        try:
            urllib.request.urlopen(f"{url}/hang", timeout=SECONDS).close()
        except OSError:
            return

    with (tmp_path / "log").open("w") as log:
        process = start_process(
            [*command, "--port", str(port)],
            cwd=tmp_path,
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            wait_until(answered, (tmp_path / "log").read_text, seconds=60, pause_seconds=0.05)
            asking = Thread(target=ask)
            asking.start()
            wait_until((tmp_path / "hanging").exists)
            begin = time.monotonic()
            for _ in range(times):
                process.send_signal(signal.SIGTERM)
            code = process.wait(SECONDS)
            asking.join()
        finally:
            process.kill()
            process.wait(SECONDS)

    assert code == 0, (tmp_path / "log").read_text()
    # Two seconds are left to what is under way.
    assert time.monotonic() - begin < SECONDS


def test_a_signal_may_come_before_the_loop_runs_and_after_its_end() -> None:
    server = FeedServer(lambda environ, start_response: [], threads=1)

    server.stop()
    assert stopping.is_announced()

    async def live() -> None:
        async with server._lifespan(None):
            server.stop()
            await asyncio.sleep(0)

    asyncio.run(live())
    server.stop()
