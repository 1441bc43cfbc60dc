"""The peers over HTTP: two workers of a server, and wrk, which both share the machine.

What a request costs the server is the processor time of its processes, whatever wrk and the
database take meanwhile: it is the figure to trust on a machine that does something else as well.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from databases import Databases
from environments import python_of
from http_servers import cpu_seconds, resident_mb, served
from in_process import BACKENDS
from operations import HTTP_OPERATIONS, PAGE, Operation, Peer, Sent

__all__ = ["compare", "is_possible"]

HERE = Path(__file__).resolve().parent
SECONDS = 2
WARM_UP_SECONDS = 1
CONNECTIONS = 8
OWN_RECORDS = 64
"""Of so many records, one after the other is written: two connections never meet at one."""

MOST_FAILED = 0.5
"""Not all peers are right where two clients write at the same moment."""

STATUS = re.compile(r"Non-2xx or 3xx responses: (\d+)")
RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
COUNT = re.compile(r"(\d+) requests in")
P99 = re.compile(r"99%\s+([\d.]+)(us|ms|s)")

Figures = dict[str, float]


def is_possible() -> bool:
    """Return whether there is a program that makes load; tell how to get it if not."""
    if shutil.which("wrk"):
        return True
    print("over HTTP: skipped, wrk is not installed (apt-get install wrk)", file=sys.stderr)
    return False


@dataclass
class Running:
    """A peer on a server.

    Attributes
    ----------
    pid : number of the first process of the server.
    figures : of each operation, those of each round.
    """

    peer: Peer
    server: str
    name: str
    port: int
    pid: int
    figures: dict[str, list[Figures]] = field(default_factory=dict)

    def ask(self, sent: Sent) -> tuple[Any, str]:
        """Return the body and the ETag of an answer, which must have the expected status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(sent.method, sent.path, sent.body or None, sent.headers)
            answer = connection.getresponse()
            body = answer.read()
        if answer.status != sent.status:
            what = f"{sent.method} {sent.path} of {self.name} on {self.server}"
            raise SystemExit(f"{what} is answered {answer.status}: {body[:500]!r}")
        return json.loads(body) if body else None, answer.headers.get("ETag", "")

    @cached_property
    def ids(self) -> list[str]:
        """The ids of the records that are read and written."""
        body, _ = self._page()
        return [row["id"] for row in (body["data"] if self.peer.is_wrapped else body)][:OWN_RECORDS]

    def requests(self, operation: Operation) -> list[Sent]:
        """Return what the clients send in turn, of which the first is answered as it should be."""
        _, etag = self._page()
        sent = requests_in_turn(operation, self.peer, self.ids, etag)
        self.ask(sent[0])
        return sent

    def _page(self) -> tuple[Any, str]:
        # The whole list becomes long, and its ETag is the same.
        return self.ask(next(PAGE.requests(self.peer, "", "")))


def requests_in_turn(operation: Operation, peer: Peer, ids: list[str], etag: str) -> list[Sent]:
    """Return requests on the first of some records, or on one after the other.

    A record is never written twice with the same content, which might be no change.
    """
    written = ids if operation.has_own_records else ids[:1]
    makers = [operation.requests(peer, one, etag) for one in written]
    return [next(maker) for _ in range(2 * len(ids) // len(makers)) for maker in makers]


def compare(
    peers: list[str], servers: list[str], backend: str, databases: Databases, rounds: int
) -> dict[str, dict[str, Any]]:
    """Return by server and peer the figures of each operation, and the workers' resident memory.

    The figures are the medians of the requests per second, of the 99th percentile of their
    durations in ms, of the processor time of the server for one, in µs, and of the share that
    failed.
    """
    if backend == "memory":
        # Two workers would have two memories.
        return {}
    running = []
    with contextlib.ExitStack() as stack:
        for name in peers:
            for server in servers if backend in BACKENDS[name] else ():
                url = databases.url(f"{name}_{server}", backend)
                port, pid = stack.enter_context(served(name, server, backend, url))
                running.append(Running(peer(name), server, name, port, pid))
        for operation in HTTP_OPERATIONS:
            _measure(operation, running, backend, databases, rounds)
        found: dict[str, dict[str, Any]] = {server: {} for server in servers}
        for one in running:
            found[one.server][one.name] = {
                operation: medians(rounds) for operation, rounds in one.figures.items()
            } | {"resident_mb": resident_mb(one.pid)}
        return found


def medians(rounds: list[Figures]) -> Figures:
    """Return the medians of the figures of all rounds."""
    return {kind: statistics.median(figures[kind] for figures in rounds) for kind in rounds[0]}


def _measure(
    operation: Operation, running: list[Running], backend: str, databases: Databases, rounds: int
) -> None:
    """Measure one operation of all, by turns."""
    offering = [(one, one.requests(operation)) for one in running if operation.is_offered(one.peer)]
    for one, requests in offering:
        # Caches fill, and connections are made.
        _wrk(one.port, requests, WARM_UP_SECONDS)
        _settle(one.pid)
    for turn in range(rounds):
        for one, requests in offering if turn % 2 else reversed(offering):
            if backend == "postgresql":
                databases.tidy(f"{one.name}_{one.server}")
            before = cpu_seconds(one.pid)
            told = _wrk(one.port, requests, SECONDS)
            spent = cpu_seconds(one.pid) - before
            _settle(one.pid)
            figures = figures_of(told, spent, f"{operation.name}, {one.name} on {one.server}")
            if figures is not None:
                one.figures.setdefault(operation.name, []).append(figures)


def _settle(pid: int) -> None:
    """Wait until a server has answered what wrk did not wait for: it would disturb the next."""
    for _ in range(50):
        before = cpu_seconds(pid)
        time.sleep(0.1)
        if cpu_seconds(pid) == before:
            return


def peer(name: str) -> Peer:
    """Return how a peer is spoken to."""
    # Its module needs packages of its own environment.
    program = (
        f"import sys, dataclasses, json; sys.path[:0] = [{str(HERE)!r}, {str(HERE / 'peers')!r}]\n"
        f"import {name}_service as s; print(json.dumps(dataclasses.asdict(s.PEER)))"
    )
    run = subprocess.run(
        [python_of(name), "-W", "ignore", "-c", program], capture_output=True, text=True, check=True
    )
    return Peer(**json.loads(run.stdout))


def lua(requests: list[Sent]) -> str:
    """Return the program of wrk that sends requests in turn."""
    headers = "".join(
        f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}\n"
        for name, value in requests[0].headers.items()
    )
    # A long bracket: nothing in it is read as Lua.
    lines = "".join(
        f"  sent[{number}] = wrk.format({json.dumps(one.method)}, {json.dumps(one.path)}, nil,"
        f" {f'[==[{one.body.decode()}]==]' if one.body else 'nil'})\n"
        for number, one in enumerate(requests)
    )
    return (
        f"{headers}local sent, turn = {{}}, 0\n"
        f"init = function(args)\n{lines}end\n"
        f"request = function()\n  turn = (turn + 1) % {len(requests)}\n  return sent[turn]\nend\n"
    )


def _wrk(port: int, requests: list[Sent], seconds: int) -> str:
    """Send requests in turn for some seconds; return what wrk tells."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(lua(requests))
        file.flush()
        run = subprocess.run(
            [
                *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"),
                *("-s", file.name, f"http://127.0.0.1:{port}"),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    return run.stdout


def figures_of(told: str, spent_seconds: float, who: str) -> Figures | None:
    """Return the figures of what wrk has printed, or tell that too few requests succeeded.

    Parameters
    ----------
    spent_seconds : processor time of the server meanwhile.
    """
    rate, late, count = (pattern.search(told) for pattern in (RATE, P99, COUNT))
    assert rate is not None
    assert late is not None
    assert count is not None
    answered = int(count.group(1))
    found = STATUS.search(told)
    failed = int(found.group(1)) if found else 0
    if failed >= MOST_FAILED * answered:
        print(f"{who}: left out, {failed} of {answered} requests failed", file=sys.stderr)
        return None
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}[late.group(2)]
    return {
        "per_second": float(rate.group(1)),
        "p99_ms": float(late.group(1)) * unit,
        "cpu_us": spent_seconds / answered * 1e6,
        "failed": failed / answered,
    }
