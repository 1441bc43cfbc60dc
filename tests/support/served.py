"""A WSGI application behind a real server, and requests sent to it byte by byte."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import waitress.server
from webtest import TestApp

from cliquet.testing.bounded import Thread


@contextmanager
def serving(app: TestApp, **options: Any) -> Iterator[Any]:
    """Serve an application with waitress on a free port, which is given."""
    server = waitress.server.create_server(app, host="127.0.0.1", port=0, threads=2, **options)
    thread = Thread(target=server.run)
    thread.start()
    try:
        yield server.effective_port
    finally:
        # The loop may have closed its trigger by the time that it would be woken.
        with suppress(OSError):
            server.trigger.pull_trigger(server.close)
        thread.join()
        server.task_dispatcher.shutdown()


def ask(port: Any, *lines: Any) -> Any:
    """Send a request without body, line by line; return the response with its body read."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
        response = http.client.HTTPResponse(connection)
        response.begin()
        response.body = response.read()  # type: ignore[attr-defined]
        return response
