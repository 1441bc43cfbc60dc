"""What the library logs, whatever other tests have configured or cached."""

import contextlib
from unittest import mock

from cliquet import logs


class _Recorder:
    def __init__(self, entries):
        self._entries = entries

    def __getattr__(self, level):
        def log(event, *_args, **fields):
            self._entries.append({"event": event, "log_level": level, **fields})

        return log


@contextlib.contextmanager
def capture_logs():
    """Give a list, to which the entries of the block are added."""
    entries = []
    with mock.patch.object(logs, "logger", _Recorder(entries)):
        yield entries
