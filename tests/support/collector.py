"""An HTTP server that keeps what collectors of errors send."""

import contextlib
import gzip
import importlib
import json
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cliquet.testing.bounded import Thread


class Collector:
    """What has arrived, in order.

    Attributes
    ----------
    bodies : texts, unpacked.
    port : where it listens, on 127.0.0.1.
    """

    def __init__(self, port: Any) -> None:
        self.port = port
        self.bodies = []

    @property
    def events(self) -> list[Any]:
        """The events of the envelopes of Sentry, and those that raven sent."""
        return [event for body in self.bodies for event in _events(body)]


def _events(body: Any) -> Any:
    lines = [json.loads(line) for line in body.splitlines() if line.strip()]
    if len(lines) == 1:
        return lines
    return [
        payload
        for header, payload in zip(lines[1::2], lines[2::2], strict=False)
        if header.get("type") == "event"
    ]


def _unpacked(body: Any, encoding: Any) -> Any:
    if encoding == "br":
        # What sentry-sdk prefers where another package has brought it in.
        return importlib.import_module("brotli").decompress(body)
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "deflate":
        return zlib.decompress(body)
    return body


@contextlib.contextmanager
def running_collector() -> Iterator[Any]:
    """Give a `Collector` that listens."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.bodies.append(_unpacked(body, self.headers["Content-Encoding"]).decode())
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(server.server_port)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
