"""Time requests with each kind of monitoring, next to the same requests without any.

Each case is a process of its own, since some libraries change others for good. The processes take
turns, a few requests each: a slow moment of the machine is spread over all of them. Compared is
the time of the processor, threads that send what was measured included, and the time that a
client waits.

    python benchmarks/monitoring.py [postgresql://user@host/empty_database]
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from requests_on_memory import RECORD_ID, URL, Mushroom, caller

from cliquet.testing.web import make_app

ROUNDS = 60
CALLS_PER_ROUND = 10
WARM_UP_CALLS = 100
RECORDS = 20
LIMIT = 1.25

STATSD, PROMETHEUS, TRACES, SDK, SENTRY = "StatsD", "Prometheus", "traces", "SDK", "Sentry"
CLASSIC, HEKA = "ClassicLogRenderer", "MozillaHekaRenderer"
OURS = (STATSD, PROMETHEUS, TRACES)

CASES: dict[str, tuple[str, ...]] = {
    "off": (),
    "off again": (),
    "summary, classic": (CLASSIC,),
    "summary, Heka": (HEKA,),
    "StatsD": (STATSD,),
    "Prometheus": (PROMETHEUS,),
    "OpenTelemetry, no provider": (TRACES,),
    "StatsD and Prometheus": (STATSD, PROMETHEUS),
    "these three": OURS,
    "OpenTelemetry, SDK": (TRACES, SDK),
    "Sentry": (SENTRY,),
    "OpenTelemetry SDK and Sentry": (TRACES, SDK, SENTRY),
    "everything": (*OURS, SDK, SENTRY),
}
REQUESTS = ("GET record", "GET list", "POST", "PATCH")


class Duration(NamedTuple):
    """Of one request, in microseconds."""

    processor: float
    waiting: float


# The process of one case


def settings_of(features: tuple[str, ...], backends: dict[str, str], port: int) -> dict[str, str]:
    """Return the settings of an application with some kinds of monitoring."""
    settings = dict(backends)
    if STATSD in features:
        settings["statsd_url"] = f"udp://127.0.0.1:{port}"
    if PROMETHEUS in features:
        settings["prometheus_enabled"] = "true"
    for renderer in (CLASSIC, HEKA):
        if renderer in features:
            settings["logging_renderer"] = f"cliquet.logs.{renderer}"
    if SENTRY in features:
        # Nobody listens there: what is sent is lost, in another thread.
        settings["sentry_dsn"] = "http://key@127.0.0.1:9/1"
    return settings


def start_tracing(*, with_sdk: bool) -> None:
    """Load the instrumentation of OpenTelemetry; let it make spans that a thread exports."""
    pyramid: Any = importlib.import_module("opentelemetry.instrumentation.pyramid")
    if not with_sdk:
        return
    trace: Any = importlib.import_module("opentelemetry.trace")
    sdk: Any = importlib.import_module("opentelemetry.sdk.trace")
    export: Any = importlib.import_module("opentelemetry.sdk.trace.export")
    memory: Any = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")

    class Dropping(memory.InMemorySpanExporter):  # type: ignore[misc]
        def export(self, spans: Any) -> Any:
            return export.SpanExportResult.SUCCESS

    provider = sdk.TracerProvider()
    provider.add_span_processor(export.BatchSpanProcessor(Dropping()))
    trace.set_tracer_provider(provider)
    pyramid.PyramidInstrumentor().instrument()


def requests_to(app: Any) -> dict[str, Callable[[], Any]]:
    """Return the requests to time; each writes, or reads, what was there before."""
    record = f"{URL}/{RECORD_ID}"
    caller(app, "PUT", record, 201, {"data": {"name": "Morel"}})()
    create = caller(app, "POST", URL, 201, {"data": {"name": "Cep", "edible": True}})
    for _ in range(RECORDS - 1):
        create()
    numbers = iter(range(10**9))

    def patch() -> None:
        # Another value each time: a PATCH that changes nothing writes nothing.
        caller(app, "PATCH", record, 200, {"data": {"name": f"Morel {next(numbers)}"}})()

    return {
        "GET record": caller(app, "GET", record, 200),
        "GET list": caller(app, "GET", f"{URL}?_limit={RECORDS}", 200),
        "POST": create,
        "PATCH": patch,
    }


def serve(case: str, backends: dict[str, str], port: int) -> None:
    """Send the requests that the lines of the standard input name; print how long they took."""
    warnings.simplefilter("ignore")
    features = CASES[case]
    if {CLASSIC, HEKA} & {*features}:
        # What is measured is the line, and not the disk.
        logging.basicConfig(level=logging.INFO, format="%(message)s", filename=os.devnull)
    else:
        # Sentry listens to those that are warnings or worse.
        logging.disable(logging.INFO)
    if TRACES in features:
        start_tracing(with_sdk=SDK in features)
    settings = settings_of(features, backends, port)
    # Users of their own, hence records of their own, in a database that all cases share.
    settings["userid_hmac_secret"] = f"of {case}"
    app = make_app([Mushroom], settings=settings).app
    app.registry.storage.initialize_schema()
    calls = requests_to(app)
    for call in calls.values():
        for _ in range(WARM_UP_CALLS):
            call()
    print("ready", flush=True)
    for line in sys.stdin:
        call = calls[line.strip()]
        processor, begin = time.process_time(), time.perf_counter()
        for _ in range(CALLS_PER_ROUND):
            call()
        waiting = time.perf_counter() - begin
        total = Duration(time.process_time() - processor, waiting)
        print(json.dumps([value / CALLS_PER_ROUND * 1e6 for value in total]), flush=True)


# The process that compares them


class Case:
    """A process of a case, and what it measured."""

    def __init__(self, name: str, backends: dict[str, str], port: int) -> None:
        self.durations: dict[str, list[Duration]] = {request: [] for request in REQUESTS}
        self._process = subprocess.Popen(
            [sys.executable, __file__, "serve", name, json.dumps(backends), str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        # The migrations are logged, there being no request yet, where structlog prints.
        while (line := self._read()) != "ready":
            if not line:
                raise SystemExit(f"{name} does not start")

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def measure(self, request: str) -> None:
        """Send some requests."""
        assert self._process.stdin is not None
        print(request, file=self._process.stdin, flush=True)
        self.durations[request].append(Duration(*json.loads(self._read())))

    def median(self, request: str, field: str) -> float:
        """Return the median duration of a kind of request."""
        return statistics.median(getattr(one, field) for one in self.durations[request])

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def compare(title: str, backends_of: Callable[[str], dict[str, str]], port: int) -> None:
    """Print one line per case: the durations without monitoring, then ratios to them."""
    cases = {name: Case(name, backends_of(name), port) for name in CASES}
    order = list(cases.values())
    for _ in range(ROUNDS):
        for request in REQUESTS:
            for case in order:
                case.measure(request)
        # Each in its turn follows another kind of request, which the caches have to forget.
        order.append(order.pop(0))
    for field in Duration._fields:
        print(f"\n{title}, time of {field}".ljust(42) + "".join(f"{r:>12}" for r in REQUESTS))
        for name, case in cases.items():
            off = [cases["off"].median(request, field) for request in REQUESTS]
            durations = [case.median(request, field) for request in REQUESTS]
            shown = [f"{value:.0f} µs" for value in durations]
            if name != "off":
                ratios = [
                    value / reference for value, reference in zip(durations, off, strict=True)
                ]
                shown = [f"{ratio:.2f}{'!' if ratio > LIMIT else ' '}" for ratio in ratios]
            print(f"  {name:39}" + "".join(f"{text:>12}" for text in shown), flush=True)
    for case in cases.values():
        case.stop()


def backends(module: str, url: str = "") -> dict[str, str]:
    """Return the settings of the three backends, in one place."""
    kinds = ("storage", "permission", "cache")
    return {f"{kind}_backend": f"cliquet.{kind}.{module}" for kind in kinds} | {
        f"{kind}_url": url for kind in kinds if url
    }


def main() -> None:
    """Compare all cases on each kind of backend."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    print(f"Python {sys.version.split()[0]}, median of {ROUNDS} rounds of {CALLS_PER_ROUND} calls")
    print(f"`!` marks more than {LIMIT} times the duration without monitoring.")
    with tempfile.TemporaryDirectory() as folder:
        compare("memory", lambda name: backends("memory"), port)
        compare(
            "SQLite",
            lambda name: backends("sqlite", f"sqlite:///{Path(folder, name.replace(' ', '-'))}.db"),
            port,
        )
    for url in sys.argv[1:]:
        compare("PostgreSQL", lambda name, url=url: backends("postgresql", url), port)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
