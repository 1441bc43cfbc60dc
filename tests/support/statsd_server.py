"""A server of metrics that writes down what it is sent."""

import contextlib
import socket
from typing import Any


class StatsDServer:
    """Listens on a UDP port of its own.

    Attributes
    ----------
    url : for the setting ``statsd_url``.
    datagrams : texts received so far by :meth:`received`.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"udp://127.0.0.1:{self._socket.getsockname()[1]}"
        self.datagrams = []
        self._senders: list[Any] = []

    def watch(self, registry: Any) -> None:
        """Let an application send what it keeps before :meth:`received` reads."""
        self._senders.append(registry.statsd)

    def forget(self) -> None:
        """Let applications keep what they keep."""
        self._senders.clear()

    def received(self) -> list[Any]:
        """Return the metrics that were sent since the last call, as name, value and type."""
        for sender in self._senders:
            sender._batching.flush()
        # On one machine a datagram is there when `sendto()` returns.
        self._socket.setblocking(False)
        self.datagrams = []
        with contextlib.suppress(BlockingIOError):
            while True:
                self.datagrams.append(self._socket.recv(65536).decode("ascii"))
        return [parsed(line) for text in self.datagrams for line in text.split("\n")]

    def close(self) -> None:
        self._socket.close()


def parsed(line: Any) -> Any:
    name, _, rest = line.partition(":")
    value, _, kind = rest.rpartition("|")
    return name, value, kind
