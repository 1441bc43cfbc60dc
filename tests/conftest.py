"""Fixtures shared by the tests."""

import contextlib
import gc
import sys
import uuid
from collections.abc import Iterator

import cornice.service
import pytest
from webtest import TestApp

# Before its first import: the assertions of the contract suites explain themselves.
pytest.register_assert_rewrite("cliquet.testing")

from servers.memcached import memcached_server  # noqa: E402, F401
from servers.postgresql import (  # noqa: E402
    postgresql_module_url,  # noqa: F401
    postgresql_server,  # noqa: F401
    postgresql_url,  # noqa: F401
)
from servers.processes import temporary_folder  # noqa: E402
from servers.redis import (  # noqa: E402
    redis_client,  # noqa: F401
    redis_server,  # noqa: F401
    redis_url,  # noqa: F401
)
from servers.redis_cluster import redis_cluster, redis_cluster_server  # noqa: E402, F401
from servers.starting import (  # noqa: E402
    allow_processes,
    needs_processes,
    processes,  # noqa: F401
    start_watchdog,
)
from support.clocks import NOW_MS, Clock  # noqa: E402
from support.few_cases import few_calls, few_cases, set_examples  # noqa: E402
from support.garbage import KeptGarbage  # noqa: E402
from support.logged import fresh_logs  # noqa: E402
from support.shared_apps import SHARED, SharedApps, make_app  # noqa: E402
from testapp import RESOURCES  # noqa: E402

from cliquet import utils  # noqa: E402
from cliquet.testing.web import basic_auth  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a quick run ask each question only a few times."""
    parser.addoption(
        "--most-cases",
        type=int,
        metavar="N",
        help="run at most N of the cases of each test, and 10 N examples of each property",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let nothing that the tests start outlive this process."""
    config.add_cleanup(start_watchdog())
    # It would be a tenth of the time of the collection, which makes many objects and frees few.
    gc.disable()
    most = config.getoption("--most-cases")
    set_examples(None if most is None else 10 * most)
    if most is not None:
        config.pluginmanager.register(KeptGarbage())
    # Workers have folders in that of the process that starts them.
    if most is not None and config.option.basetemp is None and not hasattr(config, "workerinput"):
        config.option.basetemp = _folder_without_disk(config)


def _folder_without_disk(config: pytest.Config) -> str:
    """Return where a quick run has its files: hundreds of databases wait for each commit else."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(temporary_folder("quick", in_memory=True))
        config.add_cleanup(stack.pop_all().close)
    return f"{folder}/files"


@pytest.hookimpl(trylast=True)  # The cases are those of all the marks and fixtures.
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Do not even make the cases that will not run: most of the collection is spent on them."""
    most = metafunc.config.getoption("--most-cases")
    if most is not None:
        metafunc._calls = few_calls(metafunc._calls, most)


@pytest.hookimpl(trylast=True)  # The cases are those that the marks leave.
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep a few of the cases of each test, if the command line says so."""
    most = config.getoption("--most-cases")
    if most is not None:
        kept = few_cases(items, most)
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = [item for item in items if item in kept]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests that need servers, for those who want to leave them out."""
    if needs_processes(item):
        item.add_marker("server")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """See to it that the mark is true."""
    allow_processes(item.get_closest_marker("server") is not None)


def pytest_collection_finish() -> None:
    """Keep the many thousand tests out of garbage collections, which they make last for seconds."""
    gc.freeze()
    # An application is made of so many objects that to look for garbage again and again, among
    # those that are kept, takes a fifth of the time in which it is made. So a collection begins
    # when there are a million new objects, or about 100 MB: most of them are applications that
    # were dropped. Those that were in use then are looked at again after three million.
    gc.set_threshold(1_000_000, 2, 2)
    gc.enable()


@pytest.fixture(scope="module")
def own_settings() -> Iterator[None]:
    """Let the settings of tests count, whichever way the other tests go (``make uncompiled``)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CLIQUET_COMPILED_ENDPOINTS", raising=False)
        yield


@pytest.fixture(autouse=True)
def logs_of_this_test_alone() -> Iterator[None]:
    """Leave to each test nothing of what others have configured in the logs."""
    with fresh_logs():
        yield


@pytest.fixture(autouse=True)
def services_of_this_test_alone() -> Iterator[None]:
    """Leave no application behind in Cornice's list of all services, which keeps each one alive."""
    before = len(cornice.service.SERVICES)
    yield
    del cornice.service.SERVICES[before:]


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Iterator[None]:
    """Lend applications to tests only, and not to fixtures that outlive them."""
    if fixturedef.scope == "function":
        return (yield)
    with SHARED.giving_away():
        return (yield)


@pytest.fixture(autouse=True)
def applications_of_this_test_alone(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the next test have what this one is lent."""
    name = "monkeypatch"
    patch = request.getfixturevalue(name) if name in request.fixturenames else None
    with SHARED.lending(patch):
        yield


@pytest.fixture(scope="session")
def shared_apps() -> SharedApps:
    """What lends applications, for fixtures that make theirs in a way of their own."""
    return SHARED


@pytest.fixture
def app() -> TestApp:
    """A client of an application with the resources of `testapp`, on empty memory backends."""
    return make_app(RESOURCES)


@pytest.fixture
def headers() -> dict[str, str]:
    """Headers of a user, another one in each test: applications of a module are used by many."""
    return basic_auth(uuid.uuid4().hex)


@pytest.fixture
def other_headers() -> dict[str, str]:
    """Headers of another user."""
    return basic_auth("alice", "2")


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The clock of the library, in milliseconds, stopped; the test moves it."""
    clock = Clock(NOW_MS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "msec_time", clock)
        yield clock


@pytest.fixture
def usual_recursion() -> Iterator[None]:
    """Bound recursion as Python does; Hypothesis raises the bound, and may leave it there."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)
