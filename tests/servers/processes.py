"""What the servers have in common: ports, users, start and end of a process."""

import contextlib
import fcntl
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import pytest

from servers.starting import MEMORY_FOLDER, folder_prefix, start_process

# Servers answer within a second, where nothing else runs.
START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 15

# Below the ports that the system gives to clients (32768 and up): a client that tries again and
# again to reach a stopped server on such a port can be given that very port, and then talks to
# itself; or another client holds it when the server comes back.
LOWEST_PORT, HIGHEST_PORT = 15000, 32000
# Each of its bytes is a port, locked by the process whose tests were given it.
PORTS_PATH = f"{tempfile.gettempdir()}/cliquet-ports-{os.getuid()}"

MIN_MEMORY_BYTES = 2**30


def missing(reason: Any) -> None:
    """Skip what needs a server that cannot be had; on a CI server that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


class _Ports:
    """The ports that the tests of this process were given, which those of no other one get.

    Whoever is given a port listens to it some time later, or never.
    """

    def __init__(self) -> None:
        self._owner = self._file = 0
        self._own: set[int] = set()

    def take(self, port: int) -> bool:
        """Return whether a port was nobody's, and is this process's from now on."""
        if self._owner != os.getpid():
            # A fork has none of the locks of its parent.
            self._owner, self._own = os.getpid(), set()
            self._file = os.open(PORTS_PATH, os.O_RDWR | os.O_CREAT, 0o600)
        if port in self._own:
            return False
        with contextlib.suppress(OSError):
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            self._own.add(port)
            return True
        return False


_PORTS = _Ports()


def free_port(*, highest: Any = HIGHEST_PORT) -> Any:
    """Return a TCP port that nobody listens to, and that nobody else is given."""
    # Not the generator of the tests, which they may seed: two workers would pick the same ports.
    generator = random.SystemRandom()
    for _ in range(100):
        port = generator.randint(LOWEST_PORT, highest)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if _PORTS.take(port):
                return port
    raise RuntimeError(f"no free port from {LOWEST_PORT} to {highest}")


def wait_until_open(port: Any, process: Any, address: str = "127.0.0.1") -> None:
    """Return once a server answers on a port."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args[0]} does not answer on port {port}")


def unprivileged_user() -> Any:
    """Return whom to run a server as that refuses root; ``None`` for who runs the tests."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("running as root, and neither postgres nor nobody exists")


def identity(user: Any) -> Any:
    """Return the arguments of `subprocess` that run a command as a user of `pwd`."""
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}


@contextlib.contextmanager
def temporary_folder(name: Any, user: Any = None, *, in_memory: bool = False) -> Iterator[Any]:
    """Give a folder that belongs to a user of `pwd`, and remove it afterwards.

    Parameters
    ----------
    in_memory : prefer the memory to the disk, where there is enough of it.
    """
    parent = None
    if in_memory and _has_memory_folder():
        parent = MEMORY_FOLDER
    folder = tempfile.mkdtemp(prefix=folder_prefix(name), dir=parent)
    try:
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _has_memory_folder() -> Any:
    # Containers often have 64 MiB of it.
    return (
        os.access(MEMORY_FOLDER, os.W_OK)
        and shutil.disk_usage(MEMORY_FOLDER).free >= MIN_MEMORY_BYTES
    )


class ServerProcess:
    """A server that can be stopped, killed and started again with the same command.

    It ends when the *thread* that started it does, however that ends: tests that are killed leave
    nothing behind. Whoever starts it again does so from the main thread.

    Parameters
    ----------
    command : with absolute paths.
    port : TCP port on which it answers once it is ready.
    user : entry of `pwd`; ``None`` for who runs the tests.
    stop_signal : what ends it in good order.
    log_path : file for what it prints; ``None`` to drop it.

    Attributes
    ----------
    address : of the host that it runs on.
    """

    parent_death_signal = signal.SIGTERM
    address = "127.0.0.1"

    def __init__(
        self,
        command: Any,
        port: Any,
        *,
        user: Any = None,
        stop_signal: Any = signal.SIGTERM,
        log_path: Any = None,
    ) -> None:
        self.command = command
        self.port = port
        self.user = user
        self.stop_signal = stop_signal
        self.log_path = log_path
        self.process: Any = None

    def start(self) -> None:
        with contextlib.ExitStack() as stack:
            output = subprocess.DEVNULL
            if self.log_path is not None:
                output = stack.enter_context(open(self.log_path, "ab"))  # type: ignore[assignment]
            self.process = start_process(
                self.command,
                parent_death_signal=self.parent_death_signal,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                **identity(self.user),
            )
        try:
            self.wait_until_ready()
        except BaseException:
            self.kill()
            raise

    def wait_until_ready(self) -> None:
        wait_until_open(self.port, self.process, self.address)

    def stop(self) -> None:
        """End it in good order."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End it as a crash does."""
        self._end(signal.SIGKILL)

    def _end(self, number: Any) -> None:
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_TIMEOUT_SECONDS)
        self.process = None
