"""Children of a fork do not wait for locks that other threads of their parent held."""

import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cliquet.cache.memory import Cache
from cliquet.connections.memory import MemoryStore, TransactionalMap
from cliquet.core.forks import in_child, renew_locks
from cliquet.feed.hub import Hub
from cliquet.feed.sharing import SharedAnswers
from cliquet.feed.slow_clients import SlowClients
from cliquet.feed.source import Page
from cliquet.feed.stream import Question
from cliquet.listeners.breaker import CircuitBreaker
from cliquet.monitoring.profiler import Profiler
from cliquet.testing.bounded import Thread, wait_until
from cliquet.testing.web import make_app

PATIENCE_SECONDS = 60


def succeeds_in_child(function: Callable[[], object]) -> bool:
    """Return whether a function returns something true in a child of this process."""
    with warnings.catch_warnings():
        # Since Python 3.12, it warns of what is tested here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        # It may wait for ever.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE_SECONDS)
        try:
            os._exit(0 if function() else 2)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


class Holder:
    """Another thread that holds a lock."""

    def __init__(self, lock: Any) -> None:
        self._holds, self._may_go = threading.Event(), threading.Event()
        self._thread = Thread(target=lambda: self._hold(lock))
        self._thread.start()
        assert self._holds.wait(PATIENCE_SECONDS)

    def _hold(self, lock: Any) -> None:
        with lock:
            self._holds.set()
            self._may_go.wait(PATIENCE_SECONDS)

    def let_go(self) -> None:
        self._may_go.set()
        self._thread.join()


class Owner:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        renew_locks(self, "lock")


def test_a_renewed_lock_is_free_in_a_child() -> None:
    owner = Owner()
    holder = Holder(owner.lock)

    assert succeeds_in_child(lambda: owner.lock.acquire(timeout=PATIENCE_SECONDS))
    # In the parent, it is still held.
    assert not owner.lock.acquire(blocking=False)
    holder.let_go()
    assert owner.lock.acquire(timeout=PATIENCE_SECONDS)


def test_an_object_that_is_gone_is_not_told() -> None:
    told: list[Owner] = []
    owner = Owner()
    in_child(owner, told.append)
    del owner

    assert succeeds_in_child(lambda: not told)


@pytest.mark.clause("E-14.6")
def test_streams_are_counted_in_each_process() -> None:
    app = make_app([], settings={"feed_max_streams": "1", "sync_enabled": "true"})
    hub = Hub(app.app.registry)
    environ = {"wsgi.multithread": True}
    leave = hub.enter(environ)
    holder = Holder(hub._lock)

    # The one that waits is in the parent, and so is the thread with the lock.
    assert succeeds_in_child(lambda: hub.enter(environ))
    holder.let_go()
    leave()


def page() -> Page:
    return Page(200, [], "token", True, None, 0, None, b"", time.monotonic())


@pytest.mark.clause("E-14.6")
def test_an_answer_that_is_read_in_the_parent_is_read_again() -> None:
    shared = SharedAnswers()
    question = Question("query", "key", -1.0)
    reads, may_end = threading.Event(), threading.Event()

    def read(_: str) -> Page:
        reads.set()
        assert may_end.wait(PATIENCE_SECONDS)
        return page()

    asking = Thread(target=lambda: shared.answer(question, read))
    asking.start()
    assert reads.wait(PATIENCE_SECONDS)
    holder = Holder(shared._lock)

    assert succeeds_in_child(lambda: shared.answer(question, lambda _: page()))
    holder.let_go()
    may_end.set()
    asking.join()


@pytest.mark.parametrize(
    ("make", "lock", "use"),
    [
        (
            lambda: CircuitBreaker(max_failures=1, pause_seconds=1),
            lambda made: made._lock,
            lambda made: made.fail(),
        ),
        (Cache, lambda made: made._store.lock, lambda made: made.ttl("a") < 0),
        (SlowClients, lambda made: made._lock, lambda made: watches(made)),
    ],
    ids=["breaker", "cache", "slow clients"],
)
def test_what_threads_share_can_be_used_in_a_child(
    make: Callable[[], Any], lock: Callable[[Any], Any], use: Callable[[Any], object]
) -> None:
    made = make()
    holder = Holder(lock(made))

    assert succeeds_in_child(lambda: use(made))
    holder.let_go()


def watches(clients: SlowClients) -> bool:
    with socket.socket() as connection, clients.watched(connection) as handover:
        return handover.since is None


# The stores in memory


def memory_store() -> tuple[MemoryStore, TransactionalMap[str, int]]:
    store = MemoryStore("The store", lock_timeout_seconds=PATIENCE_SECONDS / 2)
    values: TransactionalMap[str, int] = TransactionalMap(store)
    with store.write():
        values.set("old", 1)
    return store, values


def write(store: MemoryStore, values: TransactionalMap[str, int]) -> bool:
    """Write, and return whether everything is there that was committed, and nothing else."""
    known = sorted(values.items())
    with store.write():
        values.set("own", 3)
    return known == [("old", 1)] and sorted(values.items()) == [("old", 1), ("own", 3)]


@pytest.mark.clause("X-18")
def test_what_a_thread_of_the_parent_writes_in_memory_is_undone_in_a_child() -> None:
    store, values = memory_store()
    writes, may_end = threading.Event(), threading.Event()

    def change() -> None:
        with store.write():
            values.set("old", 2)
            values.set("new", 2)
            writes.set()
            assert may_end.wait(PATIENCE_SECONDS)

    writing = Thread(target=change)
    writing.start()
    assert writes.wait(PATIENCE_SECONDS)
    told = threading.Event()
    store.tell_of_commits(told)

    assert succeeds_in_child(lambda: write(store, values) and not told.is_set())
    may_end.set()
    writing.join()
    # In the parent, it is committed.
    assert sorted(values.items()) == [("new", 2), ("old", 2)]
    assert told.is_set()


@pytest.mark.clause("X-18")
def test_who_reads_in_memory_in_the_parent_keeps_no_child_waiting() -> None:
    store, values = memory_store()
    holder = Holder(store.latch)

    assert succeeds_in_child(lambda: write(store, values))
    holder.let_go()


@pytest.mark.clause("X-18")
def test_who_forks_while_it_writes_in_memory_can_go_on_in_the_child() -> None:
    store, values = memory_store()

    def go_on() -> bool:
        values.set("more", 3)
        return values.get("new") == 2

    with store.write():
        values.set("new", 2)
        assert succeeds_in_child(go_on)


# The profiler


class Profiling:
    """Stands for the middleware of Werkzeug, which calls the application as it does."""

    def __init__(self, app: Any, **options: Any) -> None:
        self._app = app
        self.profiled: list[str] = []

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.profiled.append(environ["PATH_INFO"])
        return list(self._app(environ, start_response))


def profiler_of(app: Any, folder: Path) -> tuple[Profiler, list[str]]:
    made: list[Profiling] = []

    def middleware(app: Any, **options: Any) -> Profiling:
        made.append(Profiling(app, **options))
        return made[0]

    profiler = Profiler(middleware, app, profile_dir=str(folder))
    return profiler, made[0].profiled


def answer(environ: Any, start_response: Any) -> list[bytes]:
    return [environ["PATH_INFO"].encode()]


@pytest.mark.clause("S-21.1")
def test_a_request_within_a_request_is_not_profiled(tmp_path: Path) -> None:
    def asks_itself(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/inner":
            return answer(environ, start_response)
        return profiler({**environ, "PATH_INFO": "/inner"}, start_response)

    profiler, profiled = profiler_of(asks_itself, tmp_path)
    answers: list[Any] = []
    thread = Thread(target=lambda: answers.append(profiler({"PATH_INFO": "/outer"}, None)))
    thread.start()
    thread.join()

    assert answers == [[b"/inner"]]
    assert profiled == ["/outer"]
    # The next one is profiled again.
    profiler({"PATH_INFO": "/inner"}, None)
    assert profiled == ["/outer", "/inner"]


@pytest.mark.clause("S-21.1", "E-14.1", "E-14.2")
@pytest.mark.parametrize(
    "headers", [{"HTTP_PREFER": "wait=30"}, {"HTTP_ACCEPT": "text/event-stream"}]
)
def test_who_waits_for_changes_keeps_nobody_from_making_them(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    has_changed = threading.Event()

    def application(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/change":
            has_changed.set()
        elif not has_changed.wait(PATIENCE_SECONDS):
            return []
        return answer(environ, start_response)

    profiler, profiled = profiler_of(application, tmp_path)
    answers: list[Any] = []
    environ = {"PATH_INFO": "/changes", **headers}
    thread = Thread(target=lambda: answers.append(profiler(environ, None)))
    thread.start()
    wait_until(thread.is_alive, "the client that waits")
    profiler({"PATH_INFO": "/change"}, None)
    thread.join()

    assert answers == [[b"/changes"]]
    assert profiled == ["/change"]


@pytest.mark.clause("S-21.1")
def test_a_child_does_not_wait_for_a_request_of_its_parent(tmp_path: Path) -> None:
    profiler, _ = profiler_of(answer, tmp_path)
    holder = Holder(profiler._lock)

    assert succeeds_in_child(lambda: profiler({"PATH_INFO": "/"}, None) == [b"/"])
    holder.let_go()
