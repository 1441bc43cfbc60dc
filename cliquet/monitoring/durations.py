"""Histograms of durations, of one process or of several worker processes together.

The histograms of `prometheus_client` are a fourth of the cost of all metrics. In one process,
durations are therefore counted here, and shown by a collector. What several workers share is in
files that only its own histograms write.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, Final

from cliquet.core.forks import in_child
from cliquet.monitoring.calls import Recorder

__all__ = ["BUCKETS", "Durations", "SharedDurations"]

BUCKETS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""In seconds: from an answer out of memory to one for which no client waits any longer."""

_BOUNDS = (*map(str, BUCKETS), "+Inf")


class SharedDurations:
    """A histogram of `prometheus_client`, which adds up what several workers have measured."""

    def __init__(self, histogram: Any) -> None:
        self._histogram = histogram

    def recorder(self, *labels: str) -> Recorder:
        """Return what gets the durations with some labels."""
        # The first one makes the series, because most methods of backends are never called.
        observe: Recorder | None = None

        def record(seconds: float) -> None:
            nonlocal observe
            if observe is None:
                observe = self._histogram.labels(*labels).observe
            observe(seconds)

        return record


class Durations:
    """A histogram of this process; a collector of `prometheus_client`.

    Parameters
    ----------
    family : returns a ``HistogramMetricFamily`` without samples.
    """

    def __init__(self, family: Callable[[], Any]) -> None:
        self._family = family
        self._series: dict[tuple[str, ...], _Series] = {}
        in_child(self, Durations._free)

    def recorder(self, *labels: str) -> Recorder:
        """Return what gets the durations with some labels."""
        return self._series.setdefault(labels, _Series()).record

    def describe(self) -> list[Any]:
        """Return the histogram without samples, by which names that are used twice are found."""
        return [self._family()]

    def collect(self) -> list[Any]:
        """Return the histogram with a sample for each bound and each labels that it has."""
        family = self._family()
        for labels, series in list(self._series.items()):
            counts, total = series.values()
            if any(counts):
                family.add_metric(labels, _added_up(counts), sum_value=total)
        return [family]

    def _free(self) -> None:
        # Threads of the parent that held locks are not here.
        for series in self._series.values():
            series.lock = threading.RLock()


class _Series:
    """Counts the durations between each two bounds, and adds up all."""

    def __init__(self) -> None:
        self._counts = [0] * len(_BOUNDS)
        self._total = 0.0
        # A handler of a signal, or a finalizer, may call a backend at any time, also here.
        self.lock = threading.RLock()

    def record(self, seconds: float) -> None:
        place = bisect_left(BUCKETS, seconds)
        with self.lock:
            self._counts[place] += 1
            self._total += seconds

    def values(self) -> tuple[list[int], float]:
        with self.lock:
            return self._counts.copy(), self._total


def _added_up(counts: Sequence[int]) -> list[tuple[str, float]]:
    """Return how many durations are not above each bound."""
    below = 0
    found = []
    for bound, count in zip(_BOUNDS, counts, strict=True):
        below += count
        found.append((bound, float(below)))
    return found
