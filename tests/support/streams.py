"""Clients of the live feed: one in this process, and one for any server."""

import asyncio
import contextlib
import http.client
import json
import math
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from cliquet.feed.server import FeedServer
from cliquet.testing.bounded import PATIENCE_SECONDS, Thread

ACCEPT = {"Accept": "text/event-stream"}


class Event(NamedTuple):
    """One event of a stream; comments are events without a name."""

    name: str
    data: Any
    id: str | None


def event_of(text: str) -> Event:
    """Read the lines of one event (WHATWG HTML, 9.2)."""
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        name, _, value = line.partition(":")
        fields[name] = value.removeprefix(" ")
    data = json.loads(fields["data"]) if "data" in fields else None
    return Event(fields.get("event", ""), data, fields.get("id"))


class Told:
    """What a client was told so far, which another thread goes on receiving."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.times: list[float] = []
        self.is_over = False
        self._rest = ""
        self._changed = threading.Condition()

    def receive(self, part: bytes) -> None:
        with self._changed:
            *whole, self._rest = (self._rest + part.decode()).split("\n\n")
            for text in whole:
                self.events.append(event_of(text))
                self.times.append(time.time())
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self.is_over = True
            self._changed.notify_all()

    def named(self, *names: str) -> list[Event]:
        return [event for event in self.events if event.name in names]

    @property
    def items(self) -> list[Any]:
        return [event.data for event in self.named("change")]

    @property
    def token(self) -> str:
        """The latest token."""
        token: str = self.named("checkpoint")[-1].data["token"]
        return token

    def until(self, condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
        """Wait until a condition is true of what was told."""
        with self._changed:
            assert self._changed.wait_for(condition, seconds), (self.events, self.is_over)
            return condition()

    def until_items(self, number: int) -> list[Any]:
        """Wait for so many changes, and for the checkpoint after them."""

        def are_there() -> bool:
            last = self.named("change", "checkpoint")[-1:]
            return len(self.items) >= number and bool(last) and last[0].name == "checkpoint"

        self.until(are_there)
        return self.items

    @property
    def json(self) -> Any:
        """The body of an error."""
        self.until_over()
        return json.loads(self._rest)

    def until_over(self, seconds: float = PATIENCE_SECONDS) -> None:
        self.until(lambda: self.is_over, seconds)


class LocalStream(Told):
    """A stream of an application in this process, which a thread reads."""

    def __init__(self, app: Any, path: str, headers: Any = None, **environ: Any) -> None:
        super().__init__()
        # The environment that a server with threads makes.
        request = app.RequestClass.blank(path, headers={**ACCEPT, **(headers or {})})
        self.environ = {**request.environ, "wsgi.multithread": True, **environ}
        self._is_wanted = True
        self._begin(app.app)

    def _begin(self, application: Any) -> None:
        started: list[Any] = []
        self.body = application(self.environ, lambda *head: started.append(head))
        self.status = int(started[0][0][:3])
        self.headers = {name.lower(): value for name, value in started[0][1]}
        self._thread = Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.closing(self.body) if hasattr(self.body, "close") else _NOTHING:
            for part in self.body:
                self.receive(part)
                if not self._is_wanted:
                    break
        self.end()

    def close(self) -> None:
        self._is_wanted = False
        self._thread.join()


_NOTHING: Any = contextlib.nullcontext()


class ServerStream(Told):
    """A stream of a server, which a thread reads."""

    def __init__(self, port: int, path: str, headers: Any, timeout_seconds: float = 30) -> None:
        super().__init__()
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_seconds)
        self.connection.request("GET", path, headers={**ACCEPT, **headers})
        self.response = self.connection.getresponse()
        self.status = self.response.status
        self._thread = Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
            while part := self.response.readline():
                self.receive(part)
        self.end()

    def close(self) -> None:
        sock = self.connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(2)
        self._thread.join()
        self.response.close()
        self.connection.close()


class FeedOnLoop:
    """The feed of an application in this process, on an event loop in a thread."""

    def __init__(self, app: Any, **options: Any) -> None:
        self.app = app
        self.server = FeedServer(app.app, threads=2, **options)
        self.asgi = self.server.asgi()
        self.loop = asyncio.new_event_loop()
        self._is_over = asyncio.Event()
        self._has_begun = threading.Event()
        self._thread = Thread(target=self._run)
        self._thread.start()
        assert self._has_begun.wait(PATIENCE_SECONDS)

    def _run(self) -> None:
        self.loop.run_until_complete(self._live())
        self.loop.run_until_complete(self._cancel())

    async def _cancel(self) -> None:
        """Do as `asyncio.run` does: what is read for a stream that was left is read in vain."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _live(self) -> None:
        begun = False

        async def receive() -> Any:
            nonlocal begun
            if not begun:
                begun = True
                return {"type": "lifespan.startup"}
            await self._is_over.wait()
            return {"type": "lifespan.shutdown"}

        async def send(message: Any) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._has_begun.set()

        await self.asgi({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self._is_over.set)
        self._thread.join()
        self.loop.close()


class LoopStream(Told):
    """A request to a feed on an event loop."""

    def __init__(
        self,
        feed: FeedOnLoop,
        path: str,
        headers: Any = None,
        method: str = "GET",
        takes: float = math.inf,
    ) -> None:
        super().__init__()
        # So many parts of the body are taken.
        self._takes = takes
        url, _, query = path.partition("?")
        sent = {"Host": "localhost", **ACCEPT, **(headers or {})}
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": url,
            "raw_path": url.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(n.lower().encode(), v.encode()) for n, v in sent.items()],
            "client": ("127.0.0.1", 5000),
            "server": ("127.0.0.1", 80),
        }
        self._feed = feed
        self._has_begun = threading.Event()
        self._is_left = asyncio.Event()
        self._future = asyncio.run_coroutine_threadsafe(self._serve(), feed.loop)
        assert self._has_begun.wait(PATIENCE_SECONDS)

    async def _serve(self) -> None:
        async def receive() -> Any:
            await self._is_left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = {n.decode(): v.decode() for n, v in message["headers"]}
                self._has_begun.set()
            elif self._takes:
                self._takes -= 1
                self.receive(message["body"])
            else:
                await asyncio.Event().wait()

        try:
            await self._feed.asgi(self._scope, receive, send)
        finally:
            self._has_begun.set()
            self.end()

    def close(self) -> None:
        self._feed.loop.call_soon_threadsafe(self._is_left.set)
        with contextlib.suppress(asyncio.CancelledError):
            self._future.result(PATIENCE_SECONDS)
