"""What one connection to SQLite keeps of the statements that it was sent.

Clients choose the filters of listings, hence the text of statements, and what stays in memory of
them is bounded whatever they send.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from cliquet.connections.sqlite.file import Identity

__all__ = ["CACHED_STATEMENTS", "Connection", "Prepare"]

CACHED_STATEMENTS: Final = 128
"""Most statements that one connection keeps prepared."""

Prepare = Callable[[sqlite3.Connection], Callable[[], None] | None]
"""Gives a connection functions; what it returns is called when nobody uses the connection."""

# Prepared, a listing takes up to eighty bytes for a character of its text (measured), and the
# driver cannot be told to forget one: a connection that was sent many long ones is closed.
_SHORT_CHARACTERS: Final = 2_000
_MAX_LONG_CHARACTERS: Final = 100_000


class Connection(sqlite3.Connection):
    """A connection which knows how much it keeps.

    Attributes
    ----------
    forget : functions to be called when nobody uses it for now.
    identity : of the file that it has opened.
    timeout_setting : name of the setting that says how long it waits for locks.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.forget: list[Callable[[], None]] = []
        self.identity: Identity | None = None
        self.timeout_setting: str | None = None
        self._patience_seconds = -1.0
        self._long_characters = 0

    @property
    def is_worn(self) -> bool:
        """Whether it keeps so much that a new one should take its place."""
        return self._long_characters > _MAX_LONG_CHARACTERS

    def be_patient(self, seconds: float) -> None:
        """Wait so long for locks, from now on."""
        # What is about as long is left as it is: to say it costs more than it matters.
        if abs(seconds - self._patience_seconds) > 0.1 * seconds:
            self.execute(f"PRAGMA busy_timeout = {max(1, round(seconds * 1000))}")
            self._patience_seconds = seconds

    def translated(self, statement: str) -> str:
        """Return a statement, about to be sent, with the placeholders of SQLite."""
        if len(statement) <= _SHORT_CHARACTERS:
            return _translated(statement)
        self._long_characters += len(statement)
        return statement.replace("%s", "?")


# By its size: it holds short texts only.
@lru_cache(maxsize=512)
def _translated(statement: str) -> str:
    return statement.replace("%s", "?")
