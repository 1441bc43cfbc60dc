"""Sites of four worker processes, one for each family of backends."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from cliquet.testing.web import basic_auth
from processes.backends import FAMILIES, fresh_backends
from processes.site import running_site

CLIENTS = 8


@pytest.fixture(scope="session", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Any:
    """Name of a family of backends."""
    return request.param


@pytest.fixture(scope="session")
def site(processes: None, family: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Four processes on one storage; one process with as many threads where it is not shared."""
    workers, threads = (1, CLIENTS) if family == "memory" else (4, 4)

    def postgresql_server() -> Any:
        return request.getfixturevalue("postgresql_server")

    with (
        fresh_backends(family, postgresql_server) as settings,
        running_site(settings, workers=workers, threads=threads) as running,
    ):
        yield running


@pytest.fixture
def clients(site: Any) -> Iterator[Any]:
    """Eight clients of one user, who has nothing yet, with connections to every worker."""
    made = site.clients(CLIENTS, basic_auth(uuid.uuid4().hex))
    yield made
    for client in made:
        client.close()


@pytest.fixture
def is_transactional(family: Any) -> bool:
    """Whether a batch takes effect as a whole (X-18)."""
    return family != "redis"
