"""Random steps on every backend, after which each device must have what its user may read (E-11).

``CLIQUET_TEST_SYNC_STEPS`` is the number of steps, and ``CLIQUET_TEST_SYNC_SEED`` the first seed. A
run of all tests has few steps; what changes synchronisation is worth some thousand.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from support.combinations import backend_settings, name_of
from webtest import TestApp

from cliquet.testing.sync import Oracle, make_sync_app

STEPS = int(os.environ.get("CLIQUET_TEST_SYNC_STEPS", "300"))
# A step takes 0.2 s where its storage is slow and the machine is busy.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + STEPS)]

SEED = int(os.environ.get("CLIQUET_TEST_SYNC_SEED", "1"))
TOGETHER = [
    ("memory", "memory", True),
    ("sqlite", "sqlite", True),
    ("postgresql", "postgresql", True),
    ("redis", "redis", False),
]
APART = [
    ("postgresql", "redis", False),
    ("sqlite", "memory", False),
    ("memory", "sqlite", False),
    ("redis", "postgresql", False),
]


@contextlib.contextmanager
def applications(
    combination: Any, number: int, request: Any, further: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[list[TestApp]]:
    """Give applications on the same backends, which are empty.

    Parameters
    ----------
    further : settings beside those of the backends.
    """
    with backend_settings(combination, request) as settings:
        apps = [make_sync_app({**settings, **further}) for _ in range(number)]
        for app in apps:
            for backend in (app.app.registry.storage, app.app.registry.permission):
                backend.initialize_schema()
                backend.flush()
        yield apps
        for app in apps:
            for backend in (app.app.registry.storage, app.app.registry.permission):
                dispose = getattr(getattr(backend, "client", None), "dispose", None)
                if dispose is not None:
                    dispose()


@pytest.mark.clause("E-11.3", "E-11.5", "E-11.6", "E-11.8", "E-12.1", "E-12.2")
@pytest.mark.parametrize("combination", TOGETHER, ids=name_of)
def test_devices_have_what_their_users_may_read(
    combination: tuple[Any, ...], request: pytest.FixtureRequest
) -> None:
    number = 1 if combination[0] == "memory" else 2
    with applications(combination, number, request) as apps:
        Oracle(apps, seed=SEED).run(STEPS)


@pytest.mark.clause("E-23.3", "E-23.4")
@pytest.mark.parametrize("combination", [TOGETHER[2]], ids=name_of)
def test_so_have_devices_of_a_resource_with_shards(
    combination: object, request: pytest.FixtureRequest
) -> None:
    with applications(combination, 2, request, {"morel_shards": "3"}) as apps:
        Oracle(apps, seed=SEED + 3).run(STEPS // 2)
    with applications(combination, 1, request, {"morel_shards": "3"}) as apps:
        Oracle(apps, seed=SEED + 4, has_plain_devices=True).run(STEPS // 4)


@pytest.mark.clause("E-12.4")
@pytest.mark.parametrize("combination", TOGETHER, ids=name_of)
def test_so_have_devices_that_know_no_tokens(
    combination: object, request: pytest.FixtureRequest
) -> None:
    with applications(combination, 1, request) as apps:
        Oracle(apps, seed=SEED + 2, has_plain_devices=True).run(STEPS // 4)


@pytest.mark.clause("E-11.8", "E-12.1", "E-12.3")
@pytest.mark.parametrize("combination", APART, ids=name_of)
def test_they_have_it_on_mixed_backends(
    combination: tuple[Any, ...], request: pytest.FixtureRequest
) -> None:
    number = 1 if "memory" in combination else 2
    with applications(combination, number, request) as apps:
        Oracle(apps, seed=SEED + 1).run(STEPS // 4)
