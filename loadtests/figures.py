"""What was measured: latencies and failures by operation, and what is computed of them."""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

PERCENTILES = (50, 75, 90, 95, 99)
# Reasons may hold an id: an endless run against a broken service must not fill the memory.
MAX_REASONS = 1000


class Row(NamedTuple):
    """The figures of one operation. Latencies are in milliseconds."""

    operation: str
    count: int
    failures: int
    per_second: float
    #: By percentile, 100 being the longest; empty if no request succeeded.
    latencies_ms: dict[int, float]


class Figures:
    """All requests of a run: latencies are kept one by one, hence exact (8 bytes each).

    Those of failed requests are left out: a service that refuses everything would look fast.
    """

    def __init__(self) -> None:
        self.failures: Counter[tuple[str, str]] = Counter()
        self._latencies_ms: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
        self._failed: Counter[str] = Counter()
        self._recent_ms: list[float] = []
        self._recent_count = 0

    def add(self, operation: str, latency_ms: float, failure: str | None = None) -> None:
        """Count one request.

        Parameters
        ----------
        failure : why its answer is not what it should be; ``None`` when it is.
        """
        self._recent_count += 1
        if failure is None:
            self._latencies_ms[operation].append(latency_ms)
            self._recent_ms.append(latency_ms)
            return
        self._failed[operation] += 1
        if len(self.failures) >= MAX_REASONS and (operation, failure) not in self.failures:
            failure = "other reasons"
        self.failures[operation, failure] += 1

    @property
    def failure_count(self) -> int:
        """How many requests failed."""
        return self._failed.total()

    def take_recent(self) -> tuple[int, list[float]]:
        """Return how many requests ended since the last call, and the latencies in milliseconds."""
        recent = (self._recent_count, self._recent_ms)
        self._recent_count, self._recent_ms = 0, []
        return recent

    def rows(self, operations: Iterable[str], elapsed_seconds: float) -> list[Row]:
        """Return the figures of each operation that was used, in that order, then of all."""
        names = [name for name in operations if self._latencies_ms.get(name) or self._failed[name]]
        rows = [
            self._row(name, self._latencies_ms.get(name, ()), self._failed[name], elapsed_seconds)
            for name in names
        ]
        together = [latency for name in names for latency in self._latencies_ms.get(name, ())]
        return [*rows, self._row("all", together, self.failure_count, elapsed_seconds)]

    @staticmethod
    def _row(name: str, latencies_ms: Sequence[float], failures: int, elapsed: float) -> Row:
        count = len(latencies_ms) + failures
        return Row(name, count, failures, count / elapsed, percentiles(latencies_ms))


def percentiles(values: Sequence[float]) -> dict[int, float]:
    """Return the percentiles by nearest rank, each a value that occurred, and 100, the largest."""
    if not values:
        return {}
    ordered = sorted(values)
    return {
        percentile: ordered[math.ceil(percentile / 100 * len(ordered)) - 1]
        for percentile in (*PERCENTILES, 100)
    }
