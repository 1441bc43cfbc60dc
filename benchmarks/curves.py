"""What requests cost in small and large collections, on PostgreSQL and SQLite.

    python benchmarks/curves.py                             # both, SQLite in a temporary folder
    python benchmarks/curves.py --backends sqlite --sizes 300,30000 --rounds 5 --output folder

One process, one go: each request is timed in collections of 300, 30 000 and 300 000 records, in
turns, and compared with the smallest. A cost that grows with the collection shows as a ratio. Then
each collection is walked in pages of 100, as a list and by ``_since`` from its beginning. With a
folder, the figures are written there, and a chart where matplotlib is installed.
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
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import colander
from pyramid.request import Request

from cliquet import resource
from cliquet.storage.transfer import ExportedEntry, ImportedCollection
from cliquet.testing.web import basic_auth, make_app

SIZES = (300, 30_000, 300_000)
ROUNDS = 15
PAGE = 100
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
    near = f"{URL}?_since={FIRST_TIMESTAMP + size - 20}&_limit=20"
    far = f"{URL}?_since={FIRST_TIMESTAMP}&_limit={PAGE}"
    family = "family=%22family+3%22&_limit=20"
    by_rank = f"{family}&_sort=rank"
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
        "GET _since near": lambda: send(app, "GET", near, user, 200),
        "GET _since far, 100": lambda: send(app, "GET", far, user, 200),
        "GET family=x, 20": lambda: send(app, "GET", f"{URL}?{family}", user, 200),
        "GET family=x, sorted, 20": lambda: send(app, "GET", f"{URL}?{by_rank}", user, 200),
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


def walk(app: Any, user: str, path: str) -> tuple[int, float]:
    """Read a list to its end; return the number of pages, and the mean of their µs."""
    pages, begin = 0, time.perf_counter()
    following: str | None = path
    while following:
        address = urlsplit(following)
        page = send(app, "GET", f"{address.path}?{address.query}", user, 200)
        following, pages = page.headers.get("Next-Page"), pages + 1
    return pages, (time.perf_counter() - begin) / pages * 1e6


def walks(app: Any, sizes: list[int]) -> dict[str, dict[int, float]]:
    """Return the µs of a page of a walk through each collection, as a list and by ``_since``."""
    paths = {
        "a page of the list, all": f"{URL}?_limit={PAGE}",
        "a page by _since, all": f"{URL}?_since={FIRST_TIMESTAMP - 1}&_limit={PAGE}",
    }
    return {
        name: {size: walk(app, f"user{size}", path)[1] for size in sizes}
        for name, path in paths.items()
    }


def measure(kind: str, url: str, sizes: list[int], rounds: int) -> dict[str, dict[int, float]]:
    """Fill the collections, and return the µs of each request in each."""
    app = make_service(kind, url)
    calls: dict[int, dict[str, Call]] = {}
    for size in sizes:
        user = f"user{size}"
        calls[size] = requests(app, user, size, fill(app, user, size))
        print(f"  {size} records", file=sys.stderr)
    analyse(app)
    durations: dict[tuple[str, int], list[float]] = {}
    for by_name in calls.values():
        for call in by_name.values():
            microseconds(call, WARM_UP_CALLS if call is not by_name["refresh"] else 1)
    for _ in range(rounds):
        for name in next(iter(calls.values())):
            for size in sizes:
                number = 1 if name == "refresh" else CALLS_PER_ROUND
                spent = microseconds(calls[size][name], number)
                durations.setdefault((name, size), []).append(spent)
    names = [name for name in next(iter(calls.values())) if name != "refresh"]
    medians = {
        name: {size: statistics.median(durations[name, size]) for size in sizes} for name in names
    }
    return {**medians, **walks(app, sizes)}


def table(kind: str, figures: dict[str, dict[int, float]], rounds: int) -> str:
    """Return the figures as text, one line for each request."""
    sizes = list(next(iter(figures.values())))
    lines = [
        f"\n{kind}: median of {rounds} rounds of {CALLS_PER_ROUND} requests, in µs",
        f"{'':28}" + "".join(f"{size:>12}" for size in sizes) + f"{'largest/smallest':>18}",
    ]
    for name, by_size in figures.items():
        ratio = by_size[sizes[-1]] / by_size[sizes[0]]
        cells = "".join(f"{value:12.0f}" for value in by_size.values())
        lines.append(f"{name:28}{cells}{ratio:17.2f}x")
    return "\n".join(lines)


def plot(kind: str, figures: dict[str, dict[int, float]], folder: Path) -> None:
    """Write a chart of the curves of one backend: ``curves-<backend>.svg``."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.subplots()
    for name, by_size in figures.items():
        axes.plot(list(by_size), list(by_size.values()), marker="o", label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("records in the collection")
    axes.set_ylabel("µs that a request takes")
    axes.set_title(f"Requests in collections of growing size, {kind}")
    axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(folder / f"curves-{kind}.svg")


def analyse(app: Any) -> None:
    """Let the database look at what it holds, as it does by itself in time."""
    with app.registry.storage.client.connect(readonly=True) as session:
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
    parser.add_argument("--output", type=Path, help="folder for curves.json and the charts")
    return parser.parse_args()


@contextlib.contextmanager
def database(kind: str) -> Iterator[str]:
    """Give the URL of an empty database."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/data.db"
        return
    # The server of the tests: it needs no configuration of the machine.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from servers.postgresql import running_postgresql

    with running_postgresql() as server:
        yield f"{server.url}/postgres"


def main() -> None:
    """Measure each backend."""
    asked = arguments()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    everything = {}
    for kind in asked.backends:
        with database(kind) as url:
            figures = measure(kind, url, asked.sizes, asked.rounds)
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
