"""A service of several hosts, all of whose parts fail: no acknowledged write is lost.

The hosts are processes here: nginx, two of the service, PgBouncer, PostgreSQL with a synchronous
standby, and Redis. With ``CLIQUET_TEST_FIRE_SECONDS=600`` each part fails in each way, at least
twice, for five seconds each time.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from servers.nginx import nginx_process
from servers.pgbouncer import pgbouncer_process
from servers.postgresql import new_database, running_postgresql
from servers.postgresql_standby import make_asynchronous, make_synchronous, running_standby
from servers.processes import free_port
from servers.redis import redis_process
from support.outages import FAILURES, strike, table, writing

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

pytestmark = [
    pytest.mark.usefixtures("processes"),
    pytest.mark.slow,
    pytest.mark.timeout(3 * SECONDS + 300),
]


@contextlib.contextmanager
def hosts() -> Iterator[Any]:
    """Give the parts of a running service by name."""
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(running_postgresql(is_durable=True))
        database = urlsplit(stack.enter_context(new_database(primary.url))).path[1:]
        standby = stack.enter_context(running_standby(primary))
        make_synchronous(primary)
        # Without it, the removal of the database would wait for the standby, which ends before.
        stack.callback(make_asynchronous, primary)
        redis = stack.enter_context(redis_process())
        port = free_port()
        text = (DEPLOY / "pgbouncer.ini").read_text()
        target = f"host=127.0.0.1 port={primary.port} dbname={database} user=postgres"
        text = text.replace("host=127.0.0.1 port=5432", target)
        text = text.replace("listen_port = 6432", f"listen_port = {port}\nunix_socket_dir =")
        users = (DEPLOY / "userlist.txt").read_text()
        pgbouncer = stack.enter_context(pgbouncer_process(text, port, users))
        settings = {
            **on_postgresql(f"postgresql://mushrooms:secret@127.0.0.1:{port}/mushrooms")(""),
            "CLIQUET_CACHE_BACKEND": "cliquet.cache.redis",
            "CLIQUET_CACHE_URL": redis.url,
            "CLIQUET_STORAGE_STATEMENT_TIMEOUT_SECONDS": "5",
            "CLIQUET_PERMISSION_STATEMENT_TIMEOUT_SECONDS": "5",
        }
        first = stack.enter_context(deployed(GUNICORN, lambda _: settings, migrates=True))
        second = Service(first.folder, GUNICORN, first.environment)
        stack.callback(second.stop)
        second.start()
        site = (DEPLOY / "nginx.conf").read_text()
        (line,) = [line for line in site.splitlines() if "server 127.0.0.1:8000 " in line]
        lines = [line.replace("8000", str(one.port)) for one in (first, second)]
        nginx, _ = stack.enter_context(nginx_process(site, {line: "\n".join(lines)}))
        yield {
            "service": first,
            "PgBouncer": pgbouncer,
            "primary": primary,
            "standby": standby,
            "Redis": redis,
            "nginx": nginx,
        }


@pytest.mark.clause("E-9.1", "E-9.2")
def test_no_acknowledged_write_is_lost_when_parts_fail() -> None:
    with hosts() as parts, writing(parts["nginx"].port, MUSHROOMS, WRITERS) as writers:
        rounds = [(part, failure) for part in parts for failure in FAILURES] if IS_LONG else SHORT
        outages = []
        deadline = time.monotonic() + SECONDS
        while not outages or time.monotonic() < deadline:
            for part, failure in rounds:
                fail = FAILURES[failure](parts[part])
                outages.append(strike(writers, part, failure, fail, DOWN_SECONDS))
                time.sleep(1.0 if IS_LONG else 0.1)
        for writer in writers:
            writer.is_over.set()
            writer.join()
        acknowledged = sum(len(writer.acknowledged) for writer in writers)
        lost = [name for writer in writers for name in {*writer.acknowledged} - writer.stored()]
        print(table(outages))
        print(f"{acknowledged} writes acknowledged, {len(lost)} lost")

        assert acknowledged > len(outages)
        assert lost == []
