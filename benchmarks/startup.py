"""How long a service takes to start, and how much memory it takes, in processes of its own.

    python benchmarks/startup.py [memory,sqlite,postgresql] [REQUESTS]

Printed are the seconds of the import and of the start, each as processor time and as waited for
(medians of fresh processes), and the resident memory at the start and while it serves a mix of all
requests. With PostgreSQL, the cache is in Redis.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "compare"), str(HERE / "compare" / "peers"), str(HERE.parent / "tests")]

STARTS = 3
REQUESTS = 20_000
FIRST_LOOK = 1_000
SECRET = "b4c96a8692291d88fe5a97dd91846eb4"
# What is asked for, and how often in a hundred requests.
MIX = {
    "hello": 10,
    "GET one": 40,
    "list of 100": 5,
    "filtered, sorted list of 20": 5,
    "POST": 15,
    "PUT": 10,
    "PATCH": 14,
    "batch of 25 POST": 1,
}


# The process that is measured


def start(settings: dict[str, str], requests: int) -> None:
    """Start a service, tell what it took, and serve so many requests."""
    begin = time.perf_counter(), time.process_time()
    import cliquet
    from cliquet import resource
    from cliquet.initialization import initialize

    assert resource.ShareableResource is not None
    imported = time.perf_counter(), time.process_time()
    from pyramid.config import Configurator

    config = Configurator(settings=settings)
    initialize(config, version="1.0")
    assert cliquet.PROTOCOL_VERSION
    end = time.perf_counter(), time.process_time()
    figures: dict[str, Any] = {
        "import": [imported[0] - begin[0], imported[1] - begin[1]],
        "initialize": [end[0] - imported[0], end[1] - imported[1]],
    }
    if requests:
        figures["memory"] = dict(_serve(config, requests))
    print(json.dumps(figures))


def _serve(config: Any, requests: int) -> Iterator[tuple[int, float]]:
    """Yield the resident memory after some numbers of requests."""
    import cliquet_service
    from operations import OPERATIONS
    from serving import resident_mb, seed, wsgi_caller

    config.scan("cliquet_service")
    app = config.make_wsgi_app()
    for kind in ("storage", "permission", "cache"):
        getattr(app.registry, kind).initialize_schema()
    ask, peer = wsgi_caller(app), cliquet_service.PEER
    record_id = seed(peer, ask)
    yield 0, resident_mb()
    by_name = {one.name: one.requests(peer, record_id, "") for one in OPERATIONS}
    # Another one at each step, as clients mix them.
    names = [name for name, share in MIX.items() for _ in range(share)]
    for number in range(1, requests + 1):
        sent = next(by_name[names[number * 37 % len(names)]])
        answer = ask(sent)
        if answer.status != sent.status:
            raise SystemExit(f"{sent.method} {sent.path} answers {answer.status}")
        if number == FIRST_LOOK or number % (requests // 2) == 0:
            yield number, resident_mb()


# The process that compares


def settings_of(backend: str, url: str, cache: dict[str, str]) -> dict[str, str]:
    """Return the settings of a service on a backend."""
    settings = {"project_name": "bench", "userid_hmac_secret": SECRET}
    for permission in ("create", "read", "write"):
        settings[f"mushroom_{permission}_principals"] = "system.Authenticated"
    for kind in ("storage", "permission", "cache"):
        settings[f"{kind}_backend"] = f"cliquet.{kind}.{backend}"
        if url:
            settings[f"{kind}_url"] = f"{url}-cache" if kind == "cache" else url
    return {**settings, **cache}


def run(settings: dict[str, str], requests: int, compiled: Path) -> dict[str, Any]:
    """Return what a fresh process tells.

    Parameters
    ----------
    compiled : folder of the compiled modules. The start of an installed service does not include to
        compile its own modules, which takes as long as all the rest.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(compiled)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, "start", json.dumps(settings), str(requests)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(title: str, settings: dict[str, str], requests: int) -> None:
    """Print the figures of one service."""
    with tempfile.TemporaryDirectory() as folder:
        memory = run(settings, requests, Path(folder))["memory"]
        starts = [run(settings, 0, Path(folder)) for _ in range(STARTS)]
    print(f"\n{title}")
    totals = [0.0, 0.0]
    for step in ("import", "initialize"):
        waited, spent = (statistics.median(one[step][n] for one in starts) for n in (0, 1))
        totals = [totals[0] + waited, totals[1] + spent]
        print(f"  {step:12} {waited:6.3f} s waited, {spent:6.3f} s of the processor")
    print(f"  {'together':12} {totals[0]:6.3f} s waited, {totals[1]:6.3f} s of the processor")
    for number, megabytes in memory.items():
        print(f"  {megabytes:6.1f} MB after {int(number):6} requests", flush=True)


@contextlib.contextmanager
def services(backends: list[str]) -> Iterator[dict[str, dict[str, str]]]:
    """Give the settings of each service, while its servers run."""
    found = {}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        for backend in backends:
            url, title, cache = "", backend, {}
            if backend == "sqlite":
                url = f"sqlite:///{folder}/bench.db"
            elif backend == "postgresql":
                from servers.postgresql import running_postgresql
                from servers.redis import running_redis

                url = f"{stack.enter_context(running_postgresql()).url}/postgres"
                redis = stack.enter_context(running_redis())
                cache = {"cache_backend": "cliquet.cache.redis", "cache_url": f"{redis}/0"}
                title = "postgresql and redis"
            found[title] = settings_of(backend, url, cache)
        yield found


def main() -> None:
    """Measure a service on each backend."""
    backends = sys.argv[1].split(",") if len(sys.argv) > 1 else ["memory", "sqlite", "postgresql"]
    requests = int(sys.argv[2]) if len(sys.argv) > 2 else REQUESTS
    print(f"Python {sys.version.split()[0]}, median of {STARTS} starts")
    with services(backends) as found:
        for title, settings in found.items():
            measure(title, settings, requests)


if __name__ == "__main__":
    if sys.argv[1:2] == ["start"]:
        start(json.loads(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
