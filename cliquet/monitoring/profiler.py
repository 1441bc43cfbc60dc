"""The profiler of Werkzeug, made fit for a service: it only writes files, and allows many threads.

The middleware of Werkzeug is an argument, and is not imported, because the package is optional.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any

from pyramid.exceptions import ConfigurationError

from cliquet.core.forks import in_child

__all__ = ["Profiler"]

# A file name has at most 255 bytes, and the id of a record may have nearly as many.
_MAX_PATH_LENGTH = 150
_UNSAFE = re.compile(r"[^\w.~@%+=:,-]", re.ASCII)


class Profiler:
    """A WSGI middleware that writes a profile of each request to a folder.

    Requests are served one after the other. Several cannot be profiled at once (since Python 3.12
    the second one fails), and each would also measure its waits for the others. Therefore two kinds
    have no profile: those that the application sends to itself while it answers another, and those
    of clients that wait for changes, which other requests make.

    Parameters
    ----------
    middleware : ``werkzeug.middleware.profiler.ProfilerMiddleware``.
    profile_dir : folder of the files; it is created if it does not exist.
    restrictions : an option of the table that Werkzeug prints after each request. The table is off:
        it would appear between the lines of the log, and the files contain more.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : the folder cannot be created, or cannot be written to.
    """

    def __init__(
        self,
        middleware: Callable[..., Any],
        app: Any,
        *,
        profile_dir: str,
        restrictions: Iterable[str] = (),
    ) -> None:
        try:
            os.makedirs(profile_dir, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"profiler_dir = {profile_dir}: {error}") from error
        if not os.access(profile_dir, os.W_OK | os.X_OK):
            raise ConfigurationError(f"profiler_dir = {profile_dir}: it cannot be written to.")
        self._profiled = middleware(
            app,
            stream=None,
            restrictions=restrictions,
            profile_dir=profile_dir,
            filename_format=_file_name,
        )
        self._app = app
        self._thread: int | None = None
        self._forget()
        in_child(self, Profiler._forget)

    def _forget(self) -> None:
        # Another thread of the parent of a fork, and the request that it serves, are not here.
        self._lock = threading.Lock()
        if self._thread != threading.get_ident():
            self._thread = None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Serve one request, and write its profile."""
        own = threading.get_ident()
        if self._thread == own or _waits(environ):
            return self._app(environ, start_response)
        with self._lock:
            self._thread = own
            try:
                return self._profiled(environ, start_response)
            finally:
                self._thread = None


def _waits(environ: Any) -> bool:
    """Return whether the answer to a request may have to wait for other requests."""
    return "text/event-stream" in environ.get("HTTP_ACCEPT", "") or (
        "wait" in environ.get("HTTP_PREFER", "")
    )


def _file_name(environ: Any) -> str:
    """Return a file name of method, path, duration and time, like that of Werkzeug.

    Unlike there, requests of the same second have different names, and any path is possible.
    """
    path = environ.get("PATH_INFO", "").strip("/").replace("/", ".") or "root"
    path = _UNSAFE.sub("_", path)[:_MAX_PATH_LENGTH]
    method = _UNSAFE.sub("_", environ["REQUEST_METHOD"])[:20]
    measured = environ["werkzeug.profiler"]
    return f"{method}.{path}.{measured['elapsed']:.0f}ms.{measured['time']:.6f}.prof"
