"""One peer, in a process of its own: answers operations in process, and says what they took.

    python serving.py PEER BACKEND URL

Each line of the input names an operation; the answer is a line of JSON. This module runs in the
environments of all peers: it needs nothing but the standard library.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "peers")]

from operations import OPERATIONS, SEEDED, Peer, Sent, record  # noqa: E402 (found through the path)


class Answer(NamedTuple):
    """A response, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes


Ask = Callable[[Sent], Answer]


def wsgi_caller(app: Any) -> Ask:
    """Return what sends a request to a WSGI application, as PEP 3333 has it."""

    def ask(sent: Sent) -> Answer:
        path, _, query = sent.path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": sent.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path),
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8888",
            "HTTP_HOST": "localhost:8888",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(sent.body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "CONTENT_LENGTH": str(len(sent.body)),
        }
        for name, value in sent.headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        started: list[Any] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            started[:] = [status, headers]
            return lambda data: None

        chunks = app(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        status, headers = started
        return Answer(int(status[:3]), dict(headers), body)

    return ask


def asgi_caller(app: Any) -> Ask:
    """Return what sends a request to an ASGI application, on an event loop of its own."""
    loop = asyncio.new_event_loop()
    _start_up(app, loop)

    async def respond(sent: Sent) -> Answer:
        path, _, query = sent.path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": sent.method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (b"host", b"localhost:8888"),
                (b"content-length", str(len(sent.body)).encode()),
                *((name.lower().encode(), value.encode()) for name, value in sent.headers.items()),
            ],
            "client": ("127.0.0.1", 1),
            "server": ("localhost", 8888),
        }
        status, headers, body = 0, {}, b""

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": sent.body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status, headers, body
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                body += message.get("body", b"")

        await app(scope, receive, send)
        return Answer(status, headers, body)

    return lambda sent: loop.run_until_complete(respond(sent))


def _start_up(app: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Run the start of an application's lifespan, which stays open."""
    started = loop.create_future()
    messages = iter([{"type": "lifespan.startup"}])

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await asyncio.Event().wait()
        return {}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "lifespan.startup.complete":
            started.set_result(None)
        else:
            started.set_exception(RuntimeError(message.get("message", "the start failed")))

    # Kept by the loop, and never awaited: it lasts as long as the process.
    app_lifespan = loop.create_task(
        app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    )
    loop.run_until_complete(started)
    assert not app_lifespan.done()


def resident_mb() -> float:
    """Return the resident memory of this process in megabytes (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def seed(peer: Peer, ask: Ask) -> str:
    """Create the records that the operations read; return the id of one of them."""
    made: dict[str, Any] = {}
    for number in range(SEEDED):
        sent = Sent(
            "POST",
            peer.collection,
            201,
            json.dumps(peer.body(record(number))).encode(),
            {**_first(peer).headers, "Content-Type": "application/json"},
        )
        answer = ask(sent)
        if answer.status != 201:
            raise SystemExit(f"seeding answers {answer.status}: {answer.body[:500]!r}")
        made = json.loads(answer.body)
    found: str = (made["data"] if peer.is_wrapped else made)["id"]
    return found


def _first(peer: Peer) -> Sent:
    return next(OPERATIONS[0].requests(peer, "", ""))


def etag_of(answer: Answer) -> str:
    """Return the ETag of an answer, or an empty text."""
    found = {name.lower(): value for name, value in answer.headers.items()}
    return found.get("etag", "")


def measure(ask: Ask, requests: Iterator[Sent], calls: int) -> dict[str, Any]:
    """Send so many requests; return the processor time of each, in µs, and all durations."""
    prepared = [next(requests) for _ in range(calls)]
    durations = []
    gc.collect()
    cpu = time.process_time_ns()
    for sent in prepared:
        begin = time.perf_counter_ns()
        answer = ask(sent)
        durations.append((time.perf_counter_ns() - begin) / 1000)
        if answer.status != sent.status:
            raise SystemExit(
                f"{sent.method} {sent.path} is answered {answer.status}: {answer.body!r}"
            )
    return {
        "cpu_us": (time.process_time_ns() - cpu) / 1000 / calls,
        "wall_us": durations,
        "resident_mb": resident_mb(),
    }


def main(peer_name: str, backend: str, url: str = "") -> None:
    """Serve the lines of the input."""
    begin = time.perf_counter()
    module = importlib.import_module(f"{peer_name}_service")
    app = module.application(backend, url)
    peer: Peer = module.PEER
    ask = asgi_caller(app) if getattr(module, "IS_ASGI", False) else wsgi_caller(app)
    ask(_first(peer))
    start_seconds = time.perf_counter() - begin
    record_id = seed(peer, ask)
    offered = [one.name for one in OPERATIONS if one.is_offered(peer)]
    print(json.dumps({"start_seconds": start_seconds, "operations": offered}), flush=True)
    by_name = {one.name: one for one in OPERATIONS}
    for line in sys.stdin:
        operation = by_name[line.strip()]
        listed = Sent("GET", peer.collection, 200, b"", _first(peer).headers)
        etag = etag_of(ask(listed)) if operation.name == "list, 304" else ""
        requests = operation.requests(peer, record_id, etag)
        print(json.dumps(measure(ask, requests, operation.calls)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
