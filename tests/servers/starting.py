"""The one place where tests start processes, beside them or to their end, and what ends these.

Nothing that the tests start outlives them, even if they are killed. Two things see to it: the
system sends a signal to each process of :func:`start_process` when the thread that started it ends,
so that servers end in good order; and a watchdog (:mod:`servers.watchdog`) kills whatever is left,
children of children too, and what `subprocess.run` has started. None of them is waited for without
end either.
"""

import contextlib
import ctypes
import functools
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cliquet.testing.bounded import Timer

MEMORY_FOLDER = "/dev/shm"

# Values of parameters that let a fixture start the server of that name.
FAMILIES = frozenset({"postgresql", "pgbouncer", "redis", "memcached"})

# Longer than any program of the tests takes, even on a busy machine.
LONGEST_RUN_SECONDS = 300

_MARK_VARIABLE = "CLIQUET_TEST_STARTED_BY"

# Loaded before any fork: the hook below runs between fork and exec, where little is allowed.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


class _Permission:
    """Whether the test that runs now is known to start processes: see :func:`needs_processes`."""

    is_given = True


@pytest.fixture(scope="session")
def processes() -> None:
    """Say that a test starts processes; without it, directly or indirectly, starting one fails.

    Thereby ``make test-fast`` knows what to leave out: tests that carry the mark ``server``, which
    nobody writes by hand.
    """


def needs_processes(item: Any) -> Any:
    """Return whether a test was collected that needs a process beside the tests.

    One of its fixtures asks for `processes`; or one of its parameters names a server, for the
    fixture that starts the one of its parameter.
    """
    if "processes" in item.fixturenames:
        return True
    callspec = getattr(item, "callspec", None)
    return callspec is not None and starts_a_server(callspec.params)


def starts_a_server(params: Mapping[str, Any]) -> bool:
    """Return whether the parameters of a case name a server, for a fixture that starts it."""
    return any(map(_names_a_server, params.values()))


def _names_a_server(value: Any) -> Any:
    if isinstance(value, str):
        is_fixture = value.endswith(("_database", "_server", "_url"))
        # A remark may follow the name: "postgresql, few".
        return value.partition("_" if is_fixture else ",")[0] in FAMILIES
    return isinstance(value, (tuple, list)) and any(map(_names_a_server, value))


def allow_processes(is_given: Any) -> None:
    """Let the test that runs next start processes, or fail if it does."""
    _Permission.is_given = is_given


class Process(subprocess.Popen[Any]):
    """A program that runs beside the tests, and that nobody waits for without end.

    Its group is killed when somebody waits for longer than :data:`LONGEST_RUN_SECONDS`. If tests
    read what it writes, it may not even live longer, for nothing else bounds such a read.
    """

    def __init__(self, command: Any, *, lives_on: bool, **kwargs: Any) -> None:
        super().__init__(command, start_new_session=True, **kwargs)
        self._end_of_reading = None
        if not lives_on and (self.stdout is not None or self.stderr is not None):
            self._end_of_reading = Timer(LONGEST_RUN_SECONDS, self.kill_group)
            self._end_of_reading.start()

    def kill_group(self) -> None:
        """Kill it, if it has not ended, and what it has started itself."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        code = self._within(timeout, super().wait)
        if self._end_of_reading is not None:
            self._end_of_reading.cancel()
        return code

    def communicate(self, input: Any = None, timeout: float | None = None) -> Any:
        communicate = functools.partial(super().communicate, input)
        return self._within(timeout, lambda seconds: communicate(timeout=seconds))

    def _within(self, timeout: float | None, wait: Callable[[float], Any]) -> Any:
        if timeout is not None:
            return wait(timeout)
        try:
            return wait(LONGEST_RUN_SECONDS)
        except subprocess.TimeoutExpired as error:
            self.kill_group()
            raise AssertionError(f"killed after {error.timeout} s: {self.args!r}") from None


def start_process(
    command: Any,
    *,
    parent_death_signal: Any = signal.SIGKILL,
    lives_on: bool = False,
    **kwargs: Any,
) -> Process:
    """Start a program that runs beside the tests.

    It ends when the *thread* that started it does, however that ends.

    Parameters
    ----------
    parent_death_signal : what the system then sends to it.
    lives_on : whether those who read what it writes have bounds of their own, so that it may run
        for as long as they like.
    kwargs : those of `subprocess.Popen`.
    """
    _expect_permission()

    def prepare() -> None:
        end_with_parent(parent_death_signal)
        # A shell that runs the tests in the background ignores it, and so would the program.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    # Ctrl-C is for the tests, which then stop it themselves.
    return Process(command, lives_on=lives_on, preexec_fn=prepare, **kwargs)


def run_program(command: Any, **kwargs: Any) -> Any:
    """Run a program to its end, and return its `CompletedProcess`.

    To start one, Python above all, takes longer than a hundred ordinary tests.

    Parameters
    ----------
    kwargs : those of `subprocess.run`; it is killed after :data:`LONGEST_RUN_SECONDS` unless they
        say otherwise.
    """
    _expect_permission()
    return subprocess.run(
        command,
        check=kwargs.pop("check", False),
        timeout=kwargs.pop("timeout", LONGEST_RUN_SECONDS),
        **kwargs,
    )


def _expect_permission() -> None:
    if not _Permission.is_given:
        pytest.fail("a test that starts processes asks for the fixture `processes`")


def end_with_parent(number: Any) -> None:
    """Let the system send this process a signal when the thread that started it ends.

    A change of user undoes it.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(number))


def folder_prefix(name: Any) -> str:
    """Return how the names of temporary folders of this process begin."""
    return f"cliquet-{name}-{os.getpid()}-"


def start_watchdog() -> Any:
    """Let nothing that this process starts from now on outlive it; return what stops the watchdog.

    Each process of the tests has its own: pytest, and each worker of pytest-xdist.
    """
    mark = uuid.uuid4().hex
    folders = [str(Path(parent, folder_prefix("*") + "*")) for parent in temporary_parents()]
    watchdog = subprocess.Popen(
        [
            *(sys.executable, "-I", "-S", str(Path(__file__).with_name("watchdog.py"))),
            *(f"{_MARK_VARIABLE}={mark}", *folders),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # It outlives the group of the tests, and tests that run these very tests.
        start_new_session=True,
        env={},
        cwd="/",
    )
    os.environ[_MARK_VARIABLE] = mark
    owner = os.getpid()
    # A fork that does not become another program must not hold the pipe.
    os.register_at_fork(after_in_child=watchdog.stdin.close)

    def stop() -> None:
        # A fork that returns from here is not the process that is watched.
        if os.getpid() == owner:
            watchdog.communicate(timeout=LONGEST_RUN_SECONDS)

    return stop


def temporary_parents() -> list[Any]:
    """Return the folders in which temporary ones are made."""
    return [tempfile.gettempdir(), MEMORY_FOLDER]
