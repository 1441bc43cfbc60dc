"""Several worker processes that share one listening socket."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from servers.processes import START_TIMEOUT_SECONDS, free_port, temporary_folder
from servers.starting import start_process

from processes.application import make_application
from processes.client import Client
from processes.worker import FAILED, WORKER_HEADER

TESTS = Path(__file__).parents[1]


class Site:
    """The workers, their socket and their settings.

    Parameters
    ----------
    settings : of the application.
    workers : number of processes.
    threads : of each process.

    Attributes
    ----------
    pids : process ids of the workers, the oldest first.
    """

    def __init__(self, settings: Any, folder: Any, *, workers: int = 4, threads: int = 4) -> None:
        self.log_path = Path(folder, "log")
        self.port = free_port()
        # Open as long as the site is: a connection waits for the next worker.
        self.listening = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.pids = []
        arguments = [str(self.listening.fileno()), str(threads), json.dumps(settings)]
        with self.log_path.open("ab") as log:
            self.starter: Any = start_process(
                [sys.executable, "-m", "processes.worker", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                lives_on=True,
                bufsize=0,  # what is read is gone from the pipe that is waited for
                stderr=log,
                # Where helpers of the tests are found.
                env={**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"},
                pass_fds=[self.listening.fileno()],
            )
        try:
            self._start(workers)
        except BaseException:
            self.stop()
            raise

    def _start(self, number: Any) -> None:
        self.starter.stdin.write(b"." * number)
        self.starter.stdin.flush()
        for _ in range(number):
            is_ready, _, _ = select.select([self.starter.stdout], [], [], START_TIMEOUT_SECONDS)
            pid = int(self.starter.stdout.readline()) if is_ready else FAILED
            if pid == FAILED:
                raise RuntimeError(self.log())
            self.pids.append(pid)

    def stop(self) -> None:
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
        self.starter.kill()
        self.starter.communicate(timeout=START_TIMEOUT_SECONDS)
        self.listening.close()

    def kill_one(self) -> None:
        """End the oldest worker by SIGKILL, and let another one take its place."""
        os.kill(self.pids.pop(0), signal.SIGKILL)
        self._start(1)

    def clients(self, number: Any, headers: Any) -> Any:
        """Return that many clients with a connection each, which together reach every worker."""
        found = {}
        spare = []
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while len(found) < min(number, len(self.pids)) or len(found) + len(spare) < number:
            client = Client(self.port, headers)
            # The first to be awake accepts a connection: one may take several in a row.
            name = client.send("GET", "/v0/").headers[WORKER_HEADER.lower()]
            if found.setdefault(name, client) is not client:
                spare.append(client)
            assert time.monotonic() < deadline, f"only {len(found)} workers answer"
        chosen = [*found.values(), *spare][:number]
        for client in spare:
            if client not in chosen:
                client.close()
        return chosen

    def log(self) -> Any:
        """Return what the workers printed."""
        return self.log_path.read_text()


@contextlib.contextmanager
def running_site(settings: Any, **kwargs: Any) -> Iterator[Any]:
    """Create what the backends need, start the workers, and stop them in the end."""
    migrate(settings)
    with temporary_folder("site") as folder:
        site = Site(settings, folder, **kwargs)
        try:
            yield site
        finally:
            site.stop()


def migrate(settings: Any) -> None:
    """Do what the command ``cliquet migrate`` does."""
    registry = make_application(settings).app.registry
    for backend in (registry.storage, registry.permission, registry.cache):
        backend.initialize_schema()
