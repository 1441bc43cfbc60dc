"""How the checks of the heartbeat run: in parallel, and for a limited time (B-21.39, E-6.6)."""

import logging
import threading
import time
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from support.busy import BUSY_SECONDS
from support.shared_apps import make_app

from cliquet.testing.bounded import Thread, wait_until

HEARTBEAT = "/v0/__heartbeat__"
NO_BACKENDS = {"storage_backend": "", "cache_backend": "", "permission_backend": ""}
DEADLINE_SECONDS = 60


def make_checked_app(checks: Any, **settings: Any) -> Any:
    app = make_app(settings={**NO_BACKENDS, **settings})
    app.app.registry.heartbeats.update(checks)
    return app


def in_threads(count: Any, function: Any) -> Any:
    """Call a function in as many threads, and return what they gave."""
    results = []
    threads = [Thread(target=lambda: results.append(function())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.fixture
def gate() -> Iterator[Any]:
    """Give what a check may wait for; it is opened at the end, whatever happened."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.mark.clause("B-21.39", "E-6.6")
def test_checks_run_in_parallel() -> None:
    meeting = threading.Barrier(3, timeout=DEADLINE_SECONDS)
    checks = dict.fromkeys("abc", lambda request: meeting.wait() >= 0)
    assert make_checked_app(checks).get(HEARTBEAT, status=200).json == dict.fromkeys("abc", True)


@pytest.mark.clause("B-21.39", "E-6.6")
@pytest.mark.setting("heartbeat_timeout_seconds")
def test_a_late_check_counts_as_failed_and_is_logged(
    gate: Event, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, logger="cliquet")
    checks = {"slow": lambda request: gate.wait(DEADLINE_SECONDS), "quick": lambda request: True}
    app = make_checked_app(checks, heartbeat_timeout_seconds=1)

    assert app.get(HEARTBEAT, status=503).json == {"slow": False, "quick": True}

    (record,) = caplog.records
    assert "Heartbeat is late" in record.getMessage()
    assert "slow" in record.getMessage()


@pytest.mark.clause("B-21.39", "E-6.6")
def test_a_check_that_hangs_is_not_started_again_nor_waited_for_again(gate: Event) -> None:
    calls = []

    def hang(request: Any) -> Any:
        calls.append(1)
        return gate.wait(DEADLINE_SECONDS)

    app = make_checked_app({"slow": hang}, heartbeat_timeout_seconds=0.5)
    app.get(HEARTBEAT, status=503)
    start = time.monotonic()
    for _ in range(80):
        app.get(HEARTBEAT, status=503)
    # Rather than 0.5 seconds each.
    assert time.monotonic() - start < BUSY_SECONDS
    assert len(calls) == 1

    gate.set()
    wait_until(lambda: app.get(HEARTBEAT, status="*").status_code == 200, "the end of the check")


@pytest.mark.clause("B-21.39", "E-6.6")
def test_requests_at_the_same_time_all_get_the_result() -> None:
    entered = threading.Semaphore(0)

    def check(request: Any) -> bool:
        # Long enough for the others to find it under way.
        entered.acquire(timeout=0.2)
        return True

    app = make_checked_app({"storage": check})
    statuses = in_threads(5, lambda: app.get(HEARTBEAT, status="*").status_code)

    assert statuses == [200] * 5


@pytest.mark.clause("B-21.39", "E-6.6", "H-3.11")
def test_a_check_that_raises_counts_as_failed_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR, logger="cliquet")
    app = make_checked_app({"oven": lambda request: 1 / 0})

    assert app.get(HEARTBEAT, status=503).json == {"oven": False}

    (record,) = caplog.records
    assert record.exc_info[0] is ZeroDivisionError  # type: ignore[index]
