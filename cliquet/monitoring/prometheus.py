"""Metrics that Prometheus reads at ``/__metrics__``.

Labels have few values, whatever clients send: names of services and routes, methods, statuses.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from pyramid.exceptions import ConfigurationError
from pyramid.request import Request
from pyramid.response import Response

from cliquet import utils
from cliquet.monitoring import request_facts
from cliquet.monitoring.calls import Recorder
from cliquet.monitoring.durations import BUCKETS, Durations, SharedDurations

__all__ = ["COMPONENTS", "Metrics", "metrics_tween_factory"]

COMPONENTS = ("storage", "permission", "cache")

# The deployer sets it for `prometheus_client`: a folder where workers share their counts.
_SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

_START = "cliquet.metrics_start"
_REQUEST_LABELS = ("service", "method", "status")


class FeedMetrics(NamedTuple):
    """The metrics of the live feed."""

    streams: Any
    events: Any
    delays: Any


class ReplicaMetrics(NamedTuple):
    """The metrics of replicas, with the functions that know whether each component's is up."""

    reads: Any
    up: Any
    are_up: dict[str, Callable[[], bool]]


class Metrics:
    """The metrics of one application.

    Attributes
    ----------
    collectors : ``CollectorRegistry`` of `prometheus_client`, where an application may add its own
        metrics.
    is_shared : whether the metrics of several worker processes are added up.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : the package ``prometheus_client`` is not installed, or
        the folder that the workers share does not exist.
    """

    def __init__(self) -> None:
        self._client = client = _package()
        self.collectors = client.CollectorRegistry()
        self.is_shared = _SHARED_FOLDER in os.environ
        options = {"namespace": "cliquet", "registry": self.collectors}
        gauge = {**options, "multiprocess_mode": "livesum"}
        self._requests = client.Counter("requests", "Requests.", _REQUEST_LABELS, **options)
        self._durations = self._histogram(
            "request_duration_seconds", "Durations of requests.", *_REQUEST_LABELS
        )
        self._subrequests = client.Counter(
            "subrequests", "Requests within a batch.", _REQUEST_LABELS, **options
        )
        self._calls = self._histogram(
            "backend_call_duration_seconds",
            "Durations of calls of the backends.",
            "component",
            "method",
        )
        self._listeners = self._histogram(
            "listener_duration_seconds", "Durations of calls of the event listeners.", "listener"
        )
        self._hits = client.Counter("cache_hits", "Values found in the cache.", **options)
        self._misses = client.Counter("cache_misses", "Values not found in the cache.", **options)
        self._in_use = client.Gauge(
            "pool_connections_in_use", "Connections in use.", ("component",), **gauge
        )
        self._size = client.Gauge(
            "pool_size", "Connections that the pool keeps.", ("component",), **gauge
        )
        # Looking a series up by its labels costs as much as changing it, hence they are kept.
        self._known: dict[tuple[Any, ...], tuple[Callable[[], None], Recorder]] = {}
        self._pools: dict[str, Callable[[], Any]] = {}
        self._pools_lock = threading.Lock()
        # A service without replicas does not show any.
        self._replicas: ReplicaMetrics | None = None

    def recorder(self, kind: str, owner: str, method: str) -> Recorder:
        """Return what gets the durations of the calls of a function (``Meter``)."""
        if kind == "listeners":
            return self._listeners.recorder(owner)
        return self._calls.recorder(kind, method)

    def hit(self) -> None:
        """Count a value that was found in the cache."""
        self._hits.inc()

    def miss(self) -> None:
        """Count a value that was not found in the cache."""
        self._misses.inc()

    def watch_pool(self, component: str, status: Callable[[], Any]) -> None:
        """Report the use of a backend's pool; `status` returns a ``PoolStatus`` or ``None``."""
        if status() is not None:
            self._pools[component] = status

    def watch_replica(self, component: str, is_up: Callable[[], bool]) -> Callable[[str], None]:
        """Report whether a replica is up; return a function that counts the reads by outcome."""
        if self._replicas is None:
            options = {"namespace": "cliquet", "registry": self.collectors}
            self._replicas = ReplicaMetrics(
                self._client.Counter(
                    "replica_reads",
                    "Reads that a replica could serve.",
                    ("component", "outcome"),
                    **options,
                ),
                # Each worker finds out for itself: the replica is down if it is for one of them.
                self._client.Gauge(
                    "replica_up",
                    "Whether the replica answers.",
                    ("component",),
                    multiprocess_mode="livemin",
                    **options,
                ),
                {},
            )
        reads = self._replicas.reads
        self._replicas.are_up[component] = is_up
        return lambda outcome: reads.labels(component, outcome).inc()

    def sample_pools(self, *_: Any) -> None:
        """Record the use of the pools, and whether replicas answer."""
        if self._replicas is not None:
            for component, is_up in self._replicas.are_up.items():
                self._replicas.up.labels(component).set(is_up())
        # Under the lock, the last thread sees all connections that the others have given back.
        with self._pools_lock:
            for component, status in self._pools.items():
                pool = status()
                self._in_use.labels(component).set(pool.in_use)
                self._size.labels(component).set(pool.size)

    def count_response(self, request: Request, response: Response) -> None:
        """Count a response; those of a batch are counted at its end, because it may be retried."""
        labels = _labels(request, response)
        parent = getattr(request, "parent", None)
        if parent is not None:
            while getattr(parent, "parent", None) is not None:
                parent = parent.parent
            parent.__dict__.setdefault("_cliquet_counted", []).append(labels)
            return
        start = request.environ.get(_START)
        if start is None:
            # This is a request that the application sends to itself during another one.
            return
        known = self._known.get(labels)
        if known is None:
            known = self._requests.labels(*labels).inc, self._durations.recorder(*labels)
            self._known[labels] = known
        count, record = known
        count()
        record(time.perf_counter() - start)
        for counted in request.__dict__.get("_cliquet_counted", ()):
            self._subrequests.labels(*counted).inc()
        if self.is_shared and self._pools:
            # Another worker may answer the next request for the metrics.
            self.sample_pools()
            request.add_finished_callback(self.sample_pools)

    def feed(self) -> FeedMetrics:
        """Return the metrics of the live feed, which are made when somebody waits."""
        client = self._client
        options = {"namespace": "cliquet", "registry": self.collectors}
        return FeedMetrics(
            client.Gauge(
                "feed_streams",
                "Clients that wait for changes.",
                multiprocess_mode="livesum",
                **options,
            ),
            client.Counter("feed_events", "Changes that streams have told.", **options),
            client.Histogram(
                "feed_delay_seconds",
                "Time from the commit of a change to its event.",
                buckets=BUCKETS,
                **options,
            ),
        )

    def _histogram(self, name: str, text: str, *labels: str) -> Durations | SharedDurations:
        name = f"cliquet_{name}"
        if self.is_shared:
            histogram = self._client.Histogram(
                name, text, labels, registry=self.collectors, buckets=BUCKETS
            )
            return SharedDurations(histogram)
        core: Any = importlib.import_module("prometheus_client.core")
        durations = Durations(lambda: core.HistogramMetricFamily(name, text, labels=labels))
        self.collectors.register(durations)
        return durations

    def exposition(self) -> tuple[bytes, str]:
        """Return the text with all the metrics, and its content type."""
        self.sample_pools()
        collectors = self.collectors
        if self.is_shared:
            multiprocess: Any = importlib.import_module("prometheus_client.multiprocess")
            _forget_dead_workers(multiprocess)
            collectors = self._client.CollectorRegistry()
            multiprocess.MultiProcessCollector(collectors)
        return self._client.generate_latest(collectors), self._client.CONTENT_TYPE_LATEST


def _package() -> Any:
    # It reads the environment when it is imported. A service that does not use it does not pay for
    # it.
    folder = os.environ.get(_SHARED_FOLDER)
    if folder is not None and not Path(folder).is_dir():
        raise ConfigurationError(
            f"{_SHARED_FOLDER} = {folder}: the folder does not exist. Make it, empty, before each"
            " start of the service; or unset the variable if there is one process."
        )
    try:
        return importlib.import_module("prometheus_client")
    except ImportError:
        raise ConfigurationError(
            "The setting prometheus_enabled needs the package prometheus_client:"
            " pip install cliquet[prometheus]"
        ) from None


def _forget_dead_workers(multiprocess: Any) -> None:
    """Forget the pools of workers that were killed; servers do not report their end."""
    for path in Path(os.environ[_SHARED_FOLDER]).glob("gauge_live*_*.db"):
        pid = path.stem.rpartition("_")[2]
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            with contextlib.suppress(FileNotFoundError):
                multiprocess.mark_process_dead(pid)
        except (PermissionError, ValueError):
            # The process belongs to another user, or the file is not ours.
            continue


def _labels(request: Request, response: Response) -> tuple[str, str, str]:
    service = utils.current_service(request)
    if service is None:
        # A route that the application added itself has a name too.
        service = getattr(request, "matched_route", None)
    name = "unknown" if service is None else service.name
    return name, request_facts.known_method(request), str(response.status_code)


def metrics_tween_factory(
    handler: Callable[[Request], Response], registry: Any
) -> Callable[[Request], Response]:
    """Note the time when a request comes in, before anything can refuse it."""

    def metrics_tween(request: Request) -> Response:
        # The attempts of one request share their environment, and their durations are added up.
        request.environ.setdefault(_START, time.perf_counter())
        return handler(request)

    return metrics_tween
