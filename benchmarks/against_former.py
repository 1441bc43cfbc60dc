"""Compare the processor time of requests with that of another version of the library.

    python benchmarks/against_former.py FORMER_PYTHON [BACKEND_URL]

`FORMER_PYTHON` is the interpreter of a virtual environment where the other version is installed.
Each version serves in a process of its own, and they take turns, so that a slow moment of the
machine meets both; what counts is the ratio. Backends are in memory, or share the database of
`BACKEND_URL`
(``sqlite:////tmp/bench.db``, ``postgresql://…``), which is emptied.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROUNDS = 30
CALLS_PER_ROUND = 100
RECORD_ID = "8e2f8d2a-5a3c-4a57-9f1a-0b6a54bd0a01"

Call = Callable[[], None]


def serve(backend_url: str) -> None:
    """Time the case that each line of the input names; answer with µs of processor time a call."""
    calls = make_cases(backend_url)
    print(json.dumps(list(calls)), flush=True)
    for line in sys.stdin:
        call = calls[line.strip()]
        start = time.process_time()
        for _ in range(CALLS_PER_ROUND):
            call()
        print((time.process_time() - start) / CALLS_PER_ROUND * 1e6, flush=True)


def make_cases(backend_url: str) -> dict[str, Call]:
    """Return what is timed, by name."""
    import colander
    from pyramid.request import Request

    from cliquet import resource
    from cliquet.testing.web import basic_auth, make_app

    class Schema(resource.ResourceSchema):
        name = colander.SchemaNode(colander.String())
        rank = colander.SchemaNode(colander.Integer(), missing=colander.drop)

    class Mushroom(resource.UserResource):
        mapping = Schema()

    class Toadstool(resource.ShareableResource):
        mapping = Schema()

    settings = {"toadstool_create_principals": "system.Authenticated"}
    if backend_url:
        family = backend_url.partition(":")[0]
        for kind in ("storage", "permission"):
            settings[f"{kind}_backend"] = f"cliquet.{kind}.{family}"
            settings[f"{kind}_url"] = backend_url
    app = make_app([Mushroom, Toadstool], settings=settings).app
    for backend in (app.registry.storage, app.registry.permission):
        backend.initialize_schema()
        backend.flush()

    def caller(method: str, path: str, status: int, body: Any = None) -> Call:
        raw = b"" if body is None else json.dumps(body).encode()

        def call() -> None:
            request = Request.blank(f"/v0{path}", method=method, headers=basic_auth(), body=raw)
            if raw:
                request.content_type = "application/json"
            response = request.get_response(app)
            if response.status_code != status:
                raise SystemExit(f"{method} {path} answers {response.status}: {response.text}")

        return call

    record = {"data": {"name": "Morel", "rank": 1}}
    calls = {"hello": caller("GET", "/", 200)}
    for plural in ("mushrooms", "toadstools"):
        url = f"/{plural}/{RECORD_ID}"
        caller("PUT", url, 201, record)()
        for _ in range(99):
            caller("POST", f"/{plural}", 201, record)()
        calls |= {
            f"{plural} GET": caller("GET", url, 200),
            f"{plural} list of 25": caller("GET", f"/{plural}?_limit=25", 200),
            f"{plural} filtered": caller("GET", f"/{plural}?rank=1&_sort=-name&_limit=25", 200),
            f"{plural} PUT": caller("PUT", url, 200, record),
            f"{plural} PATCH": caller("PATCH", url, 200, record),
            f"{plural} POST": caller("POST", f"/{plural}", 201, record),
        }
    batch = {
        "requests": [{"method": "PATCH", "path": f"/mushrooms/{RECORD_ID}", "body": record}] * 10
    }
    calls["batch of 10 PATCH"] = caller("POST", "/batch", 200, batch)
    return calls


def start(python: str, backend_url: str) -> tuple[subprocess.Popen[str], list[str]]:
    """Start a version; return it and the names of its cases."""
    process = subprocess.Popen(
        [python, str(Path(__file__).resolve()), "--serve", backend_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def ask(process: subprocess.Popen[str], case: str) -> float:
    """Have a version run a case; return the µs of a call."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{case}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main(former_python: str, backend_url: str = "") -> None:
    """Print the ratio of this version to the former one, for each case."""
    # One after the other: each empties the backends, which they then share.
    (former, cases), (present, _) = (
        start(python, backend_url) for python in (former_python, sys.executable)
    )
    print(f"{'':24} {'former':>9} {'present':>9} {'ratio':>6}")
    for case in cases:
        ratios, times = [], []
        ask(former, case), ask(present, case)
        for turn in range(ROUNDS):
            pair = (former, present) if turn % 2 else (present, former)
            took = {process.pid: ask(process, case) for process in pair}
            times.append((took[former.pid], took[present.pid]))
            ratios.append(took[present.pid] / took[former.pid])
        medians = [statistics.median(column) for column in zip(*times, strict=True)]
        print(f"{case:24} {medians[0]:9.1f} {medians[1]:9.1f} {statistics.median(ratios):6.3f}")
    for process in (former, present):
        process.stdin.close()  # type: ignore[union-attr]
        process.wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    else:
        main(*sys.argv[1:])
