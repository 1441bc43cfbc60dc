"""A service of several hosts, all of whose parts fail: no acknowledged write is lost.

The hosts are processes here: nginx, two of the service, PgBouncer, PostgreSQL with a synchronous
standby, and Redis. Where the system allows it, the two of PostgreSQL are network namespaces, whose
cables are pulled. With ``CLIQUET_TEST_FIRE_SECONDS=600`` each part fails in each way, at least
twice, for five seconds each time, and the primary is lost for ever in each way too: the standby is
promoted, and a new one is made.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.network_hosts import HERE, Host, network_hosts, why_not
from servers.nginx import nginx_process
from servers.pgbouncer import pgbouncer_process
from servers.postgresql_pair import Pair, running_pair
from servers.postgresql_standby import ask
from servers.processes import free_port
from servers.redis import redis_process
from support.outages import (
    FAILURES,
    UNPLUGGED,
    Outage,
    Writer,
    killing,
    strike,
    table,
    unplugging,
    writing,
)

from deployment.service import DEPLOY, GUNICORN, MUSHROOMS, Service, deployed, on_postgresql

SECONDS = float(os.environ.get("CLIQUET_TEST_FIRE_SECONDS", "0"))
IS_LONG = SECONDS > 10
DOWN_SECONDS = 5.0 if IS_LONG else 0.3
WRITERS = 8 if IS_LONG else 3

# Each part once, in each way once.
SHORT = [
    ("service", "killed"),
    ("PgBouncer", "killed"),
    ("primary", "killed"),
    ("standby", "silent"),
    ("Redis", "killed"),
    ("nginx", "stopped"),
]
PARTS = tuple(part for part, _ in SHORT)

pytestmark = [
    pytest.mark.usefixtures("processes"),
    pytest.mark.slow,
    pytest.mark.timeout(3 * SECONDS + 300),
]


class Site:
    """The parts of a running service.

    Parameters
    ----------
    servers : the parts but PostgreSQL, by name.
    lead : leads the service to the present primary.
    """

    def __init__(self, pair: Pair, servers: dict[str, Any], lead: Callable[[], None]) -> None:
        self.pair = pair
        self._servers = servers
        self._lead = lead

    def part(self, name: str) -> Any:
        """Return the server that has this part at the moment."""
        return getattr(self.pair, name, None) or self._servers[name]

    def lose_primary(self, lose: Callable[[Any], Callable[[], Any]]) -> Callable[[], None]:
        """Lose the primary for ever; return what replaces it by the standby."""
        lose(self.pair.primary)()
        return self._replace_primary

    def _replace_primary(self) -> None:
        self.pair.take_over()
        self._lead()


def through_pgbouncer(
    stack: contextlib.ExitStack, pair: Pair
) -> tuple[str, dict[str, Any], Callable[[], None]]:
    """Return the URL of the database, the parts, and what leads this URL to the primary."""
    port = free_port()
    text = (DEPLOY / "pgbouncer.ini").read_text()
    text = text.replace("listen_port = 6432", f"listen_port = {port}\nunix_socket_dir =")

    def configuration() -> str:
        primary = pair.primary
        target = f"host={primary.address} port={primary.port} user=postgres"
        return text.replace("host=127.0.0.1 port=5432", target)

    users = (DEPLOY / "userlist.txt").read_text()
    pgbouncer = stack.enter_context(pgbouncer_process(configuration(), port, users))
    path = Path(pgbouncer.command[-1])

    def lead() -> None:
        # As a tool for failovers does it: the name of the primary in the file, and RELOAD.
        folder = str(path.parent)
        path.write_text(configuration().replace("/etc/pgbouncer", folder))
        pgbouncer.process.send_signal(signal.SIGHUP)

    url = f"postgresql://mushrooms:secret@127.0.0.1:{port}/mushrooms"
    return url, {"PgBouncer": pgbouncer}, lead


def by_both_hosts(
    stack: contextlib.ExitStack, pair: Pair
) -> tuple[str, dict[str, Any], Callable[[], None]]:
    """Return the same for a URL with both hosts, which needs nobody who leads it."""
    both = ",".join(f"{one.address}:{one.port}" for one in (pair.primary, pair.standby))
    return f"postgresql://postgres@{both}/mushrooms", {}, lambda: None


ROUTES = {"PgBouncer": through_pgbouncer, "both hosts in the URL": by_both_hosts}
# The other one is tested without a server of HTTP too (test_deployment_failover.py).
TESTED = ROUTES if IS_LONG else ["PgBouncer"]


@contextlib.contextmanager
def site(route: str) -> Iterator[Site]:
    """Give a running service."""
    with contextlib.ExitStack() as stack:
        hosts: list[Host] = [HERE, HERE]
        if why_not() is None:
            hosts[:] = stack.enter_context(network_hosts(2))
        pair = stack.enter_context(running_pair(hosts))
        ask(pair.primary, "CREATE DATABASE mushrooms")
        url, servers, lead = ROUTES[route](stack, pair)
        redis = stack.enter_context(redis_process())
        settings = {
            **on_postgresql(url)(""),
            "CLIQUET_CACHE_BACKEND": "cliquet.cache.redis",
            "CLIQUET_CACHE_URL": redis.url,
            "CLIQUET_STORAGE_STATEMENT_TIMEOUT_SECONDS": "5",
            "CLIQUET_PERMISSION_STATEMENT_TIMEOUT_SECONDS": "5",
        }
        first = stack.enter_context(deployed(GUNICORN, lambda _: settings, migrates=True))
        second = Service(first.folder, GUNICORN, first.environment)
        stack.callback(second.stop)
        second.start()
        text = (DEPLOY / "nginx.conf").read_text()
        (line,) = [line for line in text.splitlines() if "server 127.0.0.1:8000 " in line]
        lines = [line.replace("8000", str(one.port)) for one in (first, second)]
        nginx, _ = stack.enter_context(nginx_process(text, {line: "\n".join(lines)}))
        servers |= {"service": first, "Redis": redis, "nginx": nginx}
        yield Site(pair, servers, lead)


def rounds_of(running: Site, route: str) -> list[tuple[str, str]]:
    """Return the parts that fail, and how."""
    if not IS_LONG:
        return SHORT
    parts = [part for part in PARTS if part != "PgBouncer" or route == part]
    rounds = [(part, failure) for part in parts for failure in FAILURES]
    if running.pair.primary.host.has_cable:
        rounds += [("primary", UNPLUGGED), ("standby", UNPLUGGED)]
    return rounds


def fail(running: Site, writers: list[Writer], part: str, failure: str) -> Outage:
    """Let a part fail, and come back."""
    ways = {**FAILURES, UNPLUGGED: unplugging}
    return strike(writers, part, failure, ways[failure](running.part(part)), DOWN_SECONDS)


def ways_to_lose(running: Site) -> list[str]:
    """Return how the primary is lost for ever, one time after the other."""
    unplugged = UNPLUGGED if running.pair.primary.host.has_cable else "killed"
    return ["killed", unplugged] if IS_LONG else [unplugged]


def fail_over(running: Site, writers: list[Writer], way: str) -> list[Outage]:
    """Lose the primary for ever: the standby is promoted, and a new one is made."""
    lose = {"killed": killing, UNPLUGGED: unplugging}[way]
    lost = strike(
        writers, "primary", f"lost: {way}", lambda: running.lose_primary(lose), DOWN_SECONDS
    )
    made = strike(writers, "new standby", "made", lambda: running.pair.add_standby, 0)
    return [lost, made]


@pytest.mark.clause("E-9.1", "E-9.2", "E-21.3")
@pytest.mark.parametrize("route", TESTED)
def test_no_acknowledged_write_is_lost_when_parts_fail(route: str) -> None:
    with site(route) as running, writing(running.part("nginx").port, MUSHROOMS, WRITERS) as writers:
        outages = []
        deadline = time.monotonic() + SECONDS
        while not outages or time.monotonic() < deadline:
            for part, failure in rounds_of(running, route):
                outages.append(fail(running, writers, part, failure))
                time.sleep(1.0 if IS_LONG else 0.1)
            for way in ways_to_lose(running):
                outages += fail_over(running, writers, way)
        for writer in writers:
            writer.is_over.set()
            writer.join()
        acknowledged = {name for writer in writers for name in writer.acknowledged}
        listed = {name for writer in writers for name in writer.stored()}
        # The service reads what it has written, and so does who looks at the last primary.
        kept = set(ask(running.pair.primary, "SELECT array_agg(id) FROM records", "mushrooms"))
        print(table(outages))
        print(f"{len(acknowledged)} writes acknowledged, {len(acknowledged - kept)} lost")

        assert len(acknowledged) > len(outages)
        assert acknowledged <= listed
        assert acknowledged <= kept
