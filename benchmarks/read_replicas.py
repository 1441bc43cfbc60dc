"""What a replica takes from the primary: reads per second, and processor time of each server.

``python benchmarks/read_replicas.py`` starts a primary and a standby on this machine, which share
its processors with the service: the processor time of the primary says more than the reads per
second.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

# They are only found on the path that has just been set.
from servers.postgresql import running_postgresql  # noqa: E402
from servers.postgresql_standby import running_standby, wait_for_standby  # noqa: E402
from storage.test_storage_read_replicas import MUSHROOMS, USER, Servers  # noqa: E402

READS = 2_000
RECORDS = 100
TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print a line for each kind of read, without and with a replica."""
    with running_postgresql() as primary, running_standby(primary) as standby:
        servers = Servers(primary, standby)
        apps = {
            "without": servers.app(storage_read_url="", permission_read_url=""),
            "with": servers.app(),
        }
        registry = apps["with"].app.registry
        registry.storage.initialize_schema()
        registry.permission.initialize_schema()
        created = [
            apps["with"].post_json(MUSHROOMS, {"data": {"name": str(number)}}, headers=USER)
            for number in range(RECORDS)
        ]
        wait_for_standby(primary, standby)
        latest = created[-1]
        known = {**USER, "Sync-Bookmark": latest.headers["Sync-Bookmark"]}
        urls = {
            "record": (f"{MUSHROOMS}/{latest.json['data']['id']}", USER),
            "record, with a bookmark": (f"{MUSHROOMS}/{latest.json['data']['id']}", known),
            "list of 25": (f"{MUSHROOMS}?_limit=25", USER),
        }
        print(
            "read                      replica   reads/s   CPU of primary   of standby, ms per 1000"
        )
        for name, (url, headers) in urls.items():
            for which, app in apps.items():
                read_one(app, url, headers)
                took = measured(partial(read_one, app, url, headers), (primary, standby))
                print(f"{name:25} {which:8} {took[0]:8.0f} {took[1]:15.0f} {took[2]:12.0f}")


def read_one(app: Any, url: str, headers: dict[str, str]) -> None:
    app.get(url, headers=headers)


def measured(read: Callable[[], None], servers: tuple[Any, Any]) -> list[float]:
    """Return the reads per second, and the milliseconds of each server for a thousand reads."""
    before = [processor_seconds(server) for server in servers]
    started = time.perf_counter()
    for _ in range(READS):
        read()
    per_second = READS / (time.perf_counter() - started)
    used = [processor_seconds(server) - was for server, was in zip(servers, before, strict=True)]
    return [per_second, *(seconds * 1e6 / READS for seconds in used)]


def processor_seconds(server: Any) -> float:
    """Return the time that a server and its processes have used."""
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    fields = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in children]
    return sum(int(each[11]) + int(each[12]) for each in fields) * TICK_SECONDS


if __name__ == "__main__":
    main()
