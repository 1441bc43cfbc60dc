"""A service that fails in every way, for what watches a service from outside or from within.

Run as a program, it loads the service that a file describes as ``pserve`` does, and sends it one
request for each outcome. Collectors patch Pyramid and `logging` for the whole process: tests run
each of them in one of its own.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from pyramid.paster import get_app, setup_logging
from servers.starting import run_program
from webtest import TestApp

import cliquet
from cliquet.testing.web import basic_auth
from support.outcomes import OUTCOMES, make_outcomes_app


def main(global_config: Any, **settings: Any) -> Any:
    """Return the WSGI application that the .ini file describes."""
    app = make_outcomes_app(settings).app
    return cliquet.install_middlewares(app, settings)


def send_requests(app: TestApp) -> None:
    """Let requests end in every way: a crash inside a batch, too."""
    client = TestApp(app)
    for outcome in OUTCOMES:
        outcome(client)
    crash = {"method": "GET", "path": "/raises/crash"}
    client.post_json("/v0/batch", {"requests": [crash]}, headers=basic_auth(), status=500)


def run_service(ini: Any, *, check: bool = True) -> Any:
    """Run this program on a file, in a process of its own, and return what it printed."""
    return run_program(
        [sys.executable, __file__, str(ini)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=200,
        check=check,
    )


if __name__ == "__main__":
    setup_logging(sys.argv[1])
    application = get_app(sys.argv[1])
    agent = importlib.import_module("newrelic.agent") if "newrelic" in sys.modules else None
    if agent is not None:
        # It connects in the background, and sends once in a minute.
        agent.register_application(timeout=60)
    send_requests(application)
    if agent is not None:
        agent.shutdown_agent(timeout=60)
