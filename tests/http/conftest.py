"""The backends of the HTTP suite: in memory, unless ``CLIQUET_TEST_HTTP_BACKENDS`` says otherwise.

``sqlite``, ``postgresql``, ``pgbouncer`` (PostgreSQL behind PgBouncer in transaction mode),
``spread`` (PostgreSQL, with three shards for each resource that may have them) and ``redis`` run
the same tests on these backends, the caches in memory apart.
"""

import importlib.util
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from servers.pgbouncer import running_pgbouncer
from servers.postgresql import new_database
from servers.processes import temporary_folder
from webtest import TestApp

from cliquet.resource.checks import sharding
from cliquet.resource.plain_schemas import as_resource_schema
from cliquet.storage.postgresql.spreading.layout import Layout
from cliquet.testing import web

# A machine where the extra `test` is older has no library for that; the checks of CI need it.
CAN_COMPARE = "CI" in os.environ or importlib.util.find_spec("jsonschema") is not None
if CAN_COMPARE:
    from support.described_responses import deviations

BACKENDS = os.environ.get("CLIQUET_TEST_HTTP_BACKENDS", "memory")

if BACKENDS == "sqlite":

    @pytest.fixture(scope="session")
    def backends_url() -> Iterator[str]:
        """URL of the database of this worker."""
        with temporary_folder("sqlite", in_memory=True) as folder:
            yield f"sqlite:///{folder}/data.db"

elif BACKENDS != "memory":

    @pytest.fixture(scope="session")
    def backends_url(request: pytest.FixtureRequest, processes: None) -> Iterator[str]:
        """URL of the database of this worker."""
        if BACKENDS == "redis":
            yield f"{request.getfixturevalue('redis_server')}/2"
        elif BACKENDS in ("postgresql", "spread"):
            with new_database(request.getfixturevalue("postgresql_server")) as url:
                yield url
        else:
            server = request.getfixturevalue("postgresql_server")
            with new_database(server) as direct, running_pgbouncer(direct) as url:
                yield url


if BACKENDS != "memory":

    @pytest.fixture(scope="session")
    def backends(backends_url: Any) -> Any:
        """The backends of this worker, ready for use, and the settings that describe them."""
        family = "postgresql" if BACKENDS in ("pgbouncer", "spread") else BACKENDS
        settings = {}
        for kind in ("storage", "permission"):
            settings[f"{kind}_backend"] = f"cliquet.{kind}.{family}"
            settings[f"{kind}_url"] = backends_url
        registry = web.make_app(settings=settings).app.registry
        for kind in ("storage", "permission"):
            getattr(registry, kind).initialize_schema()
        return SimpleNamespace(settings=settings, registry=registry)

    @pytest.fixture(autouse=True)
    def on_these_backends(backends: Any) -> Iterator[None]:
        """Let each test begin with empty backends of that family."""
        backends.registry.storage.flush()
        backends.registry.permission.flush()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in backends.settings.items():
                patch.setitem(web.MEMORY_BACKENDS, name, value)
            if BACKENDS == "spread":
                patch.setattr(sharding, "number_of", as_many_shards_as_possible)
                # Nothing has to be moved: each test begins with empty tables.
                patch.setattr(Layout, "number_of", lambda layout, name: layout.declared(name))
            yield


def as_many_shards_as_possible(resource_cls: Any, *_: Any) -> int:
    """Return the number of shards of a resource for ``spread``."""
    return 1 if as_resource_schema(resource_cls.mapping).get_option("unique_fields") else 3


@pytest.fixture(autouse=True)
def responses_as_described(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compare each response with the description of the service, which the service itself gives.

    A quick run does not: each application would have to be described, which takes as long as some
    hundred requests to it.
    """
    if not CAN_COMPARE or request.config.getoption("--most-cases") is not None:
        yield
        return
    send = TestApp.do_request
    found: list[str] = []

    def do_request(self: TestApp, req: Any, *args: Any, **kwargs: Any) -> Any:
        response = send(self, req, *args, **kwargs)
        found.extend(deviations(self.app, req, response))
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TestApp, "do_request", do_request)
        yield
    assert found == []
