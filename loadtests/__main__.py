"""Runs the load, and reports. `make bench SERVER_URL=...` starts it."""

from __future__ import annotations

import datetime
import json
import random
import signal
import sys
import time
import uuid
from typing import Any

import gevent
import gevent.event

# Before anything that opens connections: it makes them those of gevent.
from locust.env import Environment

from loadtests import chart, report
from loadtests.clients import OPERATIONS, Client
from loadtests.exchange import Exchange, Send, make_accounts
from loadtests.figures import Figures
from loadtests.options import Options, parse
from loadtests.service import Service, UnusableServiceError, check_usable, discover
from loadtests.users import TIMEOUT_SECONDS, user_class

LINE_SECONDS = 5.0
TERMINAL_LINE_SECONDS = 1.0
ERASE_TO_END_OF_LINE = "\x1b[K"
INTERRUPTED = 130  # the status that shells give to what Ctrl-C ended


def main() -> int:
    """Return the exit status: 1 after failures or when the load cannot be run."""
    options = parse()
    # New accounts: what earlier runs have left does not change the figures.
    prefix = f"loadtest-{uuid.uuid4().hex[:8]}"
    try:
        service = discover(options.server_url, options.resource)
        check_usable(service, options.record, f"{prefix}-check")
        options.output.mkdir(parents=True, exist_ok=True)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (UnusableServiceError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{service.collection_url}: {options.users} users for {options.duration_seconds:g} s")
    figures = Figures()
    elapsed_seconds, interrupted = run(options, service, prefix, figures)
    show(options, service, figures, elapsed_seconds)
    if figures.failure_count:
        return 1
    return INTERRUPTED if interrupted else 0


def run(options: Options, service: Service, prefix: str, figures: Figures) -> tuple[float, bool]:
    """Run the users until the time is over, or Ctrl-C; return the seconds, and whether it was."""
    waiting = iter(make_accounts(options.users, prefix))

    def make_client(send: Send, generator: random.Random) -> Client:
        account = next(waiting)
        return Client(
            account,
            Exchange(account, send, figures),
            service=service,
            template=options.record,
            generator=generator,
        )

    environment = Environment(
        user_classes=[user_class(service.url, make_client)],
        # Every request that was sent is counted: the slowest ones must not be cut off.
        stop_timeout=TIMEOUT_SECONDS + 1,
    )
    runner = environment.create_local_runner()
    interrupted = gevent.event.Event()
    watcher = gevent.signal_handler(signal.SIGINT, interrupted.set)
    start = time.perf_counter()
    runner.start(options.users, spawn_rate=options.spawn_rate)
    on_terminal = sys.stdout.isatty()
    interval = TERMINAL_LINE_SECONDS if on_terminal else LINE_SECONDS
    last = start
    while (left := start + options.duration_seconds - time.perf_counter()) > 0:
        if interrupted.wait(min(interval, left)):
            break
        now = time.perf_counter()
        line = report.progress(
            elapsed_seconds=now - start,
            duration_seconds=options.duration_seconds,
            users=runner.user_count,
            recent=figures.take_recent(),
            interval_seconds=now - last,
            failure_count=figures.failure_count,
        )
        last = now
        if on_terminal:
            print(f"\r{line}{ERASE_TO_END_OF_LINE}", end="", flush=True)
        else:
            print(line, flush=True)
    runner.quit()
    elapsed_seconds = time.perf_counter() - start
    watcher.cancel()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if on_terminal:
        print()
    return elapsed_seconds, interrupted.is_set()


def show(options: Options, service: Service, figures: Figures, elapsed_seconds: float) -> None:
    """Print the table, and write the files."""
    rows = figures.rows([operation.name for operation in OPERATIONS], elapsed_seconds)
    print(f"\n{report.table(rows)}\n")
    if figures.failures:
        print(f"Failures:\n{report.failures(figures.failures)}\n")
    run_facts: dict[str, Any] = {
        "url": service.collection_url,
        "ended": f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M:%S} UTC",
        "users": options.users,
        "elapsed_seconds": round(elapsed_seconds, 2),
        "batch_size": service.batch_size,
    }
    total = rows[-1]
    images = [options.output / "latencies.svg", options.output / "latencies.png"]
    written = [options.output / "figures.json"]
    content = report.as_json(rows, figures.failures, run_facts)
    written[0].write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if total.latencies_ms:
        chart.draw(
            rows,
            f"Latencies of {service.collection_url}",
            f"{options.users} users at once, {total.per_second:.0f} requests/s for "
            f"{elapsed_seconds:.0f} s, failures: {total.failures}. {run_facts['ended']}.",
            images,
        )
        written += images
    print("Written: " + ", ".join(map(str, written)))


if __name__ == "__main__":
    sys.exit(main())
