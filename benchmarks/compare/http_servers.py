"""Serves a peer to clients: gunicorn or granian, with two processes that answer.

Knows neither the operations nor what makes the load.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from environments import python_of

from cliquet.scripts import granian_server

__all__ = ["SERVERS", "cpu_seconds", "resident_mb", "served"]

HERE = Path(__file__).resolve().parent
SERVERS = ("gunicorn", "granian")
_WORKERS = 2
_WAIT_SECONDS = 60


@contextlib.contextmanager
def served(peer: str, server: str, backend: str, url: str) -> Iterator[tuple[int, int]]:
    """Serve a peer with records; give the port, and the number of the server's first process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    # Tables are made once, before two workers would make them at once.
    prepare = subprocess.run(
        [python_of(peer), "-W", "ignore", str(HERE / "serving.py"), peer, backend, url],
        input="",
        capture_output=True,
        text=True,
    )
    if prepare.returncode:
        raise SystemExit(f"{peer} does not start:\n{prepare.stderr[-3000:]}")
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen(
            [python_of(peer), "-W", "ignore", "-m", server, *options(peer, server, port)],
            cwd=HERE,
            env={**os.environ, "PEER": peer, "BACKEND": backend, "URL": url},
            stdout=told,
            stderr=told,
        )
        try:
            if not _listens(port, process):
                told.seek(0)
                raise SystemExit(f"{peer} on {server} does not answer:\n{told.read()[-3000:]}")
            yield port, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def options(peer: str, server: str, port: int) -> list[str]:
    """Return the options that a server gets on its command line."""
    is_asgi = peer == "fastapi"
    if server == "gunicorn":
        worker = ["-k", "uvicorn_worker.UvicornWorker"] if is_asgi else []
        address = f"127.0.0.1:{port}"
        return ["-w", str(_WORKERS), "-b", address, "--log-level", "error", *worker, "served:app"]
    told = {
        "interface": "asgi" if is_asgi else "wsgi",
        "port": port,
        "workers": _WORKERS,
        "log-level": "error",
        # Whatever `cliquet start` tells it. One thread runs the loop of an ASGI application.
        **granian_server.options(*([1] if is_asgi else [])),
    }
    return [*(f"--{name.replace('_', '-')}={value}" for name, value in told.items()), "served:app"]


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Return whether a server listens in time."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            # Both listen before their workers can answer.
            time.sleep(2)
            return process.poll() is None
        time.sleep(0.1)
    return False


def _children(pid: int) -> list[int]:
    # The first process of a server does nothing, and its workers have no processes of their own.
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process and its workers have used so far."""
    ticks = 0
    for one in (pid, *_children(pid)):
        # The name of the program, in brackets, may contain anything.
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Return the resident memory of the workers of a process, in megabytes."""
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in _children(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
