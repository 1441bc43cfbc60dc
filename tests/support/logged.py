"""What the library logs, whatever other tests have configured or left behind."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any
from unittest import mock

# It has the logger by its name: were it imported first while `capture_logs` has put another in its
# place, it would have that one for good.
import cliquet.logs  # noqa: F401
from cliquet.monitoring import logs


@contextlib.contextmanager
def fresh_logs() -> Iterator[None]:
    """Run the block as if nothing had logged before, nor configured how.

    A context that was never ended, as after a request made by hand, has a renderer that wins over
    the one of an application that starts; a logger that ``fileConfig`` disabled drops everything.
    """
    standard = logging.getLogger(logs.LOGGER_NAME)
    standard.handlers.clear()
    standard.disabled = False
    standard.propagate = True
    standard.setLevel(logging.NOTSET)
    logging.disable(logging.NOTSET)
    # A command that has read the logging of its file leaves it to the process.
    logging.getLogger().setLevel(logging.WARNING)
    token = logs.begin()
    yield
    logs.end(token)


class _Recorder:
    def __init__(self, entries: Any) -> None:
        self._entries = entries

    def __getattr__(self, level: Any) -> Any:
        def log(event: Any, *_args: Any, **fields: Any) -> None:
            self._entries.append({"event": event, "log_level": level, **fields})

        return log


@contextlib.contextmanager
def capture_logs() -> Iterator[Any]:
    """Give a list, to which the entries of the block are added."""
    entries = []
    with mock.patch.object(logs, "logger", _Recorder(entries)):
        yield entries
