"""``cliquet feed``: serve those who wait for changes, thousands in one process.

It loads the service from its file as ``cliquet start`` does, and serves the same URLs, on uvicorn.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import signal
import socket
import sys
from typing import Any, Final

from pyramid.scripts.common import get_config_loader

from cliquet.core.lazy import LazyModule
from cliquet.feed import stopping
from cliquet.feed.server import MAX_CLIENTS, FeedServer
from cliquet.scripts.command import (
    DEFAULT_PORT,
    Command,
    CommandError,
    explained,
    require_file,
    told,
    variables,
)
from cliquet.scripts.start import stop_with_success, tcp_port

__all__ = ["COMMAND"]

# All commands import this module, and the packages are those of an extra.
uvicorn: Any = LazyModule("uvicorn")

THREADS: Final = 4
"""Requests to the application that are processed at the same time."""

_SWITCH_SECONDS: Final = 0.0005

GRACE_SECONDS: Final = 2
"""How long streams may still take at the end."""


def serve(
    ini: str, host: str, port: int, *, threads: int = THREADS, max_clients: int = MAX_CLIENTS
) -> None:
    """Serve the feed of the service of a file until this process is told to end.

    Parameters
    ----------
    ini : path of the file, with ``#name`` for another section than ``app:main``.
    host : address of this machine, or a name of it.
    port : TCP port, 0 for any free port.

    Raises
    ------
    CommandError : the file is wrong, or the address cannot be listened to.
    """
    with explained(ini):
        loader = get_config_loader(ini)
        loader.setup_logging(variables(port))
        application = loader.get_wsgi_app(None, variables(port))
    gc.collect()
    gc.freeze()
    # Each time it has sent something, the loop wants the interpreter back from the threads. By
    # default they keep it for 5 ms, which is seconds for a thousand streams.
    sys.setswitchinterval(_SWITCH_SECONDS)
    server = FeedServer(application, threads=threads, max_clients=max_clients)
    configuration = uvicorn.Config(
        server.asgi(),
        lifespan="on",
        access_log=False,
        # The file of the service says what is logged.
        log_config=None,
        # The client of a stream is gone as soon as it has closed its connection.
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
    )
    _serving(server)(configuration).run(sockets=[_listening(host, port)])


def _serving(feed: FeedServer) -> Any:
    """Return the class of a server that ends the streams before it waits for their end.

    A user who sends the signal of the keyboard again does not wait for clients. The application
    ends nevertheless, which takes no time: otherwise its task would be torn off, and say so.
    """

    class Server(uvicorn.Server):  # type: ignore[misc]  # the package is loaded late
        def handle_exit(self, sig: int, frame: Any) -> None:
            super().handle_exit(sig, frame)
            feed.stop()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await super().shutdown(sockets)
            if self.force_exit:
                await self.lifespan.shutdown()

    return Server


def _listening(host: str, port: int) -> socket.socket:
    try:
        choices = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, address = sorted(choices)[0]
        listening = socket.create_server((str(address[0]), port), family=family, backlog=2048)
    except OSError as error:
        raise CommandError(f"{host}:{port}: {told(error)}") from error
    shown, found = listening.getsockname()[:2]
    shown = f"[{shown}]" if ":" in shown else shown
    print(f"Serving the feed on http://{shown}:{found}", flush=True)
    return listening


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port",
        type=tcp_port,
        default=DEFAULT_PORT + 1,
        metavar="N",
        help=f"TCP port, {DEFAULT_PORT + 1} by default",
    )
    parser.add_argument("--host", default="localhost", help="address to listen to")
    parser.add_argument(
        "--threads",
        type=_threads,
        default=THREADS,
        metavar="N",
        help=f"requests to the service at the same time, {THREADS} by default",
    )
    parser.add_argument(
        "--clients",
        type=_clients,
        default=MAX_CLIENTS,
        metavar="N",
        help=f"clients that may wait at the same time, {MAX_CLIENTS} by default",
    )


def _threads(text: str) -> int:
    threads = int(text)
    if not 1 <= threads <= 1000:
        raise ValueError(text)
    return threads


def _clients(text: str) -> int:
    clients = int(text)
    if clients < 1:
        raise ValueError(text)
    return clients


# The messages of argparse use these names.
_threads.__name__ = "number of threads"
_clients.__name__ = "number of clients"


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    ini = require_file(arguments, parser)
    if not all(map(importlib.util.find_spec, ("uvicorn", "starlette"))):
        raise CommandError("uvicorn and starlette are not installed: pip install cliquet[feed]")
    # At its end, the server sends itself the signal once more, to end as if it had not handled it.
    signal.signal(signal.SIGTERM, stop_with_success)
    try:
        serve(
            ini,
            arguments.host,
            arguments.port,
            threads=arguments.threads,
            max_clients=arguments.clients,
        )
    except KeyboardInterrupt:
        return
    finally:
        # The interpreter gives the signals their first meaning back while it ends: one that comes
        # again would kill it, as if it had failed.
        for number in (signal.SIGTERM, signal.SIGINT):
            if stopping.is_announced():
                signal.signal(number, signal.SIG_IGN)


COMMAND = Command("feed", "serve those who wait for changes", _add_arguments, _run)
