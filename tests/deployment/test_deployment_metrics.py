"""No metric is lost when a server is told to end."""

import signal
from pathlib import Path
from typing import Any

import pytest
from support.statsd_server import StatsDServer

from deployment.service import GRANIAN, GUNICORN, SERVERS, Server, deployed, on_sqlite

ENDING: dict[str, Server] = {
    # waitress-serve is ended by the signal, without a word to Python.
    **{name: server for name, server in SERVERS.items() if name != "waitress"},
    "gunicorn --preload": GUNICORN._replace(
        command=(*GUNICORN.command, "--preload"), ready="Booting worker with pid"
    ),
    "cliquet start": Server(
        ("cliquet", "--ini", "production.ini", "start", "--port", "{port}", "--server", "waitress"),
        processes=1,
    ),
    "cliquet start with granian": Server(
        ("cliquet", "--ini", "production.ini", "start", "--port", "{port}", "--server", "granian"),
        processes=1,
    ),
}

REQUESTS = 7

# Nothing is sent because of its age before the end.
PATIENT = """
from cliquet.monitoring import datagrams

def includeme(config):
    datagrams.MAX_WAIT_SECONDS = 600
"""


def counted_at_the_end(named: Server, statsd: StatsDServer) -> tuple[int, int]:
    """Return how many requests StatsD has counted before a server ends, and afterwards."""

    def settings(folder: Any) -> dict[Any, Any]:
        Path(folder, "patient.py").write_text(PATIENT)
        return {
            **on_sqlite(folder),
            "CLIQUET_INCLUDES": "lingering patient",
            "CLIQUET_STATSD_URL": statsd.url,
        }

    def counted() -> int:
        return sum(name.endswith("view.lbheartbeat.GET") for name, *_ in statsd.received())

    with deployed(named, settings) as service:
        statsd.received()
        for _ in range(REQUESTS):
            service.send("GET", "/v1/__lbheartbeat__")
        before = counted()
        service.signal(signal.SIGTERM)
        service.wait_for_end()
    return before, counted()


@pytest.mark.clause("S-20.3")
@pytest.mark.parametrize("name", ENDING)
def test_metrics_that_wait_are_sent_at_the_end(processes: None, name: str) -> None:
    named = ENDING[name]
    statsd = StatsDServer()
    before, after = counted_at_the_end(named, statsd)
    if named is GRANIAN or "granian" in named.command:
        # One worker in twenty overlooks the signal, and is killed.
        for _ in range(3):
            if after < REQUESTS:
                before, after = counted_at_the_end(named, statsd)
    statsd.close()

    # A full datagram is sent before.
    assert after > 0
    assert before + after == REQUESTS
