"""Tests that need servers are known, so that `make test-fast` starts none."""

import sys
from collections.abc import Callable

import pytest
from servers.starting import run_program, start_process

SERVERS = {"redis_server", "postgresql_server", "memcached_server"}


def test_what_is_not_marked_uses_no_server(request: pytest.FixtureRequest) -> None:
    unmarked = [item for item in request.session.items if item.get_closest_marker("server") is None]

    assert [item.nodeid for item in unmarked if SERVERS & set(item.fixturenames)] == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("start", [start_process, run_program])
def test_what_is_not_marked_can_start_none(start: Callable[[list[str]], object]) -> None:
    with pytest.raises(pytest.fail.Exception, match="asks for the fixture `processes`"):
        start([sys.executable, "-c", ""])


def test_the_fixture_of_processes_marks(processes: None, request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("server") is not None
    assert start_process([sys.executable, "-c", ""]).wait(60) == 0


@pytest.mark.parametrize(
    "parameter",
    ["redis", "redis_server", "postgresql_module_url", ("sqlite", "memcached", True)],
    ids=str,
)
def test_a_parameter_that_names_a_server_marks(
    parameter: object, request: pytest.FixtureRequest
) -> None:
    assert request.node.get_closest_marker("server") is not None


@pytest.mark.parametrize("parameter", ["memory", "sqlite", ("sqlite", "memory", False)], ids=str)
def test_another_one_does_not(parameter: object, request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("server") is None
