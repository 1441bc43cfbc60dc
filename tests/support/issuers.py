"""An issuer of tokens, which publishes its keys over HTTP, and clients that use the tokens."""

from __future__ import annotations

import base64
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from cliquet.testing.bounded import Thread

ISSUER = "https://issuer.example"
AUDIENCE = "https://service.example"
Key = tuple[str, str, Any]
"""Name, algorithm and private key."""


def rsa_key(kid: str = "r1", bits: int = 2048, algorithm: str = "RS256") -> Key:
    return kid, algorithm, rsa.generate_private_key(public_exponent=65537, key_size=bits)


def ec_key(kid: str = "e1") -> Key:
    return kid, "ES256", ec.generate_private_key(ec.SECP256R1())


def ed_key(kid: str = "d1") -> Key:
    return kid, "EdDSA", ed25519.Ed25519PrivateKey.generate()


def described(key: Key, **more: Any) -> dict[str, Any]:
    """Return the public key as issuers publish it."""
    kid, algorithm, private = key
    algorithms = jwt.algorithms.get_default_algorithms()
    public: dict[str, Any] = algorithms[algorithm].to_jwk(private.public_key(), as_dict=True)
    public.pop("key_ops", None)
    return {**public, "kid": kid, **more}


def key_set(*keys: Key) -> bytes:
    return json.dumps({"keys": [described(key) for key in keys]}).encode()


def claims(**more: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 600}
    return {name: value for name, value in {**usual, **more}.items() if value is not None}


def token(key: Key, headers: dict[str, Any] | None = None, **more: Any) -> str:
    kid, algorithm, private = key
    named = {"kid": kid, **(headers or {})}
    given = {name: value for name, value in named.items() if value is not None or name == "typ"}
    return jwt.encode(claims(**more), private, algorithm, headers=given)


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


class Issuer:
    """What the server answers, and how often it was asked."""

    def __init__(self, *keys: Key) -> None:
        self.body = key_set(*keys)
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked = 0
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.url = ""


@contextmanager
def serving(issuer: Issuer) -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
            issuer.may_answer.wait(60)
            self.send_response(issuer.status)
            for name, value in issuer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(issuer.body)))
            self.end_headers()
            self.wfile.write(issuer.body)

        def log_message(self, *args: Any) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_port}/keys"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield issuer
    finally:
        issuer.may_answer.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def answering(answer: bytes, dawdle: bytes = b"") -> Iterator[str]:
    """Give the URL of a server that sends these bytes, and goes on with others, slowly."""
    is_over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(10_000)
            with suppress(OSError):
                self.request.sendall(answer)
                while dawdle and not is_over.wait(0.2):
                    self.request.sendall(dawdle)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/keys"
        finally:
            is_over.set()
            server.shutdown()
            thread.join()
