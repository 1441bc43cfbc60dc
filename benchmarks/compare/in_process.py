"""All peers in processes of their own, which take turns at each operation."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from databases import Databases
from environments import python_of
from operations import OPERATIONS

__all__ = ["Figures", "compare"]

SERVING = Path(__file__).resolve().parent / "serving.py"
# What each peer can use.
BACKENDS = {
    "cliquet": {"postgresql", "sqlite", "memory"},
    "limit": {"postgresql", "sqlite", "memory"},
    "kinto": {"postgresql", "memory"},
    "drf": {"postgresql", "sqlite"},
    "fastapi": {"postgresql", "sqlite"},
}


@dataclass
class Figures:
    """What one peer needed.

    Attributes
    ----------
    start_seconds : from the start of its import to its first answer.
    resident_mb : resident memory at the end, in megabytes.
    cpu_us : of each operation, the processor time of a request in µs, one of each round.
    wall_us : of each operation, the durations of all requests in µs.
    statements : of each operation, the statements of a request, where a server counts them.
    """

    start_seconds: float
    resident_mb: float = 0.0
    cpu_us: dict[str, list[float]] = field(default_factory=dict)
    wall_us: dict[str, list[float]] = field(default_factory=dict)
    statements: dict[str, float] = field(default_factory=dict)


class Running:
    """A peer that answers operations in process."""

    def __init__(self, peer: str, backend: str, url: str) -> None:
        self.peer = peer
        self._process = subprocess.Popen(
            [python_of(peer), "-W", "ignore", str(SERVING), peer, backend, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started = self._read()
        self.operations: list[str] = started["operations"]
        self.figures = Figures(started["start_seconds"])

    def run(self, operation: str) -> dict[str, Any]:
        """Have an operation measured."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{operation}\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            # What a library prints is no answer.
            if line.startswith("{"):
                found: dict[str, Any] = json.loads(line)
                return found
        assert self._process.stderr is not None
        raise SystemExit(f"{self.peer} has ended:\n{self._process.stderr.read()[-3000:]}")

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()


def compare(
    peers: list[str], backend: str, databases: Databases, rounds: int
) -> dict[str, Figures]:
    """Measure every operation on every peer that has the backend; return the figures by peer."""
    running = [
        Running(peer, backend, databases.url(peer, backend))
        for peer in peers
        if backend in BACKENDS[peer]
    ]
    try:
        for operation in OPERATIONS:
            offering = [one for one in running if operation.name in one.operations]
            for one in offering:
                # Caches fill, and connections are made.
                one.run(operation.name)
                if backend == "postgresql":
                    databases.tidy(one.peer)
                if backend == "postgresql" and databases.counts_statements:
                    _count_statements(one, operation.name, operation.calls, databases)
            for turn in range(rounds):
                for one in offering if turn % 2 else reversed(offering):
                    measured = one.run(operation.name)
                    figures = one.figures
                    figures.cpu_us.setdefault(operation.name, []).append(measured["cpu_us"])
                    figures.wall_us.setdefault(operation.name, []).extend(measured["wall_us"])
                    figures.resident_mb = measured["resident_mb"]
        return {one.peer: one.figures for one in running}
    finally:
        for one in running:
            one.stop()


def _count_statements(one: Running, operation: str, calls: int, databases: Databases) -> None:
    before = databases.statements(one.peer)
    one.run(operation)
    sent = databases.statements(one.peer) - before
    if operation == "list, 304":
        # The question for the ETag comes first.
        sent -= round(sent / (calls + 1))
    one.figures.statements[operation] = round(sent / calls, 1)
