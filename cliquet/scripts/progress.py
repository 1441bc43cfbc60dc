"""The display of the progress of a long command: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TextIO

__all__ = ["Progress", "duration"]

_BAR_WIDTH = 24
_BAR_INTERVAL_SECONDS = 0.1
_LINE_INTERVAL_SECONDS = 5.0
_ERASE_LINE = "\r\x1b[K"


class Progress:
    """Shows, not too often, how much of a total is done.

    It is used as a context manager, which always erases the bar at the end, so that the next output
    starts on a line of its own.

    Parameters
    ----------
    stream : text stream to write to.
    clock : returns a time in seconds that never decreases.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._is_terminal = stream.isatty()
        self._began_at = clock()
        # Work that is done in a moment shows no progress.
        self._told_at = self._began_at

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_terminal:
            self._stream.write(_ERASE_LINE)
            self._stream.flush()

    def tell(self, text: str, done: int = 0, total: int | None = None) -> None:
        """Show the state of the work, unless it was shown a moment ago.

        With a total, it also shows how many are done in a second, and how long the rest will take
        at this speed.

        Parameters
        ----------
        done, total : numbers in any unit; `total` may be ``None``, and `done` may exceed it.
        """
        now = self._clock()
        interval = _BAR_INTERVAL_SECONDS if self._is_terminal else _LINE_INTERVAL_SECONDS
        if now - self._told_at < interval:
            return
        self._told_at = now
        if total is not None:
            fraction = min(done / max(total, 1), 1.0)
            bar = "#" * int(fraction * _BAR_WIDTH)
            drawn = f"[{bar:{_BAR_WIDTH}}] " if self._is_terminal else ""
            text = f"{drawn}{fraction:4.0%} {text}{self._speed(now, done, total)}"
        if self._is_terminal:
            # The line is cut, because a line that wraps could not be erased.
            self._stream.write(_ERASE_LINE + text[: shutil.get_terminal_size().columns - 1])
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def _speed(self, now: float, done: int, total: int) -> str:
        elapsed_seconds = now - self._began_at
        if not done or elapsed_seconds <= 0:
            return ""
        rate = done / elapsed_seconds
        left = f", {duration((total - done) / rate)} left" if done < total else ""
        return f", {rate:,.0f}/s{left}" if rate >= 10 else f", {rate:.1f}/s{left}"


def duration(seconds: float) -> str:
    """Return a duration in the form ``0:07``, ``12:30``, or ``5:00:00``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
