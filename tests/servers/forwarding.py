"""A port that leads to a server, and to another one once it is told so, as after a failover."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from cliquet.testing.bounded import Thread


class Forwarder:
    """Copies bytes between its clients and a port of this host.

    Attributes
    ----------
    target : port that new connections lead to; those that are open keep theirs.
    tls : context of an encrypted port; ``None`` for one that is not.
    """

    def __init__(self, target: Any, tls: Any = None) -> None:
        self.target = target
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open = []
        Thread(target=self._accept).start()

    @property
    def port(self) -> Any:
        return self._listening.getsockname()[1]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                Thread(target=self._serve, args=(client,)).start()

    def _serve(self, client: Any) -> None:
        # Clients end what they do not trust.
        with contextlib.suppress(OSError):
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
            server = socket.create_connection(("127.0.0.1", self.target), 20)
            # Connections may be idle for as long as the test likes.
            server.settimeout(None)
            self._open += [client, server]
            Thread(target=_copy, args=(server, client)).start()
            _copy(client, server)

    def close(self) -> None:
        for opened in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()


def _copy(source: Any, sink: Any) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def forwarding(target: Any, tls: Any = None) -> Iterator[Any]:
    """Give a :class:`Forwarder` to a port of this host, and close it with all its connections."""
    forwarder = Forwarder(target, tls)
    try:
        yield forwarder
    finally:
        forwarder.close()
