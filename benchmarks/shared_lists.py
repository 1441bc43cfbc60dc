"""What lists of shared records cost when few or many records are shared, on PostgreSQL and SQLite.

    python benchmarks/shared_lists.py             # SQLite, and a PostgreSQL that is started here

Storage and permissions are in one database, with one collection of 100 000 records. Each user may
read another number of them. A cost that grows with this number shows as a ratio.
"""

from __future__ import annotations

import logging
import statistics
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import colander

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.compare.databases import running_databases
from benchmarks.curves import analyse, batched, microseconds, send
from cliquet import resource
from cliquet.permission.grants import ACEPrincipal
from cliquet.storage.transfer import ExportedEntry, ImportedCollection
from cliquet.testing.web import make_app

RECORDS = 100_000
SHARED = (10, 100, 1_000, 10_000, 100_000)
ROUNDS = 9
CALLS_PER_ROUND = 3
URL = "/v0/mushrooms"
FIRST_TIMESTAMP = 1_448_000_000_000

Call = Callable[[], Any]


class Mushroom(resource.ShareableResource):
    """Records with one indexed field of as many values as records."""

    class MushroomSchema(resource.ResourceSchema):
        class Options:
            indexed_fields = ("rank",)

        name = colander.SchemaNode(colander.String())
        rank = colander.SchemaNode(colander.Integer(), missing=colander.drop)

    mapping = MushroomSchema()


def make_service(kind: str, url: str) -> Any:
    """Return an application on one database, with its schema, its records and its permissions."""
    backends = {f"{name}_backend": f"cliquet.{name}.{kind}" for name in ("storage", "permission")}
    urls = {f"{name}_url": url for name in ("storage", "permission")}
    settings = {**backends, **urls, "cache_backend": "cliquet.cache.memory"}
    app = make_app([Mushroom], settings=settings).app
    registry = app.registry
    registry.storage.initialize_schema()
    registry.permission.initialize_schema()
    order = iter(range(RECORDS))
    entries = (
        ExportedEntry(record_id(n), FIRST_TIMESTAMP + n, {"name": f"mushroom {n}", "rank": n})
        for n in order
    )
    for batch in batched(entries, 1_000):
        latest = max(entry.last_modified for entry in batch)
        registry.storage.import_([ImportedCollection("", "mushroom", latest, batch)])
    for number in SHARED:
        for aces in batched(grants(principal(app, number), number), 1_000):
            registry.permission.import_(aces, [])
    analyse(app)
    return app


def record_id(number: int) -> str:
    """Return the id of a record; the order of ids is not that of times."""
    return f"{number * 7919 % RECORDS:08x}-0000-4000-8000-{number:012x}"


def grants(reader: str, number: int) -> Iterator[Any]:
    """Return the permissions that let a principal read that many records, evenly spread."""
    for n in range(0, RECORDS, RECORDS // number):
        yield ACEPrincipal(f"/mushrooms/{record_id(n)}", "read", reader)


def principal(app: Any, number: int) -> str:
    """Return the principal of the user who may read that many records."""
    hello = send(app, "GET", "/v0/", user_of(number), 200)
    user: str = hello.json["user"]["id"]
    return user


def user_of(number: int) -> str:
    """Return the name of a user."""
    return f"reader{number}"


def requests(app: Any, number: int) -> dict[str, Call]:
    """Return the requests of one user."""
    user = user_of(number)
    middle = FIRST_TIMESTAMP + RECORDS // 2
    recent = FIRST_TIMESTAMP + RECORDS - 100
    etag = send(app, "HEAD", f"{URL}?_limit=1", user, 200).headers["ETag"]

    def get(query: str, status: int = 200, **headers: Any) -> Call:
        return lambda: send(app, "GET", f"{URL}?{query}", user, status, **headers)

    return {
        "page of 100": get("_limit=100"),
        "page of 100, no total": get("_limit=100", Prefer="count=none"),
        "deep page of 100, no total": get(f"_before={middle}&_limit=100", Prefer="count=none"),
        "304": get("_limit=100", 304, **{"If-None-Match": etag}),
        "_since recent": get(f"_since={recent}&_limit=100"),
        "sorted by rank, no total": get("_sort=rank&_limit=100", Prefer="count=none"),
        "one record by rank": get("rank=700&_limit=100"),
    }


def measure(kind: str, url: str) -> None:
    """Fill a database, and print one line per request."""
    app = make_service(kind, url)
    calls = {number: requests(app, number) for number in SHARED}
    for by_name in calls.values():
        for call in by_name.values():
            microseconds(call, 3)
    durations: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for name in calls[SHARED[0]]:
            for number in SHARED:
                spent = microseconds(calls[number][name], CALLS_PER_ROUND)
                durations.setdefault((name, number), []).append(spent)
    print(f"\n{kind}: median of {ROUNDS} rounds, in µs, by the number of shared records")
    print(f"{'':28}" + "".join(f"{number:>12}" for number in SHARED) + f"{'largest/smallest':>18}")
    for name in calls[SHARED[0]]:
        medians = [statistics.median(durations[name, number]) for number in SHARED]
        ratio = medians[-1] / medians[0]
        print(f"{name:28}" + "".join(f"{value:12.0f}" for value in medians) + f"{ratio:17.2f}x")


def main() -> None:
    """Measure both databases."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    with running_databases(with_postgresql=True) as databases:
        for kind in ("sqlite", "postgresql"):
            measure(kind, databases.url("shared", kind))


if __name__ == "__main__":
    main()
