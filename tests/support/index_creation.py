"""Writers while PostgreSQL makes indexes."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import psycopg2

from cliquet.testing.bounded import Threads, run_until, wait_until

# The creation of an index waits for a reader.
_WAITING = (
    "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'virtualxid' AND NOT granted AND datname = current_database()"
)


def written_meanwhile(storage: Any, url: str, write: Callable[[], Any]) -> list[Any]:
    """Return what a writer has written, beginning before `storage` makes its indexes.

    A reader, for whom the creation of an index waits, stays until something was written meanwhile.
    """
    is_over = threading.Event()
    written: list[Any] = []
    with Threads(2) as threads, contextlib.closing(psycopg2.connect(url)) as reader:
        writing = threads.submit(lambda: written.extend(write() for _ in run_until(is_over)))
        try:
            reader.set_session(isolation_level="REPEATABLE READ")
            reader.cursor().execute("SELECT 1")
            making = threads.submit(storage.initialize_schema)
            wait_until(lambda: making.done() or storage.client.rows(_WAITING), "an index")
            before = len(written)
            wait_until(lambda: making.done() or len(written) > before + 2, "writes meanwhile")
            assert not making.done(), "it does not wait for the reader"
            reader.close()
            making.result()
        finally:
            is_over.set()
        writing.result()
    return written
