"""Histograms of durations show what those of `prometheus_client` show, at a part of the price."""

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import HistogramMetricFamily
from servers.starting import run_program

from cliquet.monitoring.durations import BUCKETS, Durations, SharedDurations
from cliquet.testing.bounded import Threads

LABELS = ("component", "method")
# Below all bounds, on one of them, between two, and above all.
SECONDS = (0.0, 0.0005, 0.00051, 0.3, 10.0, 12.5)

Kind = Durations | SharedDurations


def own(registry: CollectorRegistry, labels: tuple[str, ...]) -> Kind:
    durations = Durations(lambda: HistogramMetricFamily("calls", "Calls.", labels=labels))
    registry.register(durations)
    return durations


def shared(registry: CollectorRegistry, labels: tuple[str, ...]) -> Kind:
    return SharedDurations(Histogram("calls", "Calls.", labels, registry=registry, buckets=BUCKETS))


def shown(registry: CollectorRegistry) -> list[str]:
    """Return what Prometheus reads, without when series were made: only one of both knows it."""
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if "_created" not in line]


def after(make: Callable[..., Kind], *series: tuple[str, ...]) -> list[str]:
    registry = CollectorRegistry()
    durations = make(registry, LABELS)
    durations.recorder("storage", "never")
    for labels in series:
        record = durations.recorder(*labels)
        for seconds in SECONDS:
            record(seconds)
    return shown(registry)


@pytest.mark.clause("E-6.2")
@pytest.mark.parametrize("series", [(), (("storage", "get"),), (("b", "c"), ("a", 'q"\n\\'))])
def test_both_kinds_show_the_same(series: tuple[tuple[str, ...], ...]) -> None:
    assert after(own, *series) == after(shared, *series)


@pytest.mark.clause("E-6.2")
def test_a_series_that_is_asked_for_again_goes_on() -> None:
    assert after(own, ("a", "b"), ("a", "b")) == after(shared, ("a", "b"), ("a", "b"))


def test_a_metric_of_the_application_cannot_have_the_same_name() -> None:
    registry = CollectorRegistry()
    own(registry, LABELS)

    with pytest.raises(ValueError, match="calls_count"):
        Counter("calls_count", "Mine.", registry=registry)


def test_durations_of_many_threads_are_all_counted() -> None:
    registry = CollectorRegistry()
    record = own(registry, ()).recorder()

    with Threads(4) as threads:
        list(threads.map(lambda _: [record(0.5) for _ in range(5000)], range(4)))

    assert registry.get_sample_value("calls_count") == 20_000
    assert registry.get_sample_value("calls_sum") == 10_000


def test_the_handler_of_a_signal_in_the_midst_of_it_waits_for_nobody() -> None:
    registry = CollectorRegistry()
    durations = own(registry, ())
    record = durations.recorder()
    record(0.5)

    with vars(durations)["_series"][()].lock:
        record(0.5)

    assert registry.get_sample_value("calls_count") == 2


def test_the_child_of_a_fork_counts_although_a_thread_of_its_parent_did(
    processes: None, tmp_path: Path
) -> None:
    program = """
    import os, signal, threading
    from prometheus_client.core import HistogramMetricFamily
    from cliquet.monitoring.durations import Durations

    durations = Durations(lambda: HistogramMetricFamily("calls", "Calls."))
    record = durations.recorder()
    series = durations._series[()]
    holds = threading.Event()

    def hold():
        with series.lock:
            holds.set()
            threading.Event().wait(100)

    threading.Thread(target=hold, daemon=True).start()
    holds.wait(60)
    child = os.fork()
    if not child:
        signal.alarm(60)
        record(0.5)
        os._exit(not durations.collect()[0].samples)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(program))

    run_program([sys.executable, "-W", "ignore", str(path)], check=True, timeout=60)
