"""What a process takes of the machine, as the kernel counts it."""

import gc
import os
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
MEGABYTE = 1024 * 1024


def keep_apart() -> None:
    """Keep what other tests have left out of the garbage collections of those that follow.

    To look through it would be most of what a request seems to cost.
    """
    gc.collect()
    gc.freeze()


def own_memory(pid: str | int = "self") -> int:
    """Return the memory that a process shares with nobody, in bytes."""
    return _status(pid, "RssAnon")


def peak_memory(pid: str | int = "self") -> int:
    """Return the most that has been resident since :func:`forget_peak`, in bytes."""
    return _status(pid, "VmHWM")


def forget_peak(pid: str | int = "self") -> None:
    """Have the peak of a process be what is resident now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def cpu_seconds(pid: str | int = "self") -> float:
    """Return the time that a process has spent so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def _status(pid: str | int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)
