"""The other side: a shop that prints what it is told, and listens on port 9999."""

from __future__ import annotations

import hmac
import json
from http.server import BaseHTTPRequestHandler, HTTPServer

from webhook import signature

SECRET = b"shared with the shop"


class Receiver(BaseHTTPRequestHandler):
    """Takes a change, if it was sent by the service."""

    def do_POST(self) -> None:
        """Print the change."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_genuine = hmac.compare_digest(
            self.headers.get("X-Signature", ""), signature(SECRET, body)
        )
        self.send_response(204 if is_genuine else 403)
        self.end_headers()
        if is_genuine:
            told = json.loads(body)
            for record in told["records"]:
                print(told["action"], record["new"]["address"], record["new"]["state"], flush=True)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing else."""


if __name__ == "__main__":
    HTTPServer(("localhost", 9999), Receiver).serve_forever()
