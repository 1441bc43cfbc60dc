"""``cliquet start``: serve the application that a file describes, with granian or waitress.

The file is read in the same way as by ``pserve`` of Pyramid. In addition, a file needs no section
for the server, the given port always wins, and requests under way are answered before the end.
"""

from __future__ import annotations

import argparse
import gc
import math
import os
import signal
import time
from typing import Any

import hupper
import waitress
from paste.deploy.loadwsgi import SERVER, loadcontext
from pyramid.config import global_registries
from pyramid.scripts.common import get_config_loader

from cliquet import settings
from cliquet.core.mistakes import why_not_callable
from cliquet.feed import capacity, stopping
from cliquet.monitoring import logs
from cliquet.scripts import granian_server, ini_mistakes
from cliquet.scripts.command import (
    DEFAULT_PORT,
    Command,
    CommandError,
    explained,
    require_file,
    told,
    variables,
)

__all__ = ["COMMAND", "stop_with_success", "tcp_port"]


GRANIAN, WAITRESS = "granian", "waitress"

_MAX_STREAMS = 16
"""More clients that wait are for a server whose threads somebody has counted, or `cliquet feed`."""


def serve(ini: str, port: int | None, server_name: str | None = None) -> None:
    """Serve the application of a file until this process is told to end.

    Parameters
    ----------
    ini : path of the file, with ``#name`` for other sections than ``app:main`` and ``server:main``.
    port : TCP port, 0 for any free port; ``None`` for the port of the file.
    server_name : :data:`GRANIAN` or :data:`WAITRESS`; ``None`` for the server of the file, or if it
        names none, for granian where it is installed.

    Raises
    ------
    CommandError : the file is wrong, or its address cannot be listened to.
    """
    with explained(ini):
        loader = get_config_loader(ini)
        sections = loader.get_sections()
        # This comes first, so that errors of the rest are logged where the operator looks.
        _set_up_logging(ini, loader, variables(port))
        section = f"server:{loader.uri.fragment or 'main'}"
        server = None
        if section in sections:
            server = loadcontext(
                SERVER,
                loader.pastedeploy_spec,
                name=loader.uri.fragment or None,
                relative_to=os.getcwd(),
                global_conf={**loader.uri.options, **variables(port)},
            )
        application = loader.get_wsgi_app(None, variables(port))
    # Nothing of the start is garbage, hence nobody needs to look at it again and again.
    gc.collect()
    gc.freeze()
    if server is None:
        for other in ini_mistakes.other_servers(ini):
            logs.logger.warning(
                f"[{other}] is not read; allowed: [{section}], or {ini.partition('#')[0]}"
                f"#{other.removeprefix('server:')} as the file."
            )
        if server_name is None and granian_server.is_installed():
            server_name = GRANIAN
        options = {"listen": f"localhost:{DEFAULT_PORT if port is None else port}"}
        _serve_with(server_name, application, options, ini)
    elif server.object is waitress.serve_paste:
        options = dict(server.local_conf)
        if port is not None:
            options = with_port(options, port)
        _serve_with(server_name, application, options, f"{ini}: [{section}]")
    elif server_name is not None:
        raise CommandError(f"{ini}: [{section}] names another server than {server_name}")
    elif port is not None:
        raise CommandError(
            f"{ini}: [{section}] names another server than waitress, whose port is set there alone"
        )
    else:
        _serve_with_another(application, server, f"{ini}: [{section}]")


def with_port(options: dict[str, str], port: int) -> dict[str, str]:
    """Return the options of waitress with another port at the same addresses."""
    if "listen" not in options:
        return {**options, "port": str(port)}
    hosts = [_host(address) for address in options["listen"].split()]
    # Two ports of one host have become the same address.
    listen = dict.fromkeys(f"{host}:{port}" for host in hosts)
    return {**options, "listen": " ".join(listen)}


def _host(address: str) -> str:
    host, _, port = address.rpartition(":")
    # An address such as `localhost` or `[::1]` has no port.
    return host if host and not port.endswith("]") else address


def _set_up_logging(ini: str, loader: Any, options: dict[str, str]) -> None:
    try:
        # If the file has no section for logging, the set-up of the program stays.
        loader.setup_logging(options)
    except Exception as error:
        # A wrong section may raise any error, also one of a class that the section names.
        raise CommandError(f"{ini}: logging: {told(error)}") from error


def _serve_with(
    server_name: str | None, application: Any, options: dict[str, str], where: str
) -> None:
    more = 0 if "threads" in options else _threads_of_streams()
    if more:
        options = {**options, "threads": str(granian_server.THREADS + more)}
    threads = options.get("threads", str(granian_server.THREADS))
    # Another text is refused by the server.
    capacity.announce(int(threads) if threads.isdecimal() else None)
    if server_name == GRANIAN:
        _serve_with_granian(application, options, where)
    else:
        _serve_with_waitress(application, options, where)


def _threads_of_streams() -> int:
    """Return how many threads more a server needs for clients that wait for changes (E-14.6)."""
    # A wrapped application does not show its registry.
    registry = global_registries.last
    if registry is None or not settings.has_any_sync_tokens(registry.settings):
        return 0
    max_streams = settings.read(registry.settings, "feed_max_streams")
    return _MAX_STREAMS if max_streams is None else min(max_streams, _MAX_STREAMS)


def _serve_with_granian(application: Any, options: dict[str, str], where: str) -> None:
    """Serve at the address that the options of waitress give."""
    unknown = options.keys() - {"listen", "host", "port", "threads"}
    if unknown:
        names = ", ".join(sorted(unknown))
        raise CommandError(f"{where}: granian cannot be given {names} of waitress")
    addresses = options.get("listen", "").split()
    if len(addresses) > 1:
        raise CommandError(f"{where}: granian listens to one address")
    host, port = options.get("host", "0.0.0.0"), options.get("port", "8080")  # noqa: S104 - of waitress
    if addresses:
        host = _host(addresses[0])
        port = addresses[0][len(host) + 1 :] or port
    try:
        granian_server.serve(
            application,
            host.strip("[]").replace("*", "0.0.0.0"),  # noqa: S104 - the same
            int(port),
            threads=int(options.get("threads", granian_server.THREADS)),
        )
    except ValueError as error:
        raise CommandError(f"{where}: {told(error)}") from error
    except OSError as error:
        raise CommandError(f"{where}: {host}:{port}: {told(error)}") from error


def _serve_with_waitress(application: Any, options: dict[str, str], where: str) -> None:
    try:
        server = waitress.create_server(application, **options)
    except OSError as error:
        address = options.get("listen") or options.get("port") or options.get("unix_socket")
        raise CommandError(f"{where}: {address}: {told(error)}") from error
    except ValueError as error:
        raise CommandError(f"{where}: {told(error)}") from error
    server.print_listen("Serving on http://{}:{}")
    # It returns after a signal, when the requests under way are answered or after five seconds.
    server.run()


def _serve_with_another(application: Any, server: Any, where: str) -> None:
    try:
        run = server.create()
        # What it is instead may hold the settings of the file.
        reason = (
            why_not_callable(run, (application,))
            if callable(run)
            else f"is an object of the type {type(run).__name__}"
        )
        if reason is not None:
            raise CommandError(
                f"{where}: the server {reason}; allowed: a server, as in use = egg:waitress#main"
            )
        run(application)
    except OSError as error:
        raise CommandError(f"{where}: {told(error)}") from error


_told_at = -math.inf
_is_interrupted = False


def stop_with_success(number: int, frame: object) -> None:
    """Handle the signal that ends a program which serves until then."""
    # ``make`` hands on the signal that its whole group has been sent already, and a server that is
    # told again while it stops drops the requests under way. Later on, it may have missed one.
    global _told_at
    now = time.monotonic()
    if now - _told_at < granian_server.GRACE_SECONDS:
        return
    _told_at = now
    # A request that waits for changes in a thread of the server would otherwise keep it from its
    # end.
    stopping.begin()
    raise SystemExit(0)


def stop_by_keyboard(number: int, frame: object) -> None:
    """Handle the signal of a user, who may send it twice in order not to wait."""
    global _told_at, _is_interrupted
    is_again, _is_interrupted = _is_interrupted, True
    now = time.monotonic()
    if not is_again and now - _told_at < granian_server.GRACE_SECONDS:
        # It has come together with the other signal.
        return
    _told_at = now
    stopping.begin()
    raise KeyboardInterrupt


def _serve_again_on_changes() -> None:
    """Run this command line in another process, and start that again when a file changes."""
    try:
        # The requests under way may take as long as the server waits for them, and it then needs a
        # moment to end, which is longer on a busy machine.
        hupper.start_reloader(
            "cliquet.scripts.reloading.main", shutdown_interval=2 * granian_server.GRACE_SECONDS
        )
    except SystemExit:
        # The other process was told to end, and may have been killed: its exit code means nothing.
        return


def tcp_port(text: str) -> int:
    """Return the number of a port from the command line."""
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError(text)
    return port


# The message of argparse uses this name: "invalid port value".
tcp_port.__name__ = "port"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port",
        type=tcp_port,
        metavar="N",
        help=f"TCP port, instead of that of the file; {DEFAULT_PORT} when the file names none",
    )
    parser.add_argument(
        "--reload", action="store_true", help="start again when the code or the file changes"
    )
    parser.add_argument(
        "--server",
        choices=(GRANIAN, WAITRESS),
        help="instead of that of the file; without either, granian where it is installed",
    )


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    ini = require_file(arguments, parser)
    signal.signal(signal.SIGTERM, stop_with_success)
    # It is another one where a shell starts the program in the background, to be ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop_by_keyboard)
    try:
        if arguments.reload and not hupper.is_active():
            with explained(ini):
                # The reloader would wait for a file that does not exist.
                get_config_loader(ini).get_sections()
            _serve_again_on_changes()
            return
        if arguments.reload:
            hupper.get_reloader().watch_files([os.path.abspath(ini.partition("#")[0])])
            # The process that starts the other one again ends it with signals for waitress.
            arguments.server = arguments.server or WAITRESS
        if arguments.server == GRANIAN and not granian_server.is_installed():
            raise CommandError("granian is not installed: pip install cliquet[granian], on Linux")
        serve(ini, arguments.port, arguments.server)
    except KeyboardInterrupt:
        # The signal may come before the server runs; a running server stops by itself.
        return


COMMAND = Command("start", "serve the application", _add_arguments, _run)
