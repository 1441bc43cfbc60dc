"""Tests that are killed leave nothing behind: no process, no folder."""

import ast
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from servers.starting import MEMORY_FOLDER, start_process

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60
KILLED = Path(__file__).with_name("many_processes.py")
PROGRAMS = ("redis-server", "postgres", "nginx", "gunicorn", "--reload", "sleep 600")


def parents() -> dict[int, int]:
    """Return the parent of each living process."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        # It has ended since.
        with contextlib.suppress(OSError):
            # The name of the program stands in parentheses, and may hold some.
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                found[int(folder.name)] = int(parent)
    return found


def descendants(pid: int) -> set[int]:
    """Return the living processes that a process has started, directly or not."""
    known = parents()
    found: set[int] = {pid}
    while more := {child for child, parent in known.items() if parent in found} - found:
        found |= more
    return found - {pid}


def programs(pids: set[int]) -> str:
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ") for pid in pids]
    return b"\n".join(lines).decode()


def folders_of(pids: set[int]) -> list[Path]:
    """Return the temporary folders that bear the id of a process."""
    parts = (tempfile.gettempdir(), MEMORY_FOLDER)
    return [
        folder
        for part in parts
        for folder in Path(part).glob("cliquet-*-*-*")
        if folder.name.split("-")[-2] in map(str, pids)
    ]


def wait_until(condition: Any, run: Any) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        if run is not None:
            assert run.poll() is None, run.stdout.read()
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
@pytest.mark.parametrize("workers", [0, 1], ids=["pytest itself", "the one that has a worker"])
def test_everything_that_a_killed_run_has_started_ends(
    workers: int, processes: None, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    own = ("PYTEST_", "COV_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    with start_process(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", str(workers)),
            *("--basetemp", str(tmp_path / "base"), str(KILLED)),
        ],
        cwd=ROOT,
        env={**environment, "STARTED": str(started)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as run:
        try:
            wait_until(started.exists, run)
            pids = descendants(run.pid)
            assert all(name in programs(pids) for name in PROGRAMS)
            assert folders_of(pids | {run.pid})
        finally:
            os.kill(run.pid, signal.SIGKILL)

    try:
        wait_until(lambda: not pids & set(parents()), None)
    finally:
        # Where the test fails.
        for pid in pids & set(parents()):
            os.kill(pid, signal.SIGKILL)
    assert folders_of(pids | {run.pid}) == []


def test_tests_start_processes_in_one_place_only() -> None:
    """So that they end with the tests, and that `make test-fast` starts none."""
    names = ("Popen", "posix_spawn", "spawnv", "subprocess.run", "check_output", "check_call")
    sources = {path: path.read_text() for path in (ROOT / "tests").rglob("*.py")}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, source in sources.items()
        # To parse all of them takes seconds.
        if path.name != "starting.py" and any(name in source for name in names)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and ast.unparse(node).endswith(names)
        # Those of servers prepare and stop them: their fixtures have asked, maybe for another test.
        if (path.parent.name, node.attr) != ("servers", "run")
    ]

    assert found == []
