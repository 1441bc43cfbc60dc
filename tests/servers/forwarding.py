"""A port that leads to a server, and to another one once it is told so, as after a failover.

It can also swallow what it is sent, as a network does that does not reach its server any more.
"""

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

from cliquet.testing.bounded import Thread


class Forwarder:
    """Copies bytes between its clients and a port of this host.

    Attributes
    ----------
    target : port that new connections lead to; those that are open keep theirs.
    tls : context of an encrypted port; ``None`` for one that is not.
    swallows : says of the bytes of a client or a server whether neither they nor what follows them
        on their connection arrive; nobody gets an error.
    """

    def __init__(self, target: Any, tls: Any = None) -> None:
        self.target = target
        self.swallows: Callable[[bytes], bool] = lambda data: False
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
        with contextlib.suppress(OSError), contextlib.closing(client):
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
            server = socket.create_connection(("127.0.0.1", self.target), 20)
            # Connections may be idle for as long as the test likes.
            server.settimeout(None)
            self._open += [client, server]
            Thread(target=self._copy, args=(server, client)).start()
            self._copy(client, server)

    def silence(self) -> None:
        """Swallow everything from now on."""
        self.swallows = lambda data: True

    def resume(self) -> None:
        """Forward what comes on new connections."""
        self.swallows = lambda data: False

    def _copy(self, source: Any, sink: Any) -> None:
        is_swallowed = False
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                is_swallowed = is_swallowed or self.swallows(data)
                if not is_swallowed:
                    sink.sendall(data)
        with contextlib.suppress(OSError):
            if not is_swallowed:
                sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for opened in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()


@contextlib.contextmanager
def forwarding(target: Any, tls: Any = None) -> Iterator[Any]:
    """Give a :class:`Forwarder` to a port of this host, and close it with all its connections."""
    forwarder = Forwarder(target, tls)
    try:
        yield forwarder
    finally:
        forwarder.close()
