"""Memcached, which comes from the machine only."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from servers.processes import ServerProcess, free_port, missing, unprivileged_user


@contextlib.contextmanager
def running_memcached(*arguments: Any) -> Iterator[str]:
    """Start a Memcached, give its ``host:port``, and stop it."""
    executable = shutil.which("memcached")
    if executable is None:
        missing("no Memcached: install memcached")
    port = free_port()
    command = [executable, "-l", "127.0.0.1", "-p", str(port), "-U", "0", *arguments]
    server = ServerProcess(command, port, user=unprivileged_user())
    try:
        server.start()
        yield f"127.0.0.1:{port}"
    finally:
        server.stop()


@pytest.fixture(scope="session")
def memcached_server(processes: None) -> Iterator[Any]:
    """``host:port`` of a Memcached of this worker; tests share it, and choose their own keys."""
    with running_memcached() as address:
        yield address
