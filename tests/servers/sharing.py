"""One server for all the workers of pytest-xdist."""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

# More than the tests of all workers take, on the slowest machine.
LONGEST_SESSION_SECONDS = 5400


@contextlib.contextmanager
def shared_by_workers(tmp_path_factory: Any, name: Any, running: Any) -> Iterator[Any]:
    """Give the URL of a server that the first worker to need it starts, and stops.

    The first waits for the others before it stops the server. Each holds a lock on a file as long
    as it needs the server; the system frees the locks of a worker that dies.

    Parameters
    ----------
    tmp_path_factory : the fixture of pytest.
    name : of the server, for its files.
    running : context manager that starts the server and gives something with a ``url``.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        with running() as server:
            yield server.url
        return
    # The folder of each worker is in the one of the run.
    prefix = str(tmp_path_factory.getbasetemp().parent / name)
    with contextlib.ExitStack() as stack:
        # Entered in this order, left in the opposite one: the server stops while nobody can enter.
        users = stack.enter_context(open(f"{prefix}.users", "w"))
        with _locked(f"{prefix}.gate"):
            url = _read(f"{prefix}.url")
            if url and _answers(url):
                fcntl.flock(users, fcntl.LOCK_SH)
            else:
                url = stack.enter_context(running()).url
                _write(f"{prefix}.url", url)
                stack.enter_context(_until_unused(prefix, users))
        yield url


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _until_unused(prefix: Any, users: Any) -> Iterator[None]:
    yield
    deadline = time.monotonic() + LONGEST_SESSION_SECONDS
    while time.monotonic() < deadline:
        with _locked(f"{prefix}.gate"), contextlib.suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write(f"{prefix}.url", "")
            return
        time.sleep(0.05)
    raise AssertionError(f"{prefix} is in use by another worker after {LONGEST_SESSION_SECONDS} s")


def _answers(url: Any) -> bool:
    parts = urlsplit(url)
    with contextlib.suppress(OSError), socket.create_connection((parts.hostname, parts.port), 20):
        return True
    return False


def _read(path: str) -> Any:
    with contextlib.suppress(FileNotFoundError), open(path) as file:
        return file.read()
    return ""


def _write(path: str, text: Any) -> None:
    with open(path, "w") as file:
        file.write(text)
