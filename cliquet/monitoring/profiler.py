"""Werkzeug's profiler as a service uses it: files alone, under many threads (S-21.3).

Knows Werkzeug's middleware as an argument only, since the package is optional.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any

from pyramid.exceptions import ConfigurationError

__all__ = ["Profiler"]

# A file name has 255 bytes at most; ids of records may have nearly as many.
_MAX_PATH_LENGTH = 150
_UNSAFE = re.compile(r"[^\w.~@%+=:,-]", re.ASCII)


class Profiler:
    """A WSGI middleware that writes a profile of each request to a folder.

    Requests are served one after the other: several cannot be profiled at once (since Python 3.12
    the second one fails), and each would measure its waits for the others.

    Parameters
    ----------
    middleware : ``werkzeug.middleware.profiler.ProfilerMiddleware``.
    profile_dir : folder, created if missing.
    restrictions : those of the table that Werkzeug prints after each request, which is off: it
        would stand in the midst of the logs, and the files have more.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : the folder cannot be made, or not be written to.
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
        self._lock = threading.Lock()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Serve one request, and write its profile."""
        with self._lock:
            return self._profiled(environ, start_response)


def _file_name(environ: Any) -> str:
    """Name the file by method, path, duration and time, as Werkzeug does.

    Unlike Werkzeug's, the name differs for requests of the same second, and any path will do.
    """
    path = environ.get("PATH_INFO", "").strip("/").replace("/", ".") or "root"
    path = _UNSAFE.sub("_", path)[:_MAX_PATH_LENGTH]
    method = _UNSAFE.sub("_", environ["REQUEST_METHOD"])[:20]
    measured = environ["werkzeug.profiler"]
    return f"{method}.{path}.{measured['elapsed']:.0f}ms.{measured['time']:.6f}.prof"
