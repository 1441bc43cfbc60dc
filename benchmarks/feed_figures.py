"""What the live feed costs and how soon it tells: idle streams, many subscribers of one view.

    python benchmarks/feed_figures.py [--streams 1000] [--writes 20] [--backend sqlite|postgresql]

The service runs under gunicorn and the feed beside it as ``cliquet feed``, each a process of its
own; the subscribers are in this process. Printed are the resident memory and the processor time of
the feed without and with its idle streams, the delay from an acknowledged write to its event with
a few subscribers, and from a write to the first, the median and the last of all of them. The
clients compete with the feed for the processors: on two of them, the last ones also wait for their
own process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import resource
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from deployment.service import (
    FEED,
    MUSHROOMS,
    SERVERS,
    USER,
    Service,
    deployed,
    on_postgresql,
    on_sqlite,
)
from servers.postgresql import new_database, running_postgresql

IDLE_SECONDS = 30
FEW_SUBSCRIBERS = 10
FEW_WRITES = 100
PATIENCE_SECONDS = 30
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Process:
    """What a process of the system has used."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)

    def seconds(self) -> float:
        """Return its processor time."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def megabytes(self) -> float:
        """Return its resident memory."""
        return int((self._folder / "statm").read_text().split()[1]) * PAGE_BYTES / 1e6


class Subscriber(asyncio.Protocol):
    """A stream that only notes when each change arrives, so that it costs the least."""

    def __init__(self, port: int) -> None:
        self._request = "".join(
            [
                f"GET {MUSHROOMS}?_sync= HTTP/1.1\r\nHost: localhost:{port}\r\n",
                "Accept: text/event-stream\r\n",
                *(f"{name}: {value}\r\n" for name, value in USER.items()),
                "\r\n",
            ]
        )
        self.is_open = False
        self.times: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request.encode())

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if not self.is_open and b"event: checkpoint" in data:
            self.is_open = True
        self.times += [now] * data.count(b"event: change")


async def subscribe(port: int, number: int) -> list[Subscriber]:
    """Open streams, and wait until each has told its first checkpoint."""
    loop = asyncio.get_running_loop()
    opened = []
    for _ in range(number):
        _, one = await loop.create_connection(lambda: Subscriber(port), "127.0.0.1", port)
        opened.append(one)
    await until(lambda: all(one.is_open for one in opened))
    return opened


async def until(condition: Any) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        await asyncio.sleep(0.002)


async def told(subscribers: Sequence[Subscriber], write: Any, writes: int) -> list[list[float]]:
    """Return for each write the seconds from its acknowledgement to each event."""
    delays = []
    for number in range(writes):
        before = [len(one.times) for one in subscribers]
        await asyncio.to_thread(write, number)
        written = time.perf_counter()
        pairs = list(zip(subscribers, before, strict=True))
        await until(lambda pairs=pairs: all(len(one.times) > count for one, count in pairs))
        delays.append(sorted(one.times[count] - written for one, count in pairs))
        await asyncio.sleep(0.05)
    return delays


async def measure(service: Any, feed: Any, streams: int, writes: int) -> None:
    process = Process(feed.process.pid)
    print(f"feed alone: {process.megabytes():.0f} MB")
    before = process.seconds()
    await asyncio.sleep(IDLE_SECONDS / 3)
    print(f"  {100 * (process.seconds() - before) / (IDLE_SECONDS / 3):.2f} % of a core")

    few = await subscribe(feed.port, FEW_SUBSCRIBERS)

    def write(number: int) -> None:
        # A connection that waited for the idle streams would be closed by the server.
        assert service.create(f"n{number}").status == 201

    delays = sorted(delay for of_write in await told(few, write, FEW_WRITES) for delay in of_write)
    p50, p99 = statistics.median(delays), delays[int(len(delays) * 0.99)]
    print(f"commit to event, {FEW_SUBSCRIBERS} subscribers: {in_ms(p50)} / {in_ms(p99)} (p50/p99)")

    everybody = await subscribe(feed.port, streams - len(few)) + few
    await asyncio.sleep(3)
    before = process.seconds()
    await asyncio.sleep(IDLE_SECONDS)
    share = 100 * (process.seconds() - before) / IDLE_SECONDS
    print(f"{streams} idle streams: {process.megabytes():.0f} MB, {share:.2f} % of a core")

    used = process.seconds()
    per_write = await told(everybody, write, writes)
    used = process.seconds() - used
    first = statistics.median(delays[0] for delays in per_write)
    middle = statistics.median(delays[len(delays) // 2] for delays in per_write)
    last = statistics.median(delays[-1] for delays in per_write)
    worst = max(delays[-1] for delays in per_write)
    print(f"1 write to {streams} subscribers: first {in_ms(first)}, median {in_ms(middle)},")
    print(f"  last {in_ms(last)} (worst of {writes} writes {in_ms(worst)});")
    print(f"  processor time of the feed for a write: {in_ms(used / writes)}")


def in_ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


@contextlib.contextmanager
def settings_of(backend: str, streams: int) -> Iterator[Any]:
    """Give the function that returns the settings of a service in its folder."""
    more = {"CLIQUET_SYNC_ENABLED": "true", "CLIQUET_FEED_MAX_STREAMS": str(2 * streams)}
    if backend == "sqlite":
        yield lambda folder: {**on_sqlite(folder), **more}
        return
    with running_postgresql(is_durable=True) as server, new_database(server.url) as url:
        yield lambda folder: {**on_postgresql(url)(folder), **more}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--writes", type=int, default=20)
    parser.add_argument("--backend", choices=("sqlite", "postgresql"), default="sqlite")
    given = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with settings_of(given.backend, given.streams) as settings:
        is_on_server = given.backend != "sqlite"
        with deployed(SERVERS["gunicorn gthread"], settings, migrates=is_on_server) as service:
            feed = Service(service.folder, FEED, service.environment)
            feed.start()
            try:
                asyncio.run(measure(service, feed, given.streams, given.writes))
            finally:
                feed.stop()


if __name__ == "__main__":
    main()
