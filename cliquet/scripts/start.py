"""``cliquet start``: serve what a file describes (E-7.1).

The file is read as ``pserve`` of Pyramid reads it; what is added is a server for files that have
none, a port that always counts, and an end in good order.
"""

from __future__ import annotations

import argparse
import os
import signal
from typing import Any, NoReturn

import hupper
import waitress
from paste.deploy.loadwsgi import SERVER, loadcontext
from pyramid.scripts.common import get_config_loader

from cliquet.scripts.command import (
    DEFAULT_PORT,
    Command,
    CommandError,
    explained,
    require_file,
    told,
    variables,
)

__all__ = ["COMMAND"]


def serve(ini: str, port: int | None) -> None:
    """Serve the application of a file until this process is told to end.

    Parameters
    ----------
    ini : path of the file, with ``#name`` for other sections than ``app:main`` and ``server:main``.
    port : TCP port, 0 for a free one; ``None`` for that of the file.

    Raises
    ------
    CommandError : the file is wrong, or its address cannot be listened to.
    """
    with explained(ini):
        loader = get_config_loader(ini)
        sections = loader.get_sections()
        # What is wrong with the rest is then logged where the operator looks.
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
    if server is None:
        options = {"listen": f"localhost:{DEFAULT_PORT if port is None else port}"}
        _serve_with_waitress(application, options, ini)
    elif server.object is waitress.serve_paste:
        options = dict(server.local_conf)
        if port is not None:
            options = with_port(options, port)
        _serve_with_waitress(application, options, f"{ini}: [{section}]")
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
    # Two ports of one address have become the same.
    listen = dict.fromkeys(f"{host}:{port}" for host in hosts)
    return {**options, "listen": " ".join(listen)}


def _host(address: str) -> str:
    host, _, port = address.rpartition(":")
    # `localhost` and `[::1]` have no port.
    return host if host and not port.endswith("]") else address


def _set_up_logging(ini: str, loader: Any, options: dict[str, str]) -> None:
    try:
        # Without a section for it, what the program has set up remains (P-30.8).
        loader.setup_logging(options)
    except Exception as error:
        # A wrong section may raise anything, a class that it names included.
        raise CommandError(f"{ini}: logging: {told(error)}") from error


def _serve_with_waitress(application: Any, options: dict[str, str], where: str) -> None:
    try:
        server = waitress.create_server(application, **options)
    except OSError as error:
        address = options.get("listen") or options.get("port") or options.get("unix_socket")
        raise CommandError(f"{where}: {address}: {told(error)}") from error
    except ValueError as error:
        raise CommandError(f"{where}: {told(error)}") from error
    server.print_listen("Serving on http://{}:{}")
    # Returns after a signal, when the requests under way are answered, or after five seconds.
    server.run()


def _serve_with_another(application: Any, server: Any, where: str) -> None:
    try:
        server.create()(application)
    except OSError as error:
        raise CommandError(f"{where}: {told(error)}") from error


def _stop(number: int, frame: object) -> NoReturn:
    raise SystemExit(0)


def _serve_again_on_changes() -> None:
    """Run this very command line in another process, again each time that a file changes."""
    try:
        # The requests under way may take as long as the server waits for them.
        hupper.start_reloader("cliquet.scripts.cliquet.main", shutdown_interval=6)
    except SystemExit:
        # With the code of that process, which may have been killed: it had been told to end.
        return


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError(text)
    return port


# In the message of argparse: invalid port value.
_port.__name__ = "port"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port",
        type=_port,
        metavar="N",
        help=f"TCP port, instead of that of the file; {DEFAULT_PORT} when the file names none",
    )
    parser.add_argument(
        "--reload", action="store_true", help="start again when the code or the file changes"
    )


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    ini = require_file(arguments, parser)
    signal.signal(signal.SIGTERM, _stop)
    try:
        if arguments.reload and not hupper.is_active():
            with explained(ini):
                # A file that is not there would be waited for.
                get_config_loader(ini).get_sections()
            _serve_again_on_changes()
            return
        if arguments.reload:
            hupper.get_reloader().watch_files([os.path.abspath(ini.partition("#")[0])])
        serve(ini, arguments.port)
    except KeyboardInterrupt:
        # It may come before the server runs, which stops by itself.
        return


COMMAND = Command("start", "serve the application", _add_arguments, _run)
