"""What requests cost in small and large collections, on PostgreSQL and SQLite.

    python benchmarks/costs_by_size.py                      # SQLite, in a temporary folder
    python benchmarks/costs_by_size.py postgresql://...     # and this database, which is emptied

One process, one go: each request is timed in collections of 300, 30 000 and 300 000 records, in
turns, and compared with the smallest. A cost that grows with the collection shows as a ratio.
"""

from __future__ import annotations

import itertools
import json
import logging
import statistics
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import colander
from pyramid.request import Request

from cliquet import resource
from cliquet.storage.transfer import ExportedEntry, ImportedCollection
from cliquet.testing.web import basic_auth, make_app

SIZES = (300, 30_000, 300_000)
ROUNDS = 15
CALLS_PER_ROUND = 20
WARM_UP_CALLS = 50
URL = "/v0/mushrooms"
FIRST_TIMESTAMP = 1_448_000_000_000

Call = Callable[[], Any]


class Mushroom(resource.UserResource):
    """Records with two indexed fields: one of as many values as records, one of few."""

    class MushroomSchema(resource.ResourceSchema):
        class Options:
            indexed_fields = ("rank", "family")

        name = colander.SchemaNode(colander.String())
        rank = colander.SchemaNode(colander.Integer(), missing=colander.drop)
        family = colander.SchemaNode(colander.String(), missing=colander.drop)

    mapping = MushroomSchema()


def make_service(kind: str, url: str) -> Any:
    """Return an application on one database, with its schema and indexes."""
    app = make_app(
        [Mushroom],
        settings={
            "storage_backend": f"cliquet.storage.{kind}",
            "storage_url": url,
            "permission_backend": "cliquet.permission.memory",
            "cache_backend": "cliquet.cache.memory",
        },
    ).app
    app.registry.storage.initialize_schema()
    app.registry.storage.flush()
    return app


def send(
    app: Any, method: str, path: str, user: str, status: int, body: Any = None, **more: Any
) -> Any:
    """Send one request, and check that it does what is timed."""
    raw = b"" if body is None else json.dumps(body).encode()
    request = Request.blank(path, method=method, headers={**basic_auth(user), **more}, body=raw)
    if raw:
        request.content_type = "application/json"
    response = request.get_response(app)
    if response.status_code != status:
        raise SystemExit(f"{method} {path} answers {response.status}: {response.text[:300]}")
    return response


def fill(app: Any, user: str, size: int) -> list[str]:
    """Give a user that many records; return some of their ids."""
    # The first access tells under which name the storage knows the user.
    send(app, "GET", URL, user, 200)
    storage = app.registry.storage
    parents = storage.all_resources_timestamps("mushroom")
    parent = max(parents, key=lambda one: parents[one])
    ids = sorted(str(uuid.uuid4()) for _ in range(size))
    order = iter(range(size))
    entries = (
        ExportedEntry(
            object_id,
            FIRST_TIMESTAMP + n,
            {"name": f"mushroom {n}", "rank": (n * 7919) % size, "family": f"family {n % 10}"},
        )
        for object_id, n in zip(ids, order, strict=True)
    )
    for batch in batched(entries, 500):
        latest = max(entry.last_modified for entry in batch)
        storage.import_([ImportedCollection(parent, "mushroom", latest, batch)])
    return ids[:: max(1, size // 300)]


def batched(items: Iterator[Any], number: int) -> Iterator[list[Any]]:
    """Cut an iteration in lists."""
    while batch := list(itertools.islice(items, number)):
        yield batch


def deep_page(app: Any, user: str, size: int) -> str:
    """Return the address of a page in the middle of the collection."""
    middle = FIRST_TIMESTAMP + size // 2
    page = send(app, "GET", f"{URL}?_limit=1&_before={middle}", user, 200)
    # The token of that page, without the filter: it says where the next page begins.
    token = urlsplit(page.headers["Next-Page"]).query.split("_token=")[1].split("&")[0]
    return f"{URL}?_limit=100&_token={token}"


def requests(app: Any, user: str, size: int, ids: list[str]) -> dict[str, Call]:
    """Return the requests to time in one collection."""
    some = itertools.cycle(ids)
    deep = deep_page(app, user, size)
    etag = send(app, "HEAD", URL, user, 200).headers["ETag"]
    rank = itertools.cycle(range(0, size, max(1, size // 300)))
    body = {"data": {"name": "Cep", "rank": 1, "family": "none"}}
    # Writes come last in each round: the ETag of the 304 must stay true.
    fresh = {"etag": etag}

    def unchanged() -> None:
        send(app, "GET", URL, user, 304, **{"If-None-Match": fresh["etag"]})

    def refresh() -> None:
        fresh["etag"] = send(app, "HEAD", f"{URL}?_limit=1", user, 200).headers["ETag"]

    refresh()
    return {
        "GET record": lambda: send(app, "GET", f"{URL}/{next(some)}", user, 200),
        "GET list of 100": lambda: send(app, "GET", f"{URL}?_limit=100", user, 200),
        "GET deep page of 100": lambda: send(app, "GET", deep, user, 200),
        "GET list, 304": unchanged,
        "GET rank=n": lambda: send(app, "GET", f"{URL}?rank={next(rank)}", user, 200),
        "GET _sort=rank, 100": lambda: send(app, "GET", f"{URL}?_sort=rank&_limit=100", user, 200),
        "GET min_rank, sorted, 100": lambda: send(
            app, "GET", f"{URL}?min_rank={size - 50}&_sort=rank&_limit=100", user, 200
        ),
        "POST": lambda: send(app, "POST", URL, user, 201, body),
        "PUT": lambda: send(app, "PUT", f"{URL}/{next(some)}", user, 200, body),
        "refresh": refresh,
    }


def microseconds(call: Call, calls: int) -> float:
    """Return the mean duration of a call, in microseconds."""
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begin) / calls * 1e6


def measure(kind: str, url: str) -> None:
    """Fill the collections, and print one line per request."""
    app = make_service(kind, url)
    calls: dict[int, dict[str, Call]] = {}
    for size in SIZES:
        user = f"user{size}"
        calls[size] = requests(app, user, size, fill(app, user, size))
        print(f"  {size} records", file=sys.stderr)
    analyse(app)
    durations: dict[tuple[str, int], list[float]] = {}
    for by_name in calls.values():
        for call in by_name.values():
            microseconds(call, WARM_UP_CALLS if call is not by_name["refresh"] else 1)
    for _ in range(ROUNDS):
        for name in next(iter(calls.values())):
            for size in SIZES:
                number = 1 if name == "refresh" else CALLS_PER_ROUND
                spent = microseconds(calls[size][name], number)
                durations.setdefault((name, size), []).append(spent)
    print(f"\n{kind}: median of {ROUNDS} rounds of {CALLS_PER_ROUND} requests, in µs")
    print(f"{'':28}" + "".join(f"{size:>12}" for size in SIZES) + f"{'largest/smallest':>18}")
    for name in next(iter(calls.values())):
        if name == "refresh":
            continue
        medians = [statistics.median(durations[name, size]) for size in SIZES]
        ratio = medians[-1] / medians[0]
        print(f"{name:28}" + "".join(f"{value:12.0f}" for value in medians) + f"{ratio:17.2f}x")


def analyse(app: Any) -> None:
    """Let the database look at what it holds, as it does by itself in time."""
    with app.registry.storage.client.connect(readonly=True) as session:
        session.execute("ANALYZE")


def main() -> None:
    """Measure SQLite, and the PostgreSQL of the command line."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        measure("sqlite", f"sqlite:///{folder}/data.db")
    for url in sys.argv[1:]:
        measure("postgresql", url)


if __name__ == "__main__":
    main()
