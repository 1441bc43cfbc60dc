"""A WSGI application behind a real server, and requests sent to it byte by byte."""

import http.client
import socket
import threading
from contextlib import contextmanager

import waitress.server


@contextmanager
def serving(app, **options):
    """Serve an application with waitress on a free port, which is given."""
    server = waitress.server.create_server(app, host="127.0.0.1", port=0, threads=2, **options)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.effective_port
    finally:
        server.trigger.pull_trigger(server.close)
        thread.join(10)
        server.task_dispatcher.shutdown()


def ask(port, *lines):
    """Send a request without body, line by line; return the response with its body read."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))
        response = http.client.HTTPResponse(connection)
        response.begin()
        response.body = response.read()
        return response
