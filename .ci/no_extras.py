"""Check an installation without extras: every module imports, and an application answers.

Run it with the interpreter of an environment that holds cliquet and its dependencies only.
"""

import importlib
import pkgutil
import sys

from pyramid.config import Configurator
from pyramid.request import Request

import cliquet

# The contract suites and the test client need the extra `test`, as their documentation says;
# programs that use a service need the extra `client`.
NEEDS_AN_EXTRA = ("cliquet.testing", "cliquet.tests", "cliquet.client")


DRIVERS = {
    "psycopg2",
    "redis",
    "sqlalchemy",
    "pymemcache",
    "statsd",
    "prometheus_client",
    "opentelemetry",
    "sentry_sdk",
    "raven",
    "newrelic",
    "werkzeug",
}


def main() -> None:
    """Serve, import, and say what was done; a traceback is the failure."""
    serve()
    if drivers := DRIVERS & set(sys.modules):
        raise SystemExit(f"imported without being asked for: {sorted(drivers)}")
    names = [
        module.name
        for module in pkgutil.walk_packages(cliquet.__path__, "cliquet.", onerror=_reraise)
        if not module.name.startswith(NEEDS_AN_EXTRA)
    ]
    for name in names:
        importlib.import_module(name)
    ask_for_the_client()
    print(f"no extras: the hello view answers, {len(names)} modules import")


def serve() -> None:
    """Start an application on the memory backends and ask for its root."""
    config = Configurator(
        settings={
            "storage_backend": "cliquet.storage.memory",
            "cache_backend": "cliquet.cache.memory",
            "permission_backend": "cliquet.permission.memory",
        }
    )
    cliquet.initialize(config, version="0.0.1", project_name="no extras")
    response = Request.blank("/v0/").get_response(config.make_wsgi_app())
    if response.status_code != 200 or response.json["project_name"] != "no extras":
        raise SystemExit(f"the hello view answers {response.status}: {response.text}")


def ask_for_the_client() -> None:
    """Try to import the client, whose message must say what to install."""
    try:
        importlib.import_module("cliquet.client")
    except ImportError as error:
        if "pip install 'cliquet[client]'" in str(error):
            return
        raise
    raise SystemExit("the client needs no extra")


def _reraise(name: str) -> None:
    if not name.startswith(NEEDS_AN_EXTRA):
        raise


if __name__ == "__main__":
    main()
