"""A provider of tokens for the tests, on a real socket."""

import contextlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cliquet.testing.bounded import Thread


class Provider:
    """Its answers, and what it was asked.

    Attributes
    ----------
    tokens : token to its user and scope.
    is_well : whether it answers otherwise than with 503.
    asked : the (path, body) pairs of the requests.
    """

    client_id, client_secret = "0123456789", "12e4"

    def __init__(self) -> None:
        self.tokens = {
            "of-ann": ("ann", ["profile", "sync"]),
            "of-bob": ("bob", ["profile"]),
            "of-mail": ("eve", ["mail"]),
            "of-nothing": ("eve", []),
        }
        self.is_well = True
        self.asked = []
        self.uri = None

    def verified(self) -> list[Any]:
        """Return the tokens that it was asked to verify."""
        return [body["token"] for path, body in self.asked if path == "/v1/verify"]

    def answer(self, path: str, body: Any) -> Any:
        self.asked.append((path, body))
        if not self.is_well:
            return 503, {"errno": 201}
        if path == "/__heartbeat__":
            return 200, {}
        if path == "/v1/verify" and body["token"] in self.tokens:
            user, scope = self.tokens[body["token"]]
            return 200, {"user": user, "scope": scope, "client_id": self.client_id}
        if path == "/v1/token" and body == {
            "code": "good",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }:
            return 200, {"access_token": "of-ann", "scope": "profile", "token_type": "bearer"}
        return 400, {"errno": 108, "message": "Invalid token"}


@contextlib.contextmanager
def running_provider() -> Iterator[Any]:
    """Give a provider that listens at its `uri`."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: Any) -> None:
            status, answer = provider.answer(self.path, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.uri = f"http://127.0.0.1:{server.server_port}"  # type: ignore[assignment]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
