"""No request costs the service more than its budget, whatever the limits let pass (X-34).

Nor the server of the database, where there is one. Ceilings are those of the promise, several times
what is measured; what a request costs when all is well is for the benchmarks.
"""

import ctypes
import gc
import io
import os
import sys
import time
from urllib.parse import unquote_to_bytes

import pytest
from pyramid.router import Router
from redis import Redis
from support.process_costs import (
    MEGABYTE,
    cpu_seconds,
    forget_peak,
    keep_apart,
    own_memory,
    peak_memory,
)
from support.request_costs import Bolete
from support.shared_apps import make_app
from support.worst_requests import (
    CROWDED,
    PATCH_TYPE,
    SPORE,
    VALUES,
    WORST,
    Worst,
    batch,
    data,
    dumps,
    members,
)
from testapp import Lichen, Mushroom, Spore

from cliquet.testing.web import basic_auth

# What a request may leave behind after a number of others: the allocator keeps some.
MOST_LEFT_MEGABYTES = 25
STORED = 100
# What it may cost, in the service and in the server of its database.
MOST_SECONDS = 1
MOST_MEGABYTES = 50

CLEAR_REFS = "/proc/self/clear_refs"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.access(CLEAR_REFS, os.W_OK),
        reason="the peak of a process's memory cannot be reset here",
    ),
]


@pytest.fixture(scope="module", autouse=True)
def apart() -> None:
    keep_apart()


@pytest.fixture
def app() -> Router:
    """An application with some records to list."""
    settings = {"bolete_create_principals": "system.Everyone"}
    made = make_app([Mushroom, Spore, Lichen, Bolete], settings=settings).app
    for _ in range(STORED):
        assert send(made, Worst("POST", "/v0/lichens", data({"a": "a" * 1000}))) == 201
    assert send(made, Worst("PUT", SPORE, data({"a": 1}))) in (200, 201)
    assert send(made, Worst("PUT", CROWDED, data(members(VALUES - 20)))) in (200, 201)
    warm_up(made)
    return made


def warm_up(app: Router) -> None:
    """Send a small request of each sort, which must not be the first that the service answers.

    The first one of a process imports modules, compiles patterns, connects to servers, and has the
    allocator fetch arenas. It pays that once for all others, up to two megabytes as measured: this
    is no part of what a request costs.
    """
    small = {"data": {"a": 1}}
    for item in (
        {"path": "/lichens?a=1&_limit=1"},
        {"method": "PUT", "path": SPORE, "body": small},
        {"method": "PATCH", "path": SPORE, "body": small},
        {"method": "POST", "path": "/boletes", "body": small},
        {"method": "DELETE", "path": "/lichens?a=none"},
    ):
        assert send(app, batch(item, 2)) == 200
    patch = dumps([{"op": "add", "path": "/data/a", "value": 1}])
    assert send(app, Worst("PATCH", SPORE, patch, content_type=PATCH_TYPE)) == 200


def send(app: Router, worst: Worst) -> int:
    """Call the application as a server would, and return the status.

    Clients for tests would add to the cost.
    """
    path, _, query = worst.path.partition("?")
    environ = {
        "REQUEST_METHOD": worst.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "CONTENT_TYPE": worst.content_type,
        "CONTENT_LENGTH": str(len(worst.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(worst.body),
        "wsgi.errors": sys.stderr,
    }
    for name, value in {**basic_auth(), **worst.headers}.items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    statuses = []
    for _ in app(environ, lambda status, headers, exc_info=None: statuses.append(status)):
        pass
    return int(statuses[0][:3])


def database_pids(app: Router) -> list[int]:
    """Return the processes of this machine that work for the application, besides its own."""
    configured = app.registry.settings
    family = configured["storage_backend"].rpartition(".")[2]
    if f"CLIQUET_TEST_{family.upper()}_URL" in os.environ:
        # That server may be on another machine.
        return []
    if family == "redis":
        with Redis.from_url(configured["storage_url"]) as client:
            return [client.info("server")["process_id"]]
    if family == "postgresql":
        with app.registry.storage.client.connect(readonly=True) as session:
            rows = session.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            ).fetchall()
        return [pid for (pid,) in rows]
    return []


def megabytes(line: str) -> float:
    with open("/proc/self/status") as status:
        (kilobytes,) = [row.split()[1] for row in status if row.startswith(line)]
    return int(kilobytes) / 1024


def resting_megabytes() -> float:
    """Return what the process holds once everything that can be freed is."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return megabytes("VmRSS")


@pytest.mark.clause("X-34")
@pytest.mark.parametrize("kind", WORST)
def test_the_worst_request_of_a_kind_keeps_to_its_budget(app: Router, kind: str) -> None:
    worst = WORST[kind]()
    pids = database_pids(app)
    before = resting_megabytes()
    forget_peak()
    for pid in pids:
        forget_peak(pid)
    served = [(cpu_seconds(pid), peak_memory(pid)) for pid in pids]
    start = time.process_time()

    status = send(app, worst)

    seconds = time.process_time() - start
    spent = megabytes("VmHWM") - before
    assert status in worst.statuses
    assert seconds < MOST_SECONDS
    assert spent < MOST_MEGABYTES
    for pid, (began, size) in zip(pids, served, strict=True):
        assert cpu_seconds(pid) - began < MOST_SECONDS
        assert peak_memory(pid) - size < MOST_MEGABYTES * MEGABYTE


@pytest.mark.clause("X-34")
def test_memory_returns_after_many_of_them(app: Router) -> None:
    every = [make() for make in WORST.values()]

    def send_all() -> None:
        for worst in every:
            send(app, worst)
        # The records that stay are those of before.
        send(app, Worst("DELETE", "/v0/spores"))

    send_all()
    before = resting_megabytes()

    for _ in range(2):
        send_all()

    assert resting_megabytes() - before < MOST_LEFT_MEGABYTES


@pytest.mark.clause("X-34")
def test_memory_returns_after_a_thousand_short_ones(app: Router) -> None:
    # Neither those that leave records, nor those that are many requests in one.
    every = [make() for make in WORST.values()]
    short = [w for w in every if not w.body and len(w.path) < 20_000]
    for worst in short:
        send(app, worst)
    before = resting_megabytes()
    held = {pid: own_memory(pid) for pid in database_pids(app)}

    for number in range(1000):
        send(app, short[number % len(short)])

    assert resting_megabytes() - before < MOST_LEFT_MEGABYTES
    for pid, size in held.items():
        assert own_memory(pid) - size < MOST_LEFT_MEGABYTES * MEGABYTE
