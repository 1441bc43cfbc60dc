"""What a listener's server may cost the requests when it does not answer, and when it does."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from redis import Redis
from structlog.testing import capture_logs
from support.clocks import Clock
from support.configured import config_of
from testapp import Mushroom
from webtest import TestApp

from cliquet.listeners.breaker import CircuitBreaker
from cliquet.listeners.redis import MAX_FAILURES, load_from_config
from cliquet.settings import SettingError
from cliquet.testing.bounded import Thread
from cliquet.testing.web import basic_auth, make_app

AUTH = basic_auth()
CEP = {"data": {"name": "cep"}}
PREFIX = "event_listeners.redis."


@pytest.fixture
def clock() -> Clock:
    """Seconds, that the test moves."""
    return Clock(100.0)


@pytest.fixture
def breaker(clock: Clock) -> Any:
    return CircuitBreaker(max_failures=3, pause_seconds=10, clock=clock)


def test_failures_in_a_row_begin_a_pause(breaker: CircuitBreaker) -> None:
    assert [breaker.fail(), breaker.fail()] == [False, False]
    assert breaker.succeed() is None
    assert [breaker.fail(), breaker.fail()] == [False, False]
    assert (breaker.allows(), breaker.is_open) == (True, False)
    assert breaker.fail() is True
    assert (breaker.allows(), breaker.is_open) == (False, True)
    assert breaker.fail() is False


def test_one_call_is_let_through_after_each_pause(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(3):
        breaker.fail()
    clock.now += 9.9
    assert breaker.allows() is False
    clock.now += 0.1
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    # It never tells how it ended: the next one has its turn.
    clock.now += 10
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    clock.now += 5
    assert breaker.fail() is False
    clock.now += 9
    assert breaker.allows() is False
    clock.now += 1
    assert breaker.allows() is True


def test_success_ends_the_pause_and_tells_what_was_left_out(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    for _ in range(3):
        breaker.fail()
    assert not any(breaker.allows() for _ in range(4))
    clock.now += 10

    assert breaker.allows() is True
    assert breaker.succeed() == 4
    assert breaker.succeed() is None
    assert (breaker.allows(), breaker.is_open) == (True, False)
    # Failures count from the beginning.
    assert breaker.fail() is False


def test_one_thread_of_many_makes_the_trial(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(3):
        breaker.fail()
    clock.now += 10
    barrier = threading.Barrier(16, timeout=60)
    answers = []

    def ask() -> None:
        barrier.wait()
        answers.append(breaker.allows())

    threads = [Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers.count(True) == 1


# Servers


@pytest.fixture
def hung_url() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.fixture
def server(redis_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def listening_app(url: Any, **options: Any) -> TestApp:
    return make_app(
        [Mushroom],
        settings={
            "event_listeners": "redis",
            f"{PREFIX}use": "cliquet.listeners.redis",
            f"{PREFIX}url": url,
            **{f"{PREFIX}{name}": value for name, value in options.items()},
        },
    )


def make_listener(url: Any, **options: Any) -> Any:
    given = {f"{PREFIX}url": url, **{f"{PREFIX}{n}": value for n, value in options.items()}}
    return load_from_config(config_of(given), PREFIX)


def event(**payload: Any) -> Any:
    return SimpleNamespace(payload=payload)


def post(client: Any) -> Any:
    return client.post_json("/v0/mushrooms", CEP, headers=AUTH, status=201)


@pytest.mark.clause("P-23.5", "X-34")
@pytest.mark.setting("event_listeners.{name}.timeout_seconds")
@pytest.mark.parametrize("before_commit", ["true", "false"])
def test_a_hung_server_costs_some_writes_a_moment_and_the_others_nothing(
    hung_url: str, before_commit: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, logger="cliquet")
    client = listening_app(hung_url, timeout_seconds="0.2", before_commit=before_commit)
    for _ in range(20):
        post(client)

    # Only attempts that fail take time, and each of them is an entry.
    assert len(client.get("/v0/mushrooms", headers=AUTH).json["data"]) == 20
    *failures, pause = [record.getMessage() for record in caplog.records]
    assert len(failures) == MAX_FAILURES
    assert all("Unable to send the payload to Redis" in line for line in failures)
    assert "Redis is left alone" in pause


@pytest.mark.clause("P-23.5", "X-34")
def test_threads_do_not_wait_for_each_other_at_a_hung_server(hung_url: str) -> None:
    # One connection: the others would wait 20 s for it.
    listener = make_listener(hung_url, timeout_seconds="0.2", pool_size="1")
    threads = [Thread(target=listener, args=(event(a=1),)) for _ in range(12)]

    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert time.perf_counter() - start < 18
    assert listener.breaker.is_open


@pytest.mark.clause("P-23.5")
def test_two_applications_know_nothing_of_each_others_failures(
    hung_url: str, redis_url: str, server: Redis
) -> None:
    away = make_listener(hung_url, timeout_seconds="0.05")
    here = make_listener(redis_url)
    for _ in range(MAX_FAILURES):
        away(event(a=1))
    here(event(a=1))

    assert (away.breaker.is_open, here.breaker.is_open) == (True, False)
    assert server.llen("cliquet.events") == 1


@pytest.mark.clause("P-23.5")
def test_a_server_that_is_back_is_told_of_again(
    server: Redis, redis_url: str, clock: Clock
) -> None:
    listener = make_listener(redis_url)
    listener.breaker = CircuitBreaker(max_failures=2, pause_seconds=10, clock=clock)
    server.set("cliquet.events", "no list")
    with capture_logs() as entries:
        for number in range(5):
            listener(event(number=number))
        server.delete("cliquet.events")
        listener(event(number=5))
        clock.now += 10
        listener(event(number=6))
        listener(event(number=7))

    assert [json.loads(item)["number"] for item in server.lrange("cliquet.events", 0, -1)] == [7, 6]
    (back,) = [entry for entry in entries if entry["event"] == "Redis is back"]
    assert back["lost_events"] == 4
    assert [entry["event"] for entry in entries].count("Redis is left alone") == 1


@pytest.mark.clause("P-23.4", "X-34")
@pytest.mark.setting("event_listeners.{name}.listmaxsize")
def test_the_list_keeps_the_newest_events(server: Redis, redis_url: str) -> None:
    listener = make_listener(redis_url, listmaxsize="3")
    with capture_logs() as entries:
        for number in range(6):
            listener(event(number=number))

    kept = [json.loads(item)["number"] for item in server.lrange("cliquet.events", 0, -1)]
    assert kept == [5, 4, 3]
    (warning,) = entries
    assert (warning["log_level"], warning["max_events"]) == ("warning", 3)


@pytest.mark.clause("P-23.4")
@pytest.mark.setting("event_listeners.{name}.listmaxsize")
@pytest.mark.parametrize(("given", "bound"), [("", None), ("0", None), (None, 1_000_000)])
def test_the_list_may_have_no_bound_and_has_a_large_one(
    redis_url: str, server: Redis, given: str | None, bound: int | None
) -> None:
    listener = make_listener(redis_url, **({} if given is None else {"listmaxsize": given}))
    listener(event(a=1))

    assert listener.max_events == bound
    assert server.llen("cliquet.events") == 1


@pytest.mark.setting("event_listeners.{name}.timeout_seconds")
@pytest.mark.parametrize("option", ["timeout_seconds", "listmaxsize"])
def test_a_bad_bound_stops_the_start(option: str) -> None:
    with pytest.raises(SettingError, match=rf"event_listeners\.redis\.{option}"):
        listening_app("redis://localhost", **{option: "-1"})
