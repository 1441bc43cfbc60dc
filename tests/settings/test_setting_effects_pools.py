"""Settings of connections, on real servers: each changes what a busy service answers."""

import contextlib
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from support.shared_apps import make_app
from webtest import TestApp

from cliquet.testing.bounded import Timer

COMPONENTS = ["storage", "permission", "cache"]
RELEASE_SECONDS = 0.15

on_each_component = pytest.mark.parametrize("component", COMPONENTS)


def is_well(app: TestApp, component: Any) -> Any:
    """Whether a request that needs the backend gets it."""
    return app.get("/v0/__heartbeat__", status="*").json[component]


@contextlib.contextmanager
def released_meanwhile(held: Any, *, is_waited_for: bool) -> Iterator[None]:
    """Close an `ExitStack` while the block is under way, if it waits for that."""
    if not is_waited_for:
        # On a busy machine, a moment may be too long, and no other is.
        yield
        return
    timer = Timer(RELEASE_SECONDS, held.close)
    timer.start()
    try:
        yield
    finally:
        timer.join()


# PostgreSQL


@pytest.fixture
def service(postgresql_module_url: str, component: Any) -> Iterator[Any]:
    """Make a service with a backend in PostgreSQL, whose connections bear a name of their own."""
    backends = []

    def make(**options: Any) -> Any:
        name = f"test-{uuid.uuid4().hex}"
        settings = {
            f"{component}_backend": f"cliquet.{component}.postgresql",
            f"{component}_url": f"{postgresql_module_url}?application_name={name}",
            **{f"{component}_{option}": value for option, value in options.items()},
        }
        app = make_app(settings=settings)
        app.connections = name
        app.backend = getattr(app.app.registry, component)
        app.backend.initialize_schema()
        backends.append(app.backend)
        return app

    yield make
    for backend in backends:
        backend.client.dispose()


@contextlib.contextmanager
def taken(app: TestApp, number: Any) -> Iterator[Any]:
    """Hold connections of the pool, as other requests do."""
    with contextlib.ExitStack() as held:
        for _ in range(number):
            held.enter_context(app.backend.client.autocommit())
        yield held


@pytest.fixture
def connections(postgresql_module_url: str) -> Iterator[Any]:
    """Return the process ids of the server for the connections of a service."""
    with contextlib.closing(psycopg2.connect(postgresql_module_url)) as connection:
        connection.autocommit = True

        def of(app: TestApp) -> set[Any]:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pid FROM pg_stat_activity WHERE application_name = %s",
                    (app.connections,),
                )
                return {pid for (pid,) in cursor.fetchall()}

        yield of


def wait_for(number: Any, connections: Any, app: TestApp) -> bool:
    """Wait until the server has so many connections of a service: it ends them by and by."""
    deadline = time.monotonic() + 60
    while len(connections(app)) != number and time.monotonic() < deadline:
        time.sleep(0.01)
    return len(connections(app)) == number


@on_each_component
@pytest.mark.clause("S-12", "B-11.3")
@pytest.mark.setting("storage_pool_size", "permission_pool_size", "cache_pool_size")
@pytest.mark.parametrize("size", [1, 2])
def test_the_pool_keeps_so_many_connections_open(
    service: Callable[..., Any], connections: Callable[..., Any], size: int
) -> None:
    app = service(pool_size=str(size), max_overflow="3")

    with taken(app, 3):
        # That of the migration, which made the tables, is ending.
        assert wait_for(3, connections, app)

    assert wait_for(size, connections, app)


@on_each_component
@pytest.mark.clause("S-12", "B-11.3")
@pytest.mark.setting("{component}_max_overflow")
@pytest.mark.parametrize(("overflow", "expected"), [("1", False), ("2", True), ("-1", True)])
def test_a_busy_service_opens_so_many_connections_more(
    service: Callable[..., Any], component: str, overflow: str, expected: bool
) -> None:
    app = service(pool_size="1", max_overflow=overflow, pool_timeout="0.05")

    with taken(app, 2):
        assert is_well(app, component) is expected


@on_each_component
@pytest.mark.clause("S-12", "S-12.5", "B-11.3")
@pytest.mark.setting("{component}_pool_timeout")
@pytest.mark.parametrize(("seconds", "expected"), [("0.05", False), ("20", True)])
def test_a_request_waits_so_long_for_a_connection(
    service: Callable[..., Any], component: str, seconds: str, expected: bool
) -> None:
    app = service(pool_size="1", max_overflow="0", pool_timeout=seconds)

    with taken(app, 1) as held, released_meanwhile(held, is_waited_for=expected):
        assert is_well(app, component) is expected


@on_each_component
@pytest.mark.clause("S-12", "S-12.5", "B-11.12")
@pytest.mark.setting("{component}_max_backlog")
@pytest.mark.parametrize(("backlog", "expected"), [("0", False), ("1", True)])
def test_so_many_requests_wait_for_a_connection(
    service: Callable[..., Any], component: str, backlog: str, expected: bool
) -> None:
    app = service(pool_size="1", max_overflow="0", max_backlog=backlog)

    with taken(app, 1) as held, released_meanwhile(held, is_waited_for=expected):
        assert is_well(app, component) is expected


@on_each_component
@pytest.mark.clause("S-12", "B-11.3")
@pytest.mark.setting("{component}_pool_recycle")
@pytest.mark.parametrize(("seconds", "is_kept"), [("0", False), ("3600", True)])
def test_connections_of_that_age_are_replaced(
    service: Callable[..., Any], seconds: str, is_kept: bool
) -> None:
    app = service(pool_size="1", pool_recycle=seconds)

    def process() -> Any:
        with app.backend.client.autocommit() as session:
            return session.execute("SELECT pg_backend_pid()").fetchone()

    assert (process() == process()) is is_kept


@on_each_component
@pytest.mark.clause("S-12", "B-11.15", "B-21.27")
@pytest.mark.setting("{component}_poolclass")
@pytest.mark.parametrize(
    ("name", "kept"), [("sqlalchemy.pool.NullPool", 0), ("sqlalchemy.pool.QueuePool", 1)]
)
def test_another_class_of_pool_keeps_what_it_likes(
    service: Callable[..., Any], connections: Callable[..., Any], name: str, kept: int
) -> None:
    app = service(poolclass=name)

    with taken(app, 1):
        assert wait_for(1, connections, app)

    assert wait_for(kept, connections, app)


# Redis


@on_each_component
@pytest.mark.clause("S-13.2", "B-10.4")
@pytest.mark.setting("storage_pool_size", "permission_pool_size", "cache_pool_size")
@pytest.mark.parametrize(("size", "expected"), [("1", False), ("2", True)])
def test_redis_has_so_many_connections(
    redis_url: str, component: str, size: str, expected: bool
) -> None:
    app = redis_service(redis_url, component, pool_size=size, pool_timeout="0.05")

    with getattr(app.app.registry, component)._client.client():
        assert is_well(app, component) is expected


@on_each_component
@pytest.mark.clause("S-13.2", "B-10.4", "B-21.35")
@pytest.mark.setting("{component}_pool_timeout")
@pytest.mark.parametrize(("seconds", "expected"), [("0.05", False), ("20", True)])
def test_a_request_waits_so_long_for_redis(
    redis_url: str, component: str, seconds: str, expected: bool
) -> None:
    app = redis_service(redis_url, component, pool_size="1", pool_timeout=seconds)

    with contextlib.ExitStack() as held:
        held.enter_context(getattr(app.app.registry, component)._client.client())
        with released_meanwhile(held, is_waited_for=expected):
            assert is_well(app, component) is expected


def redis_service(url: Any, component: Any, **options: Any) -> TestApp:
    return make_app(
        settings={
            f"{component}_backend": f"cliquet.{component}.redis",
            f"{component}_url": url,
            **{f"{component}_{option}": value for option, value in options.items()},
        }
    )


# SQLite


@on_each_component
@pytest.mark.clause("E-1.4")
@pytest.mark.setting(
    "storage_busy_timeout_seconds", "permission_busy_timeout_seconds", "cache_busy_timeout_seconds"
)
@pytest.mark.parametrize(("seconds", "expected"), [("0.05", False), ("20", True)])
def test_a_request_waits_so_long_for_the_lock_of_the_file(
    tmp_path: Path, component: str, seconds: str, expected: bool
) -> None:
    file = tmp_path / "data.db"
    app = make_app(
        settings={
            f"{component}_backend": f"cliquet.{component}.sqlite",
            f"{component}_url": f"sqlite:///{file}",
            f"{component}_busy_timeout_seconds": seconds,
        }
    )
    # Makes the tables.
    assert is_well(app, component)

    with contextlib.ExitStack() as held:
        path = f"{file}-cache" if component == "cache" else file
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        held.callback(other.close)
        other.execute("BEGIN IMMEDIATE")
        with released_meanwhile(held, is_waited_for=expected):
            assert is_well(app, component) is expected
