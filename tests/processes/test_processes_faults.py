"""Servers and workers that end under load, and come back."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
from servers.postgresql import new_database, running_postgresql
from servers.redis import running_durable_redis

from cliquet.testing.bounded import PATIENCE_SECONDS, wait_until
from processes.application import LICHENS
from processes.backends import backend_settings, fresh_backends, redis_settings
from processes.load import Batcher, Writer, check_kept, torn_batches, under_load
from processes.site import running_site

WRITERS = 4
BATCHERS = 2
CALM_SECONDS = 0.7
DOWN_SECONDS = 0.5
RECOVERY_SECONDS = 1.5
KILLED_WORKERS = 3


@contextlib.contextmanager
def durable_backends(family: Any) -> Iterator[Any]:
    """Give a server whose commits reach the disk, and the settings of backends on it."""
    if family == "redis":
        with running_durable_redis() as server:
            yield server, redis_settings(server.url)
    else:
        with running_postgresql(is_durable=True) as server, new_database(server.url) as url:
            yield server, backend_settings("postgresql", url)


@contextlib.contextmanager
def patient_actors(site: Any, headers: Any) -> Iterator[Any]:
    """Give the writers and batchers of one user, and a client that looks at what they did."""
    looking, *clients = site.clients(1 + WRITERS + BATCHERS, headers)
    with contextlib.ExitStack() as stack:
        for client in (looking, *clients):
            stack.callback(client.close)
        actors = [Writer(client, is_patient=True) for client in clients[:WRITERS]]
        actors += [Batcher(client, is_patient=True) for client in clients[WRITERS:]]  # type: ignore[misc]
        yield actors, looking


def refused_since(actors: Any, moment: float) -> bool:
    """Return whether some actor was refused after a moment."""
    return any(moment < instant for actor in actors for instant in actor.refused_at)


def let_them_work(actors: Any, seconds: Any) -> None:
    """Return after a time in which each of the actors was served; longer on a busy machine."""
    start = time.monotonic()
    time.sleep(seconds)
    while not all(any(start < instant for instant in actor.served_at) for actor in actors):
        assert time.monotonic() < start + PATIENCE_SECONDS, "somebody is not served"
        time.sleep(0.02)


@pytest.mark.clause("H-27.3", "B-5.20", "X-23", "X-18", "H-34.1")
@pytest.mark.parametrize("family", ["redis", "postgresql"])
@pytest.mark.usefixtures("processes")
def test_a_server_crashes_under_load_and_no_acknowledged_write_is_lost(
    family: str, headers: dict[str, str]
) -> None:
    with (
        durable_backends(family) as (server, settings),
        running_site(settings) as site,
        patient_actors(site, headers) as (actors, client),
    ):
        pids = list(site.pids)

        with under_load(actors):
            let_them_work(actors, CALM_SECONDS)
            down_at = time.monotonic()
            # Of PostgreSQL, what `pg_ctl stop -m immediate` does.
            server.crash()
            time.sleep(DOWN_SECONDS)
            wait_until(lambda: refused_since(actors, down_at), "a refusal")
            server.start()
            let_them_work(actors, RECOVERY_SECONDS)

        # The workers are the same, and no connection to them broke.
        assert site.pids == pids
        assert [actor.broken for actor in actors] == [0] * len(actors), site.log()
        lichens, spores = check_kept(client, actors)
        # Redis applies the writes of a batch one at a time.
        assert torn_batches(lichens, spores) == {} or family == "redis"


@pytest.mark.clause("B-5.20", "B-22.10", "X-23", "X-18")
@pytest.mark.parametrize("family", ["redis", "sqlite", "postgresql"])
@pytest.mark.usefixtures("processes")
def test_workers_are_killed_under_load_and_no_acknowledged_write_is_lost(
    request: pytest.FixtureRequest, family: str, headers: dict[str, str]
) -> None:
    def postgresql_server() -> Any:
        return request.getfixturevalue("postgresql_server")

    with (
        fresh_backends(family, postgresql_server) as settings,
        running_site(settings) as site,
        patient_actors(site, headers) as (actors, client),
    ):
        with under_load(actors):
            let_them_work(actors, CALM_SECONDS)
            for _ in range(KILLED_WORKERS):
                site.kill_one()
            let_them_work(actors, RECOVERY_SECONDS)

        assert sum(actor.broken for actor in actors) > 0
        assert [actor.refused_at for actor in actors] == [[]] * len(actors), site.log()
        # Its worker may be one of the dead.
        client.close()
        lichens, spores = check_kept(client, actors)
        assert torn_batches(lichens, spores) == {} or family == "redis"
        # Nobody holds a lock of those who died.
        assert client.send("POST", LICHENS, {"data": {}}).status == 201
