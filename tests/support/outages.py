"""Load on a deployed service while its parts fail, and what the clients see of it."""

import contextlib
import http.client
import os
import signal
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from processes.client import Client

from cliquet.testing.bounded import Thread, run_until, wait_until
from cliquet.testing.web import basic_auth

BROKEN = (OSError, http.client.HTTPException)
TIMEOUT_SECONDS = 15
# More than any run takes.
LONGEST_SECONDS = 3600


class Writer(Thread):
    """A user who creates records all the time, through the proxy.

    Attributes
    ----------
    acknowledged : ids of the records that the service has confirmed.
    successes : when each answer came.
    failures : when something else came, or nothing.
    """

    def __init__(self, port: int, path: str, number: int) -> None:
        super().__init__()
        self.client = Client(port, basic_auth(f"writer-{number}", "1"))
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.client.connection = http.client.HTTPSConnection(
            "127.0.0.1", port, context=context, timeout=TIMEOUT_SECONDS
        )
        self.path = path
        self.acknowledged: list[str] = []
        self.successes: list[float] = []
        self.failures: list[float] = []
        self.is_over = threading.Event()

    def run(self) -> None:
        for _ in run_until(self.is_over, seconds=LONGEST_SECONDS):
            name = str(uuid.uuid4())
            try:
                body = {"data": {"name": "cep"}}
                status = self.client.send(
                    "PUT", f"{self.path}/{name}", body, If_None_Match="*"
                ).status
            except BROKEN:
                status = 599
            if status == 201:
                self.acknowledged.append(name)
                self.successes.append(time.monotonic())
                time.sleep(0.01)
            else:
                self.failures.append(time.monotonic())
                time.sleep(0.1)

    def stored(self) -> set[str]:
        """Return the ids of all records that the service has."""
        found: set[str] = set()
        path = f"{self.path}?_limit=1000"
        while path:
            answer = self.client.send("GET", path)
            assert answer.status == 200, answer
            found |= {record["id"] for record in answer.data}
            following = answer.headers.get("next-page", "")
            path = following[following.index("/v1/") :] if following else ""
        return found


class Outage(NamedTuple):
    """What the clients saw of one failure.

    Attributes
    ----------
    down_seconds : how long the part was away.
    pause_seconds : longest time without any acknowledged write.
    recovery_seconds : from the return of the part to the next write of the last of the writers.
    """

    part: str
    failure: str
    down_seconds: float
    pause_seconds: float
    recovery_seconds: float
    refused: int


@contextlib.contextmanager
def writing(port: int, path: str, number: int) -> Iterator[list[Writer]]:
    """Let writers write in the block."""
    writers = [Writer(port, path, rank) for rank in range(number)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        for writer in writers:
            writer.is_over.set()
        for writer in writers:
            writer.join()
            writer.client.connection.close()


def strike(
    writers: list[Writer], part: str, failure: str, fail: Callable[[], Any], down_seconds: float
) -> Outage:
    """Let a part fail and come back, and wait until all writers write again.

    Parameters
    ----------
    fail : lets the part fail, and returns what brings it back.
    """
    begin = time.monotonic()
    restore = fail()
    time.sleep(down_seconds)
    restore()
    back = time.monotonic()
    wait_until(
        lambda: all(writer.successes and writer.successes[-1] > back for writer in writers),
        f"the end of the outage: {part}, {failure}",
    )
    end = time.monotonic()
    times = sorted(
        moment for writer in writers for moment in writer.successes if begin <= moment <= end
    )
    pauses = [later - former for former, later in zip([begin, *times], [*times, end], strict=True)]
    refused = sum(begin <= moment <= end for writer in writers for moment in writer.failures)
    return Outage(part, failure, back - begin, max(pauses), end - back, refused)


def stopping(server: Any) -> Callable[[], Any]:
    """Return what ends a server in good order, as for an upgrade."""

    def stop() -> Any:
        server.stop()
        return server.start

    return stop


def killing(server: Any) -> Callable[[], Any]:
    """Return what ends a server and its processes as the loss of its host does."""

    def kill() -> Any:
        send_all(server, signal.SIGKILL)
        server.kill()
        return server.start

    return kill


def silencing(server: Any) -> Callable[[], Any]:
    """Return what makes a server and its processes silent, while its connections stay."""

    def silence() -> Any:
        send_all(server, signal.SIGSTOP)
        return lambda: send_all(server, signal.SIGCONT)

    return silence


def unplugging(server: Any) -> Callable[[], Any]:
    """Return what pulls the cable of the host of a server: no connection gets an error."""

    def unplug() -> Any:
        server.host.unplug()
        return server.host.plug

    return unplug


def send_all(server: Any, number: int) -> None:
    """Send a signal to a server and to all that it has started."""
    if hasattr(server, "signal_all"):
        # Its processes have groups of their own.
        server.signal_all(number)
    else:
        os.killpg(server.process.pid, number)


FAILURES = {"stopped": stopping, "killed": killing, "silent": silencing}
# Of servers whose hosts have a cable.
UNPLUGGED = "unplugged"


def table(outages: list[Outage]) -> str:
    """Return the figures, a line for each part and failure, with the worst of each."""
    lines = [
        f"{'part':<12} {'failure':<18} {'times':>5} {'away s':>7} {'no write s':>10}"
        f" {'recovery s':>10} {'refused':>7}"
    ]
    names = dict.fromkeys((one.part, one.failure) for one in outages)
    for part, failure in names:
        some = [one for one in outages if (one.part, one.failure) == (part, failure)]
        columns = zip(*(one[2:] for one in some), strict=True)
        away, pause, recovery, refused = (max(column) for column in columns)
        lines.append(
            f"{part:<12} {failure:<18} {len(some):>5} {away:>7.1f} {pause:>10.1f}"
            f" {recovery:>10.1f} {refused:>7}"
        )
    return "\n".join(lines)
