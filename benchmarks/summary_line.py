"""What the line of each request in the log takes, in microseconds of the processor.

The line is written many times within one request, by each renderer, to a file that keeps nothing:
once with the module ``logging``, and once with a handler that drops what it gets, which leaves the
part of the library.

    python benchmarks/summary_line.py
"""

from __future__ import annotations

import logging
import os
import time
from typing import Any

from pyramid.events import NewResponse
from pyramid.request import Request

from cliquet.initialization.monitoring import _on_new_response
from cliquet.testing.web import basic_auth, make_app

ROUNDS = 40
LINES = 500
RENDERERS = ("classic", "heka", "json")
PATHS = {"hello": "/v0/", "with a query": "/v0/?_limit=3&_sort=name"}


class Dropping(logging.Handler):
    """A handler that does nothing."""

    def handle(self, record: logging.LogRecord) -> bool:
        return True


def microseconds(renderer: str, path: str) -> float:
    """Return the least time of a line, of several rounds."""
    took: list[float] = []

    def measure(event: Any) -> None:
        for _ in range(ROUNDS):
            start = time.process_time_ns()
            for _ in range(LINES):
                _on_new_response(event)
            took.append((time.process_time_ns() - start) / 1000 / LINES)

    app = make_app(
        settings={"logging_renderer": renderer},
        configure=lambda config: config.add_subscriber(measure, NewResponse),
    ).app
    headers = {**basic_auth(), "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}
    Request.blank(path, headers=headers).get_response(app)
    return min(took)


def main() -> None:
    """Print one line for each renderer and each kind of handler."""
    logger = logging.getLogger("cliquet")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    with open(os.devnull, "w") as nowhere:
        handlers = {"logging.StreamHandler": logging.StreamHandler(nowhere), "dropped": Dropping()}
        for name, handler in handlers.items():
            logger.handlers[:] = [handler]
            for renderer in RENDERERS:
                figures = "  ".join(
                    f"{title} {microseconds(renderer, path):5.1f} µs"
                    for title, path in PATHS.items()
                )
                print(f"{name:22} {renderer:8} {figures}")


if __name__ == "__main__":
    main()
