"""What a service does not use is not imported when it starts."""

from __future__ import annotations

import sys

import pytest
from servers.starting import run_program

BACKENDS = ("storage", "permission", "cache")

PROGRAM = """
import sys
import cliquet
from cliquet import resource
from pyramid.config import Configurator
settings = {"project_name": "kiosk", "userid_hmac_secret": "b4c96a8692291d88fe5a97dd91846eb4"}
settings.update(%r)
config = Configurator(settings=settings)
cliquet.initialize(config, version="1.0")
config.make_wsgi_app()
print(*sorted(sys.modules))
"""

# Drivers of other backends, monitoring that is off, servers, tests, and what rare requests need.
NOT_NEEDED = {
    *("psycopg2", "sqlalchemy", "redis", "pymemcache", "sqlite3"),
    *(
        "statsd",
        "prometheus_client",
        "opentelemetry",
        "sentry_sdk",
        "raven",
        "newrelic",
        "werkzeug",
    ),
    *("waitress", "granian", "gunicorn", "hupper", "webtest", "pytest", "unittest"),
    *("pydantic", "jsonschema", "referencing"),
    *("jsonpatch", "jsonpointer", "structlog", "asyncio", "concurrent.futures", "csv", "difflib"),
    *("cliquet.scripts", "cliquet.testing", "cliquet.tests", "cliquet.migrations"),
    *("cliquet.storage.relational", "cliquet.permission.relational", "cliquet.cache.relational"),
    "cliquet.listeners.redis",
}


def imported(**settings: str) -> set[str]:
    """Return the modules that a service has when it has just started."""
    run = run_program(
        [sys.executable, "-W", "ignore", "-c", PROGRAM % settings],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(run.stdout.split())


def backends(family: str) -> dict[str, str]:
    return {f"{kind}_backend": f"cliquet.{kind}.{family}" for kind in BACKENDS}


@pytest.mark.slow
@pytest.mark.usefixtures("processes")
def test_a_service_in_memory_imports_no_driver_no_monitoring_and_no_tools() -> None:
    assert imported(**backends("memory")) & NOT_NEEDED == set()


@pytest.mark.slow
@pytest.mark.usefixtures("processes")
def test_what_is_switched_on_is_imported() -> None:
    on = {"prometheus_enabled": "true", "statsd_url": "udp://127.0.0.1:9"}
    assert {"prometheus_client", "statsd"} <= imported(**backends("memory"), **on)
