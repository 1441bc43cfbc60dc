"""Kills what a process of the tests has started, once that process is gone, however it went.

It is a program of its own, which outlives the tests for a moment and imports nothing of them. It
waits for the end of its standard input, whose other end only that process holds: the system closes
it even after a SIGKILL. Then it kills each process whose environment bears the mark of that one,
which children and grandchildren inherit, and removes the folders that are named after it.

Arguments: the mark as it stands in an environment, then patterns of folders.
"""

import contextlib
import glob
import os
import shutil
import signal
import sys
import time
from typing import Any

# A process may start others while it is looked for: one more look, until nothing is found.
MAX_LOOKS = 1000
SECONDS_BETWEEN_LOOKS = 0.01


def marked(mark: Any) -> Any:
    """Return the ids of the living processes whose environment holds an entry."""
    found = []
    for name in os.listdir("/proc"):
        # It ended since, or belongs to somebody else.
        with contextlib.suppress(OSError):
            if name.isdigit() and mark in _environment(name).split(b"\0"):
                found.append(int(name))
    return found


def _environment(name: Any) -> Any:
    with open(f"/proc/{name}/environ", "rb") as file:
        return file.read()


def kill_marked(mark: Any) -> None:
    for _ in range(MAX_LOOKS):
        pids = marked(mark)
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(SECONDS_BETWEEN_LOOKS)


def main(mark: Any, *patterns: Any) -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    # Other systems tell nobody the environment of a process.
    if os.path.isdir("/proc"):
        kill_marked(os.fsencode(mark))
    for pattern in patterns:
        for folder in glob.glob(pattern):
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
