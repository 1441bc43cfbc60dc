"""A connection to SQLite: the memory of its prepared statements, and its errors.

Clients choose the filters of lists, and therefore the text of statements. The memory that these
statements keep is bounded, whatever clients send.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final

from cliquet.connections.sqlite.file import Identity
from cliquet.connections.translated_errors import TranslatedErrors
from cliquet.monitoring import logs
from cliquet.storage.exceptions import BackendError, ReadonlyError, TimeLimitError

__all__ = [
    "CACHED_STATEMENTS",
    "PAGE_CACHE_KIB",
    "Connection",
    "Prepare",
    "errors_within",
    "translated_errors",
]

CACHED_STATEMENTS: Final = 128
"""Greatest number of prepared statements that one connection keeps."""

PAGE_CACHE_KIB: Final = 16_000
"""Greatest memory, in KiB, for the pages of the file that one connection keeps.

With the 2 MB of SQLite, a list that looks up a thousand records among a hundred thousand read each
page from the file again, and took twice as long. The memory is used as pages are read, so that a
small file costs no more than before. To map the file would cost none, but a process that reads a
mapped file is killed if somebody cuts the file.
"""

Prepare = Callable[[sqlite3.Connection], Callable[[], None] | None]
"""Gives a connection functions; returns a function to call when the connection is not in use."""

# A prepared list takes up to eighty bytes for each character of its text (measured), and the driver
# cannot forget a single statement. A connection that got many long ones is therefore closed.
_SHORT_CHARACTERS: Final = 2_000
_MAX_LONG_CHARACTERS: Final = 100_000


def _translated_error(error: Exception, timeout_setting: str | None = None) -> BackendError:
    logs.logger.error(str(error))
    if getattr(error, "sqlite_errorname", "") == "SQLITE_READONLY" or "readonly" in str(error):
        return ReadonlyError(original=error)
    if timeout_setting is not None and "database is locked" in str(error):
        return TimeLimitError(timeout_setting, error)
    return BackendError(original=error)


def errors_within(timeout_setting: str | None) -> TranslatedErrors:
    """Return the translation of errors where a setting limits the wait for locks."""
    translate = partial(_translated_error, timeout_setting=timeout_setting)
    return TranslatedErrors(sqlite3.Error, sqlite3.Warning, translate=translate)


translated_errors = errors_within(None)


class Connection(sqlite3.Connection):
    """A connection that knows how much memory it keeps.

    Attributes
    ----------
    forget : functions that are called when the connection is not in use for now.
    identity : identity of the file that it has opened.
    translated_errors : translates the errors of its statements, and knows its limits of time.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.forget: list[Callable[[], None]] = []
        self.identity: Identity | None = None
        self.translated_errors = translated_errors
        self._patience_seconds = -1.0
        self._long_characters = 0

    @property
    def is_worn(self) -> bool:
        """Whether the connection keeps so much that a new one should replace it."""
        return self._long_characters > _MAX_LONG_CHARACTERS

    def be_patient(self, seconds: float) -> None:
        """Wait at most so long for locks from now on."""
        # A small difference is ignored, because the call costs more than it would matter.
        if abs(seconds - self._patience_seconds) > 0.1 * seconds:
            self.execute(f"PRAGMA busy_timeout = {max(1, round(seconds * 1000))}")
            self._patience_seconds = seconds

    def translated(self, statement: str) -> str:
        """Return a statement that is about to be sent, with the placeholders of SQLite."""
        if len(statement) <= _SHORT_CHARACTERS:
            return _translated(statement)
        self._long_characters += len(statement)
        return statement.replace("%s", "?")


# Its size bounds its memory, because it only keeps short texts.
@lru_cache(maxsize=512)
def _translated(statement: str) -> str:
    return statement.replace("%s", "?")
