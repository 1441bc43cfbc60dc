"""The feed under fire: writers, readers that come and go, processes that are killed.

What the readers are told is compared with what the service says in the end (E-14.3): nothing may be
lost, be out of order, or come twice in a stream.
"""

import contextlib
import http.client
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deployment.service import USER
from processes.client import Client

from cliquet.testing.bounded import PATIENCE_SECONDS, Thread, run_until, wait_until

BROKEN = (OSError, http.client.HTTPException, ValueError)
TIMEOUT_SECONDS = 20
# Longest life of a connection of a reader, in seconds: some break before anything comes.
MAX_LIFE_SECONDS = 6.0
# More than any fire burns.
LONGEST_SECONDS = 3600
RECORDS = 40
# Without some writes there is nothing to lose.
MIN_WRITES = 10


class Writer(Thread):
    """Writes all the time, and tries again what failed.

    Attributes
    ----------
    writes : number of changes that were acknowledged.
    """

    def __init__(self, port: int, path: str, number: int, pause_seconds: float) -> None:
        super().__init__()
        self.client = Client(port, USER)
        self.random = random.Random(number)
        self.path = path
        self.pause_seconds = pause_seconds
        self.ids: list[str] = []
        self.writes = self.failures = 0
        self.is_over = threading.Event()

    def run(self) -> None:
        for _ in run_until(self.is_over, seconds=LONGEST_SECONDS):
            try:
                status = self.write()
            except BROKEN:
                status = 599
                time.sleep(0.05)
            if status < 300:
                self.writes += 1
            elif status >= 500:
                self.failures += 1
            time.sleep(self.random.uniform(0, 2 * self.pause_seconds))
        self.client.close()

    def write(self) -> int:
        data = {"data": {"name": f"n{self.random.random()}"}}
        if len(self.ids) < RECORDS / 8 or self.random.random() < 0.1:
            answer = self.client.send("POST", self.path, data)
            if answer.status == 201:
                self.ids.append(answer.data["id"])
        elif self.random.random() < 0.15:
            record_id = self.ids.pop(self.random.randrange(len(self.ids)))
            answer = self.client.send("DELETE", f"{self.path}/{record_id}")
        else:
            answer = self.client.send("PUT", f"{self.path}/{self.random.choice(self.ids)}", data)
        status: int = answer.status
        return status


class Reader(Thread):
    """Keeps a copy of the collection by streams, and begins another one at random.

    Attributes
    ----------
    records : the copy, as of the last checkpoint.
    faults : what a reader must never see.
    delays : seconds from commits to events of those who had caught up.
    """

    def __init__(self, ports: list[int], path: str, number: int) -> None:
        super().__init__()
        self.ports = ports
        self.path = path
        self.random = random.Random(1000 + number)
        self.token = ""
        self.records: dict[str, Any] = {}
        self.faults: Counter[str] = Counter()
        self.delays: list[float] = []
        self.events = self.streams = self.refusals = 0
        self.is_over = threading.Event()
        self.stays = False

    def run(self) -> None:
        for _ in run_until(self.is_over, seconds=LONGEST_SECONDS):
            connection = http.client.HTTPConnection(
                "127.0.0.1", self.random.choice(self.ports), timeout=TIMEOUT_SECONDS
            )
            with contextlib.suppress(*BROKEN), contextlib.closing(connection):
                self.follow(connection)
            time.sleep(self.random.uniform(0.01, 0.2))

    def follow(self, connection: http.client.HTTPConnection) -> None:
        headers = {**USER, "Accept": "text/event-stream"}
        if self.token:
            headers["Last-Event-ID"] = self.token
        connection.request("GET", f"{self.path}?_sync=", headers=headers)
        response = connection.getresponse()
        if response.status != 200:
            response.read()
            self.refusals += 1
            if response.status < 500:
                self.faults[f"status {response.status}"] += 1
            return
        self.streams += 1
        until = time.monotonic() + self.random.uniform(0, MAX_LIFE_SECONDS)
        told: set[Any] = set()
        pending: list[Any] = []
        latest = 0
        is_live = False
        event = ""
        while not self.is_over.is_set() and (self.stays or time.monotonic() < until):
            line = response.readline().decode().rstrip("\n")
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            elif name == "data" and event == "change":
                item = json.loads(value)
                self.check(item, told, latest)
                latest = item["last_modified"]
                pending.append(item)
                if is_live:
                    self.delays.append(time.time() - latest / 1000)
            elif name == "data" and event == "checkpoint":
                self.keep(pending, json.loads(value)["token"])
                pending, is_live = [], True
            elif name == "data":
                if event == "reset" or json.loads(value)["code"] != 503:
                    self.faults[event] += 1
                return
            elif not line and response.isclosed():
                return

    def check(self, item: Any, told: set[Any], latest: int) -> None:
        self.events += 1
        name = item["id"], item["last_modified"]
        if name in told:
            self.faults["twice"] += 1
        told.add(name)
        if item["last_modified"] <= latest:
            self.faults["out of order"] += 1

    def keep(self, items: list[Any], token: str) -> None:
        for item in items:
            if item.get("deleted"):
                self.records.pop(item["id"], None)
            else:
                self.records[item["id"]] = item
        self.token = token


class Fire:
    """One run.

    Parameters
    ----------
    service : the service, for the writers and some of the readers.
    feed : the feed, for the other readers.
    """

    def __init__(
        self, service: Any, feed: Any, path: str, *, writers: int, readers: int, pause: float
    ) -> None:
        self.service = service
        self.feed = feed
        self.path = path
        self.writers = [Writer(service.port, path, n, pause) for n in range(writers)]
        # One in five stays in the threads of the service.
        self.readers = [
            Reader([service.port] if n % 5 == 0 else [feed.port], path, n) for n in range(readers)
        ]
        self.kills: Counter[str] = Counter()

    def burn(self, seconds: float, strikes: list[Callable[[], None]], pause: float) -> None:
        """Write and read for some time, and strike again and again, in turn.

        It is longer on a machine that is so busy that hardly anything is written meanwhile.
        """
        for thread in (*self.readers, *self.writers):
            thread.start()
        until = time.monotonic() + seconds
        longest = until + PATIENCE_SECONDS
        number = 0
        while (now := time.monotonic()) < until or (self.writes <= MIN_WRITES and now < longest):
            time.sleep(pause)
            strike = strikes[number % len(strikes)]
            strike()
            self.kills[strike.__name__] += 1
            number += 1
        for writer in self.writers:
            writer.is_over.set()
        for writer in self.writers:
            writer.join()

    @property
    def writes(self) -> int:
        return sum(writer.writes for writer in self.writers)

    def kill_worker(self) -> None:
        """Kill one of the workers of gunicorn, which starts another one."""
        pid = self.service.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        # It may not have replaced the last one that was killed yet.
        workers = wait_until(lambda: children.read_text().split(), "a worker")
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(random.choice(workers)), signal.SIGKILL)

    def kill_feed(self) -> None:
        self.feed.kill()
        self.feed.start()

    def differences(self, patience_seconds: float = PATIENCE_SECONDS) -> list[Any]:
        """Return what differs between the copies and the service, after some time to catch up."""
        for reader in self.readers:
            reader.stays = True
        deadline = time.monotonic() + patience_seconds
        while True:
            present = {one["id"]: one for one in self.listed()}
            wrong = [
                (number, sorted(set(present) ^ set(reader.records)), reader.token)
                for number, reader in enumerate(self.readers)
                if reader.records != present
            ]
            if not wrong or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        for reader in self.readers:
            reader.is_over.set()
        return wrong

    def listed(self) -> list[Any]:
        """Return the whole collection."""

        def data() -> list[list[Any]]:
            with contextlib.suppress(*BROKEN):
                answer = self.service.send("GET", f"{self.path}?_sync=")
                return [answer.data] if answer.status == 200 else []
            return []

        (found,) = wait_until(data, "an answer of the service", pause_seconds=0.2)
        return found

    def faults(self) -> Counter[str]:
        return sum((reader.faults for reader in self.readers), Counter())

    def told(self) -> dict[str, Any]:
        """Return the figures of the run."""
        delays = sorted(delay for reader in self.readers for delay in reader.delays)
        return {
            "writes": self.writes,
            "failed writes": sum(writer.failures for writer in self.writers),
            "streams": sum(reader.streams for reader in self.readers),
            "refused streams": sum(reader.refusals for reader in self.readers),
            "events": sum(reader.events for reader in self.readers),
            "live events": len(delays),
            "delay p50 ms": round(delays[len(delays) // 2] * 1000) if delays else None,
            "delay p99 ms": round(delays[len(delays) * 99 // 100] * 1000) if delays else None,
            "strikes": dict(self.kills),
            "faults": dict(self.faults()),
        }
