"""What requests cost in small and large collections, on PostgreSQL and SQLite.

    python benchmarks/curves.py                             # both, SQLite in a temporary folder
    python benchmarks/curves.py --backends sqlite --sizes 300,30000 --rounds 5 --output folder
    python benchmarks/curves.py --backends postgresql --sizes 1000,30000,1000000 \
        --collections 100000 --each 10

One process, one go: each request is timed in collections of 300, 30 000 and 300 000 records, in
turns, and compared with the smallest. A cost that grows with the collection shows as a ratio. Then
each collection is walked in pages of 100, as a list, by ``_since`` and by ``_sync`` from its
beginning, in turns. With ``--collections``, the smallest also takes its turns in a second database
that has so many others beside it, of ``--each`` records. With a folder, the figures are written
there, and a chart where matplotlib is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import itertools
import json
import logging
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import colander
from pyramid.request import Request

from cliquet import resource
from cliquet.resource.sync_token import SyncToken
from cliquet.testing.web import basic_auth, make_app
from cliquet.transactions import scope

SIZES = (300, 30_000, 300_000)
ROUNDS = 15
PAGE = 100
CALLS_PER_ROUND = 20
MAX_ROUND_SECONDS = 0.3
WARM_UP_CALLS = 50
MAX_WALK = 300_000
LIMIT = 1.5
NO_TOTAL = {"Prefer": "count=none"}
URL = "/v0/mushrooms"
# All collections end at one time, as those that are in use do.
LAST_TIMESTAMP = 1_448_000_000_000

Call = Callable[[], Any]


def first_timestamp(size: int) -> int:
    """Return the timestamp of the first record of a collection."""
    return LAST_TIMESTAMP - size


class Mushroom(resource.UserResource):
    """Records with two indexed fields: one of as many values as records, one of few; and both."""

    class MushroomSchema(resource.ResourceSchema):
        class Options:
            indexed_fields = ("rank", "family", ("family", "rank"))

        name = colander.SchemaNode(colander.String())
        rank = colander.SchemaNode(colander.Integer(), missing=colander.drop)
        family = colander.SchemaNode(colander.String(), missing=colander.drop)

    mapping = MushroomSchema()


def make_service(kind: str, url: str, totals: str) -> Any:
    """Return an application on one database, with its schema and indexes."""
    app = make_app(
        [Mushroom],
        settings={
            "storage_backend": f"cliquet.storage.{kind}",
            "storage_url": url,
            "permission_backend": "cliquet.permission.memory",
            "cache_backend": "cliquet.cache.memory",
            "mushroom_sync_enabled": "true",
            "mushroom_total_records": totals,
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


_ID = (
    "substr({0}, 1, 8) || '-' || substr({0}, 9, 4) || '-4' || substr({0}, 14, 3) || '-8'"
    " || substr({0}, 18, 3) || '-' || substr({0}, 21, 12)"
)
# Ids are in no order, as generated ones are.
SERIES = {
    "postgresql": "SELECT n, md5(n::text) AS digest FROM generate_series(0::bigint, %s) AS n",
    "sqlite": "SELECT value AS n, lower(hex(randomblob(16))) AS digest FROM json_each(%s)",
}
OBJECT = {"postgresql": "jsonb_build_object", "sqlite": "json_object"}


def fill(app: Any, kind: str, user: str, size: int) -> tuple[list[str], SyncToken]:
    """Give a user that many records; return some of their ids, and the token of an empty list.

    The database makes the records itself: requests would take hours.
    """
    # The first access tells under which name the storage knows the user.
    token = send(app, "GET", f"{URL}?_sync=", user, 200).headers["Sync-Token"]
    storage = app.registry.storage
    parents = storage.all_resources_timestamps("mushroom")
    parent = max(parents, key=lambda one: parents[one])
    place = (parent, "mushroom")
    with storage.client.begin() as session:
        for begin in range(0, size, 100_000):
            number = min(100_000, size - begin)
            session.execute(
                "INSERT INTO records (parent_id, collection_id, id, last_modified, data)"
                f" SELECT %s, %s, {_ID.format('digest')}, %s + n, {OBJECT[kind]}("
                f"'name', 'mushroom ' || n, 'rank', {modulo(f'(({begin} + n) * 7919)', size)},"
                f" 'family', 'family ' || ({modulo('n', 10)})) FROM ({series(kind, begin)}) AS s",
                (*place, first_timestamp(size) + begin, numbers(kind, number)),
            )
        session.execute(
            "UPDATE timestamps SET live = %s WHERE parent_id = %s AND collection_id = %s",
            (size, *place),
        )
        rows = session.execute(
            "SELECT id FROM records WHERE parent_id = %s AND collection_id = %s"
            f" AND {modulo('last_modified', max(1, size // 300))} = 0 LIMIT 300",
            place,
        ).fetchall()
        session.wrote()
    return [row[0] for row in rows], SyncToken.decode(token)


def modulo(value: str, number: int) -> str:
    """Return the rest of a division in SQL; the usual sign would be that of a parameter."""
    return f"{value} - {value} / {number} * {number}"


def series(kind: str, begin: int) -> str:
    """Return the query for numbers from 0, and an id for each that no other series has."""
    return SERIES[kind].replace("md5(n::text)", f"md5((n + {begin})::text)")


def numbers(kind: str, size: int) -> Any:
    """Return the parameter of `SERIES` for so many numbers."""
    return size - 1 if kind == "postgresql" else json.dumps(list(range(size)))


def add_collections(app: Any, kind: str, number: int, each: int) -> None:
    """Add collections of so many records each, of other users, who write by turns."""
    with app.registry.storage.client.begin() as session:
        for turn in range(each):
            session.execute(
                "INSERT INTO records (parent_id, collection_id, id, last_modified, data)"
                f" SELECT 'other ' || n, 'mushroom', {_ID.format('digest')}, %s, {OBJECT[kind]}("
                "'name', 'one', 'rank', n, 'family', 'family 3')"
                f" FROM ({series(kind, turn * number)}) AS s",
                (first_timestamp(each) + turn, numbers(kind, number)),
            )
        session.execute(
            "INSERT INTO timestamps (parent_id, collection_id, last_modified, live)"
            f" SELECT 'other ' || n, 'mushroom', %s, %s FROM ({SERIES[kind]}) AS s",
            (LAST_TIMESTAMP, each, numbers(kind, number)),
        )
        session.wrote()


def batched(items: Iterator[Any], number: int) -> Iterator[list[Any]]:
    """Cut an iteration in lists."""
    while batch := list(itertools.islice(items, number)):
        yield batch


def deep_page(app: Any, user: str, size: int) -> str:
    """Return the address of a page in the middle of the collection."""
    middle = first_timestamp(size) + size // 2
    page = send(app, "GET", f"{URL}?_limit=1&_before={middle}", user, 200)
    # The token of that page, without the filter: it says where the next page begins.
    token = urlsplit(page.headers["Next-Page"]).query.split("_token=")[1].split("&")[0]
    return f"{URL}?_limit=100&_token={token}"


def requests(app: Any, user: str, size: int, ids: list[str], token: SyncToken) -> dict[str, Call]:
    """Return the requests to time in one collection."""
    some = itertools.cycle(ids)
    deep = deep_page(app, user, size)
    etag = send(app, "HEAD", URL, user, 200).headers["ETag"]
    near = f"{URL}?_since={LAST_TIMESTAMP - 20}&_limit=20"
    far = f"{URL}?_since={first_timestamp(size)}&_limit={PAGE}"
    family = "family=%22family+3%22&_limit=20"
    by_rank = f"{family}&_sort=rank"
    rank = itertools.cycle(range(0, size, max(1, size // 300)))
    body = {"data": {"name": "Cep", "rank": 1, "family": "none"}}
    # Writes come last in each round: the ETag of the 304 must stay true.
    fresh = {"etag": etag}

    def unchanged() -> None:
        send(app, "GET", URL, user, 304, **{"If-None-Match": fresh["etag"]})

    def refresh() -> None:
        etag = send(app, "HEAD", f"{URL}?_limit=1", user, 200).headers["ETag"]
        fresh.update(etag=etag, synced=synced(int(etag.strip('"'))))

    def synced(position: int) -> str:
        return f"{URL}?_sync={token._replace(position=position).encode()}&_limit={PAGE}"

    def sync_unchanged() -> None:
        send(app, "GET", fresh["synced"], user, 304, **{"If-None-Match": fresh["etag"]})

    sync_near, sync_far = synced(LAST_TIMESTAMP - 20), synced(first_timestamp(size))

    def get(path: str, **headers: str) -> Call:
        return lambda: send(app, "GET", path, user, 200, **headers)

    refresh()
    return {
        "GET record": lambda: send(app, "GET", f"{URL}/{next(some)}", user, 200),
        "GET list of 100": lambda: send(app, "GET", f"{URL}?_limit=100", user, 200),
        "GET deep page of 100": lambda: send(app, "GET", deep, user, 200),
        "GET list, 304": unchanged,
        "GET _since near": get(near),
        "GET _since far, no total": get(far, **NO_TOTAL),
        "GET _since far": get(far),
        "GET _sync, the start": get(f"{URL}?_sync=&_limit={PAGE}"),
        "GET _sync near": get(sync_near),
        "GET _sync far": get(sync_far),
        "GET _sync, 304": sync_unchanged,
        "GET rank=n": lambda: send(app, "GET", f"{URL}?rank={next(rank)}", user, 200),
        "GET _sort=rank, 100": get(f"{URL}?_sort=rank&_limit=100"),
        "GET min_rank, sorted, 100": get(f"{URL}?min_rank={size - 50}&_sort=rank&_limit=100"),
        "GET family=x, no total": get(f"{URL}?{family}", **NO_TOTAL),
        "GET family=x, sorted, no total": get(f"{URL}?{by_rank}", **NO_TOTAL),
        "GET family=x": get(f"{URL}?{family}"),
        "GET family=x, sorted": get(f"{URL}?{by_rank}"),
        "POST": lambda: send(app, "POST", URL, user, 201, body),
        "PUT": lambda: send(app, "PUT", f"{URL}/{next(some)}", user, 200, body),
        "PATCH": lambda: send(app, "PATCH", f"{URL}/{next(some)}", user, 200, body),
        "refresh": refresh,
    }


def microseconds(call: Call, calls: int) -> float:
    """Return the mean duration of a call, in microseconds; slow ones are called less often."""
    begin = time.perf_counter()
    number, spent = 0, 0.0
    while number < calls and spent < MAX_ROUND_SECONDS:
        call()
        number, spent = number + 1, time.perf_counter() - begin
    return spent / number * 1e6


def walk(app: Any, user: str, path: str) -> Iterator[float]:
    """Read a list to its end; yield the seconds of each page."""
    following: str | None = path
    while following:
        address = urlsplit(following)
        begin = time.perf_counter()
        page = send(app, "GET", f"{address.path}?{address.query}", user, 200)
        following = page.headers.get("Next-Page")
        yield time.perf_counter() - begin


def walks(app: Any, sizes: list[int]) -> dict[str, dict[int, float]]:
    """Return the µs of a page of three walks through each collection, which take turns."""
    paths = {
        "a page of the list, all": f"{URL}?_limit={PAGE}",
        "a page by _since, all": f"{URL}?_since={first_timestamp(max(sizes)) - 1}&_limit={PAGE}",
        "a page by _sync, all": f"{URL}?_sync=&_limit={PAGE}",
    }
    figures: dict[str, dict[int, float]] = {name: {} for name in paths}
    for size in sizes:
        walkers = [walk(app, f"user{size}", path) for path in paths.values()]
        turns = list(itertools.zip_longest(*walkers))
        for name, seconds in zip(paths, zip(*turns, strict=True), strict=True):
            # The first page has a total that the others do not need to count.
            pages = [one for one in seconds if one is not None][1:]
            figures[name][size] = statistics.mean(pages) * 1e6
    return figures


def measure(
    kind: str, urls: tuple[str, str], asked: argparse.Namespace
) -> dict[str, dict[Any, float]]:
    """Fill the collections, and return the µs of each request in each."""
    sizes, collections = asked.sizes, asked.collections
    app = make_service(kind, urls[0], asked.total_records)
    calls: dict[Any, dict[str, Call]] = {}
    for size in sizes:
        calls[size] = filled_calls(app, kind, size)
    if collections:
        crowded = make_service(kind, urls[1], asked.total_records)
        with scope.without_time_limits():
            add_collections(crowded, kind, collections, asked.each)
        calls[f"{sizes[0]}, {collections} others"] = filled_calls(crowded, kind, sizes[0])
        analyse(crowded)
    analyse(app)
    walked = walks(app, [size for size in sizes if size <= MAX_WALK])
    return {**medians(calls, asked.rounds), **walked}


def filled_calls(app: Any, kind: str, size: int) -> dict[str, Call]:
    """Fill one collection, and return the requests to time in it."""
    user = f"user{size}"
    with scope.without_time_limits():
        filled = fill(app, kind, user, size)
    print(f"  {size} records", file=sys.stderr)
    return requests(app, user, size, *filled)


def medians(calls: dict[Any, dict[str, Call]], rounds: int) -> dict[str, dict[Any, float]]:
    """Return the µs of each request in each collection, which take turns."""
    durations: dict[tuple[str, Any], list[float]] = {}
    for by_name in calls.values():
        for name, call in by_name.items():
            microseconds(call, 1 if name == "refresh" else WARM_UP_CALLS)
    names = [name for name in next(iter(calls.values())) if name != "refresh"]
    for _ in range(rounds):
        for name in (*names, "refresh"):
            for size in calls:
                number = 1 if name == "refresh" else CALLS_PER_ROUND
                spent = microseconds(calls[size][name], number)
                durations.setdefault((name, size), []).append(spent)
    return {
        name: {size: statistics.median(durations[name, size]) for size in calls} for name in names
    }


def table(kind: str, figures: dict[str, dict[Any, float]], rounds: int) -> str:
    """Return the figures as text, one line for each request."""
    columns = max(figures.values(), key=len)
    sizes = [column for column in columns if isinstance(column, int)]
    lines = [
        f"\n{kind}: median of {rounds} rounds of {CALLS_PER_ROUND} requests, in µs",
        f"{'':30}"
        + "".join(f" {column!s:>11}" for column in columns)
        + f"{'largest/smallest':>18}",
    ]
    for name, by_size in figures.items():
        present = [size for size in sizes if size in by_size]
        ratio = by_size[present[-1]] / by_size[present[0]]
        cells = "".join(
            f" {by_size[column]:{max(11, len(str(column)))}.0f}" if column in by_size else " " * 12
            for column in columns
        )
        lines.append(f"{name:30}{cells}{ratio:17.2f}x")
    return "\n".join(lines)


def plot(kind: str, figures: dict[str, dict[Any, float]], folder: Path) -> None:
    """Write a chart of the curves of one backend: ``curves-<backend>.svg``."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots()
    lines = ("solid", "dashed", "dotted")
    for place, (name, by_size) in enumerate(figures.items()):
        sizes = [size for size in by_size if isinstance(size, int)]
        ratios = [by_size[size] / by_size[sizes[0]] for size in sizes]
        line = lines[place // 10 % len(lines)]
        axes.plot(sizes, ratios, marker="o", linestyle=line, color=f"C{place % 10}", label=name)
    axes.axhline(LIMIT, color="grey", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("records in the collection")
    axes.set_ylabel("time of a request, divided by that in the smallest collection")
    axes.set_title(f"Requests in collections of growing size, {kind}; the line is at {LIMIT}")
    axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    # Letters stay text, and the same figures make the same file.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "curves"}):
        figure.savefig(folder / f"curves-{kind}.svg", metadata={"Date": None})


def analyse(app: Any) -> None:
    """Let the database look at what it holds, as it does by itself in time."""
    with (
        scope.without_time_limits(),
        app.registry.storage.client.connect(readonly=True) as session,
    ):
        session.execute("ANALYZE")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Time requests in collections of growing size.")
    parser.add_argument(
        "--backends", default="sqlite,postgresql", type=lambda text: text.split(",")
    )
    parser.add_argument(
        "--sizes", default=list(SIZES), type=lambda text: [int(size) for size in text.split(",")]
    )
    parser.add_argument("--rounds", default=ROUNDS, type=int)
    parser.add_argument("--collections", default=0, type=int, help="others in a second database")
    parser.add_argument("--each", default=1, type=int, help="records of each of these")
    parser.add_argument(
        "--total-records",
        default="exact",
        choices=("exact", "first-page", "head"),
        help="which lists have a total, as the setting of this name says",
    )
    parser.add_argument("--output", type=Path, help="folder for curves.json and the charts")
    return parser.parse_args()


@contextlib.contextmanager
def databases(kind: str) -> Iterator[tuple[str, str]]:
    """Give the URLs of two empty databases."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/data.db", f"sqlite:///{folder}/others.db"
        return
    # The server of the tests: it needs no configuration of the machine.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from servers.postgresql import new_database, running_postgresql

    with running_postgresql() as server, new_database(server.url) as others:
        yield f"{server.url}/postgres", others


def main() -> None:
    """Measure each backend."""
    asked = arguments()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    everything = {}
    for kind in asked.backends:
        with databases(kind) as urls:
            figures = measure(kind, urls, asked)
        print(table(kind, figures, asked.rounds), flush=True)
        everything[kind] = figures
        if asked.output:
            asked.output.mkdir(parents=True, exist_ok=True)
            text = json.dumps(everything, indent=2)
            (asked.output / "curves.json").write_text(text + "\n")
            if importlib.util.find_spec("matplotlib"):
                plot(kind, figures, asked.output)


if __name__ == "__main__":
    main()
