"""The peers over HTTP: two workers of gunicorn, and wrk, which both share the machine.

What a request costs the server is the processor time of its processes, whatever wrk and the
database take meanwhile: it is the figure to trust on a machine that does something else as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from databases import Databases
from environments import python_of
from in_process import BACKENDS
from operations import OPERATIONS, Peer, Sent, record

__all__ = ["compare", "is_possible"]

HERE = Path(__file__).resolve().parent
SECONDS = 3
CONNECTIONS = 8
MOST_FAILED = 0.1
STATUS = re.compile(r"Non-2xx or 3xx responses: (\d+)")
RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
COUNT = re.compile(r"(\d+) requests in")
P99 = re.compile(r"99%\s+([\d.]+)(us|ms|s)")


def is_possible() -> bool:
    """Return whether there is a program that makes load; tell how to get it if not."""
    if shutil.which("wrk"):
        return True
    print("over HTTP: skipped, wrk is not installed (apt-get install wrk)", file=sys.stderr)
    return False


def compare(peers: list[str], backend: str, databases: Databases) -> dict[str, Any]:
    """Return by peer the figures of each operation, and the resident memory of its processes.

    The figures are the requests per second, the 99th percentile of their durations in ms, and the
    processor time of the server for one, in µs.
    """
    if backend == "memory":
        # Two workers would have two memories.
        return {}
    return {
        peer: _measure(peer, backend, databases.url(peer, f"{backend}"))
        for peer in peers
        if backend in BACKENDS[peer]
    }


def _measure(peer_name: str, backend: str, url: str) -> dict[str, Any]:
    peer = _peer(peer_name)
    figures: dict[str, Any] = {}
    with _served(peer_name, backend, url) as (port, pid):
        base = f"http://127.0.0.1:{port}"
        made = {}
        for number in range(200):
            made, _ = _ask(base, _creation(peer, number))
        record_id = (made["data"] if peer.is_wrapped else made)["id"]
        for operation in OPERATIONS:
            if not operation.is_offered(peer):
                continue
            etag = ""
            if operation.name == "list, 304":
                headers = next(OPERATIONS[0].requests(peer, "", "")).headers
                _, etag = _ask(base, Sent("GET", peer.collection, 200, b"", headers))
            sent = next(operation.requests(peer, record_id, etag))
            figures[operation.name] = _load(base, sent, pid)
        figures["resident_mb"] = sum(_resident_mb(one) for one in _children(pid))
    return figures


def _children(pid: int) -> list[int]:
    # gunicorn's own process does nothing, and its workers have no processes of their own.
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def _cpu_seconds(pid: int) -> float:
    """Return the processor time that a process and its workers have used so far."""
    ticks = 0
    for one in (pid, *_children(pid)):
        # The name of the program, in brackets, may contain anything.
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _peer(name: str) -> Peer:
    # Its module needs packages of its own environment.
    program = (
        f"import sys, dataclasses, json; sys.path[:0] = [{str(HERE)!r}, {str(HERE / 'peers')!r}]\n"
        f"import {name}_service as s; print(json.dumps(dataclasses.asdict(s.PEER)))"
    )
    run = subprocess.run(
        [python_of(name), "-W", "ignore", "-c", program], capture_output=True, text=True, check=True
    )
    return Peer(**json.loads(run.stdout))


def _creation(peer: Peer, number: int) -> Sent:
    headers = next(OPERATIONS[0].requests(peer, "", "")).headers
    body = json.dumps(peer.body(record(number))).encode()
    return Sent("POST", peer.collection, 201, body, {**headers, "Content-Type": "application/json"})


def _ask(base: str, sent: Sent) -> tuple[Any, str]:
    request = urllib.request.Request(
        base + sent.path, sent.body or None, sent.headers, method=sent.method
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read()), response.headers.get("ETag", "")


@contextlib.contextmanager
def _served(peer: str, backend: str, url: str) -> Iterator[tuple[int, int]]:
    """Serve a peer; give the port, and the number of gunicorn's own process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    worker = ["-k", "uvicorn_worker.UvicornWorker"] if peer == "fastapi" else []
    command = [python_of(peer), "-W", "ignore", "-m", "gunicorn", "-w", "2", "-b"]
    command += [f"127.0.0.1:{port}", "--chdir", str(HERE), "--log-level", "error"]
    environment = {**os.environ, "PEER": peer, "BACKEND": backend, "URL": url}
    # Tables are made once, before two workers would make them at once.
    prepare = subprocess.run(
        [python_of(peer), "-W", "ignore", str(HERE / "serving.py"), peer, backend, url],
        input="",
        capture_output=True,
        text=True,
    )
    if prepare.returncode:
        raise SystemExit(f"{peer} does not start:\n{prepare.stderr[-3000:]}")
    process = subprocess.Popen(
        [*command, *worker, "served:app"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr,
    )
    try:
        _wait(port, process)
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            # gunicorn listens before its workers can answer.
            time.sleep(2)
            return
        time.sleep(0.1)
    raise SystemExit("gunicorn does not answer")


def _load(base: str, sent: Sent, pid: int) -> dict[str, float]:
    headers = "".join(
        f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}\n"
        for name, value in sent.headers.items()
    )
    script = f"wrk.method = {json.dumps(sent.method)}\n{headers}"
    if sent.body:
        # A long bracket: nothing in it is read as Lua.
        script += f"wrk.body = [==[{sent.body.decode()}]==]\n"
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        before = _cpu_seconds(pid)
        run = subprocess.run(
            [
                *("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency"),
                *("-s", file.name, base + sent.path),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    spent = _cpu_seconds(pid) - before
    failed = STATUS.search(run.stdout)
    rate, late, count = (pattern.search(run.stdout) for pattern in (RATE, P99, COUNT))
    assert rate is not None
    assert late is not None
    assert count is not None
    if failed and sent.status != 304:
        told = f"{sent.method} {sent.path}: {failed.group(0)} of {count.group(1)}"
        # Not all peers are right where two clients write at the same moment.
        if int(failed.group(1)) > MOST_FAILED * int(count.group(1)):
            raise SystemExit(told)
        print(told, file=sys.stderr)
    unit = {"us": 0.001, "ms": 1.0, "s": 1000.0}[late.group(2)]
    return {
        "per_second": float(rate.group(1)),
        "p99_ms": float(late.group(1)) * unit,
        "cpu_us": spent / int(count.group(1)) * 1e6,
    }
