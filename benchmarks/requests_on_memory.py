"""Time requests next to a bare Pyramid view, on the backends in memory, and the import.

Everything runs in one process and one go, so that the ratios can be compared between machines. The
cases take turns: a slow moment of the machine is spread over all of them.
"""

from __future__ import annotations

import json
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import colander
import cornice
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED

from cliquet import resource
from cliquet.testing.web import basic_auth, make_app

ROUNDS = 9
CALLS_PER_ROUND = 150
IMPORTS = 5
RECORDS = 100

RECORD_ID = "8e2f8d2a-5a3c-4a57-9f1a-0b6a54bd0a01"
URL = "/v0/mushrooms"

Call = Callable[[], Any]


class Mushroom(resource.UserResource):
    """What the example service serves."""

    class MushroomSchema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String())
        edible = colander.SchemaNode(colander.Boolean(), missing=colander.drop)

    mapping = MushroomSchema()


def plain_view(request: Request) -> dict[str, str]:
    """Answer a small object: what any view does at the least."""
    return {"hello": "world"}


def caller(app: Any, method: str, path: str, status: int, body: Any = None) -> Call:
    """Return a function that sends one request, and checks that it does what is timed."""
    raw = b"" if body is None else json.dumps(body).encode()

    def call() -> None:
        request = Request.blank(path, method=method, headers=basic_auth(), body=raw)
        if raw:
            request.content_type = "application/json"
        response = request.get_response(app)
        if response.status_code != status:
            raise SystemExit(f"{method} {path} answers {response.status}: {response.text}")

    return call


def bare_pyramid() -> Any:
    """Return an application of one Pyramid view."""
    config = Configurator()
    config.add_route("hello", "/")
    config.add_view(plain_view, route_name="hello", renderer="json")
    return config.make_wsgi_app()


def bare_cornice() -> Any:
    """Return an application of one Cornice service, with the same view."""
    config = Configurator()
    config.include("cornice")
    service = cornice.Service(name="hello", path="/")
    service.add_view("GET", plain_view, permission=NO_PERMISSION_REQUIRED)
    config.add_cornice_service(service)
    return config.make_wsgi_app()


def cases() -> dict[str, Call]:
    """Return the requests to time; those of one collection each have it to themselves."""

    def service(records: int = 1) -> Any:
        app = make_app([Mushroom]).app
        caller(app, "PUT", f"{URL}/{RECORD_ID}", 201, {"data": {"name": "Morel"}})()
        create = caller(app, "POST", URL, 201, {"data": {"name": "Cep", "edible": True}})
        for _ in range(records - 1):
            create()
        return app

    record = f"{URL}/{RECORD_ID}"
    patched = service()
    numbers = iter(range(10**9))

    def patch() -> None:
        # Another value each time: a PATCH that changes nothing writes nothing.
        caller(patched, "PATCH", record, 200, {"data": {"name": f"Morel {next(numbers)}"}})()

    return {
        "bare Pyramid view": caller(bare_pyramid(), "GET", "/", 200),
        "bare Cornice service": caller(bare_cornice(), "GET", "/", 200),
        "GET hello view": caller(service(), "GET", "/v0/", 200),
        "GET record": caller(service(), "GET", record, 200),
        f"GET list of {RECORDS}": caller(service(RECORDS), "GET", URL, 200),
        "POST": caller(service(), "POST", URL, 201, {"data": {"name": "Cep", "edible": True}}),
        "PUT": caller(service(), "PUT", record, 200, {"data": {"name": "Morel"}}),
        "PATCH": patch,
    }


def microseconds(call: Call) -> float:
    """Return the mean duration of a call in one round, in microseconds."""
    begin = time.perf_counter()
    for _ in range(CALLS_PER_ROUND):
        call()
    return (time.perf_counter() - begin) / CALLS_PER_ROUND * 1e6


def import_seconds(statement: str) -> float:
    """Return the median duration of an import in fresh interpreters, in seconds."""
    program = (
        f"import time; begin = time.perf_counter()\n{statement}\nprint(time.perf_counter() - begin)"
    )

    def once() -> float:
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            capture_output=True,
            text=True,
            check=True,
        )
        return float(run.stdout)

    once()  # compiles, and warms the disk cache
    return statistics.median(once() for _ in range(IMPORTS))


def main() -> None:
    """Print one line per case: duration, and ratio to the bare Pyramid view."""
    # What logs cost depends on where they go; they are off.
    logging.disable(logging.CRITICAL)
    calls = cases()
    for call in calls.values():
        microseconds(call)
    rounds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            rounds[name].append(microseconds(call))
    medians = {name: statistics.median(durations) for name, durations in rounds.items()}

    reference = next(iter(medians.values()))
    print(f"Python {sys.version.split()[0]}, median of {ROUNDS} rounds of {CALLS_PER_ROUND} calls")
    print("The cost of making the request object (WebOb) is in every figure.\n")
    for name, duration in medians.items():
        print(f"{name:24} {duration:8.0f} µs {duration / reference:7.1f} x")
    print(f"\nMedian of {IMPORTS} warm runs in fresh interpreters:")
    for statement in (
        "import cliquet",
        "import cliquet; cliquet.initialize",
        "import cliquet; cliquet.initialize; import cliquet.resource",
    ):
        print(f"{statement:62} {import_seconds(statement):6.3f} s")


if __name__ == "__main__":
    main()
