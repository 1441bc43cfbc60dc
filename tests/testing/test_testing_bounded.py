"""Waits of tests end: with what was waited for, or with a message."""

import threading
import time
from collections.abc import Iterator

import pytest

from cliquet.testing import bounded
from cliquet.testing.bounded import Thread, Threads, Timer, run_until, wait_until


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What blocks a thread until the end of the test."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "PATIENCE_SECONDS", 0.05)


@pytest.mark.usefixtures("impatient")
def test_a_thread_that_does_not_end_fails_who_joins_it(gate: threading.Event) -> None:
    thread = Thread(target=gate.wait, args=(20,), name="the blocked one")
    thread.start()

    with pytest.raises(AssertionError, match="the blocked one has not ended"):
        thread.join()


def test_who_expects_a_thread_to_block_joins_it_for_a_moment(gate: threading.Event) -> None:
    thread = Thread(target=gate.wait, args=(20,))
    thread.start()

    thread.join(0.01)

    assert thread.is_alive()


def test_threads_and_timers_do_not_keep_the_process_alive(gate: threading.Event) -> None:
    blocked = [Thread(target=gate.wait, args=(20,)), Timer(20, gate.set)]
    for one in blocked:
        one.start()

    assert [one.daemon for one in blocked] == [True, True]
    blocked[1].cancel()  # type: ignore[attr-defined]  # it is the timer


def test_threads_give_what_their_calls_return_or_raise() -> None:
    def fail() -> None:
        raise TimeoutError("its own")

    with Threads(2) as threads:
        assert list(threads.map(str, range(5))) == ["0", "1", "2", "3", "4"]
        with pytest.raises(TimeoutError, match="its own"):
            threads.submit(fail).result()


def test_calls_of_one_thread_follow_each_other_in_it() -> None:
    with Threads(1) as threads:
        found = [threads.submit(threading.get_ident) for _ in range(3)]

    assert len({one.result() for one in found} | {threading.get_ident()}) == 2


@pytest.mark.usefixtures("impatient")
def test_a_call_that_does_not_end_fails_who_waits_for_it(gate: threading.Event) -> None:
    threads = Threads(1)

    with pytest.raises(AssertionError, match="a call has not ended"):
        threads.submit(gate.wait, 20).result()
    with pytest.raises(AssertionError, match="has not ended"):
        threads.shutdown()


def test_a_condition_is_looked_at_until_it_is_true() -> None:
    answers = iter(["", "", "found"])

    assert wait_until(lambda: next(answers), pause_seconds=0) == "found"


@pytest.mark.parametrize("what", ["the end", lambda: "the end"])
def test_a_condition_that_is_never_true_fails_with_what_was_expected(what: str) -> None:
    with pytest.raises(AssertionError, match="the end has not happened"):
        wait_until(lambda: False, what, seconds=0)


def test_a_loop_runs_until_an_event_is_set() -> None:
    event = threading.Event()
    begin = time.monotonic()

    for rank, _ in enumerate(run_until(event)):
        if rank == 3:
            event.set()

    assert (rank, time.monotonic() - begin < 20) == (3, True)


def test_a_loop_whose_event_is_never_set_fails() -> None:
    with pytest.raises(AssertionError, match="not set"):
        list(run_until(threading.Event(), seconds=0.01))
