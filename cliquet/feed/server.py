"""The feed on an event loop, for thousands of streams in one process (E-14.6).

It serves the URLs of the service. Each request first goes to the application itself, in one of a
few threads; if its client wants to wait, it waits here, and takes no thread until there is
something to read.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any, Final

from pyramid.httpexceptions import HTTPMethodNotAllowed, HTTPServiceUnavailable
from pyramid.response import Response

from cliquet import errors
from cliquet.core.lazy import LazyModule
from cliquet.feed import events, gateway, slow_clients, stopping
from cliquet.feed.answers import EventStream, LongPoll
from cliquet.feed.rooms import Answers, Company, Rooms
from cliquet.feed.threads import Threads
from cliquet.monitoring import logs
from cliquet.web import problems

__all__ = ["MAX_CLIENTS", "FeedServer"]

MAX_CLIENTS: Final = 10_000
"""Clients that wait at the same time, unless the operator says otherwise: some 500 MB."""

# It is a package of the extra `feed`.
starlette: Any = LazyModule("starlette.applications")
starlette_routing: Any = LazyModule("starlette.routing")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_FULL: Final = "As many clients wait here as cliquet feed was told to serve (--clients)."
_METHODS: Final = ("GET", "HEAD", "OPTIONS")


class FeedServer:
    """An ASGI application around the WSGI application of a service.

    Parameters
    ----------
    application : the WSGI application.
    threads : requests to it that are processed at the same time.
    max_clients : greatest number of clients that wait at the same time.
    """

    def __init__(self, application: Any, *, threads: int, max_clients: int = MAX_CLIENTS) -> None:
        self._application = application
        self._max_clients = max_clients
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool = Threads(threads, "cliquet-feed")
        # There may be hundreds of judgements each second. What is waited for does not stand behind
        # them.
        self._judging = Threads(1, "cliquet-feed-judging")
        self._waiting: set[asyncio.Event] = set()

    def asgi(self) -> Any:
        """Return the application for an ASGI server."""
        return starlette.Starlette(
            routes=[starlette_routing.Mount("/", app=self._serve)], lifespan=self._lifespan
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Any) -> AsyncIterator[None]:
        self._loop = loop = asyncio.get_running_loop()
        self._rooms = Rooms(loop)
        self._company = Company()
        self._answers = Answers(self._run, self._run_later)
        yield
        for pool in (self._pool, self._judging):
            pool.shutdown(cancel_futures=True)

    def stop(self) -> None:
        """End all streams; it may be called in any thread, and by a handler of signals."""
        stopping.begin()
        # The signal may come before the loop runs, when nobody waits yet, and after its end.
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        for woken in self._waiting:
            woken.set()

    async def _run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, partial(function, *arguments))

    async def _run_later(self, function: Callable[..., Any], *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._judging, partial(function, *arguments))

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        # The router of Starlette has moved its own part of the path there.
        environ = gateway.environ_of({**scope, "root_path": scope.get("app_root_path", "")})
        if scope["method"] not in _METHODS:
            await _respond(self._refused_method(environ), send)
            return
        outcome = await self._run(gateway.call, self._application, environ)
        answer = outcome.answer
        if answer is None:
            await _respond(outcome.response, send, has_body=scope["method"] != "HEAD")
            return
        try:
            if len(self._waiting) >= self._max_clients:
                raise answer.hub.unavailable(_FULL)
            leave = answer.hub.enter(environ, is_limited=False)
        except HTTPServiceUnavailable as error:
            await _respond(answer.completed(error), send)
            return
        woken = asyncio.Event()
        self._waiting.add(woken)
        client = _Client(receive, send, woken)
        try:
            if isinstance(answer, LongPoll):
                await self._wait(answer, client)
            elif isinstance(answer, EventStream):
                await self._stream(answer, client)
        except _SlowClientError:
            # Without the end of the response, the server closes the connection.
            logs.logger.info("feed.slow")
        finally:
            self._waiting.discard(woken)
            client.close()
            leave()

    def _refused_method(self, environ: dict[str, Any]) -> Response:
        refused = errors.ERRORS.METHOD_NOT_ALLOWED
        message = "The feed only reads: send changes to the service itself."
        response = errors.http_error(HTTPMethodNotAllowed(), errno=refused, message=message)
        response.headers["Allow"] = ", ".join(_METHODS)
        if registry := getattr(self._application, "registry", None):
            # A middleware of the operator may be around the application.
            problems.rewrite(registry, environ, response)
        return response

    async def _wait(self, answer: LongPoll, client: _Client) -> None:
        """Serve a long poll (E-14.1)."""
        hub, source = answer.hub, answer.source
        query = source.query(answer.token)
        until = time.monotonic() + answer.seconds
        with self._rooms.watching(hub.watcher, source.key, client.wake):
            while not client.is_gone:
                client.woken.clear()
                asked_at = time.monotonic()
                response = await self._run(source.respond, query)
                is_late = asked_at >= until or stopping.is_announced()
                if is_late or answer.is_final(response):
                    await _respond(answer.applied(response), client.send)
                    return
                due = min(until, asked_at + hub.recheck_seconds)
                await client.wait(due - time.monotonic())

    async def _stream(self, answer: EventStream, client: _Client) -> None:
        """Serve a stream (E-14.2)."""
        hub, source = answer.hub, answer.source
        stream = hub.stream(source, answer.token)

        def wake(position: Any) -> None:
            stream.move(position)
            # A stream that is busy asks by itself afterwards.
            question = stream.question() if client.is_idle else None
            answer = None if question is None else self._answers.begin(question, source.read)
            if answer is None or answer.done():
                client.wake(position)
            else:
                # Of a thousand streams, each runs once and not twice.
                answer.add_done_callback(client.wake)

        with (
            self._rooms.watching(hub.watcher, source.key, wake),
            self._company.joined(stream),
        ):
            page = await self._run(source.read, stream.first_query)
            if page.refusal is not None and not page.is_outdated:
                await _respond(answer.completed(page.refusal), client.send)
                return
            await client.send(gateway.head_of(answer.opened(())))
            await client.tell(events.beginning() + hub.told(stream, page))
            while not stream.is_over and not client.is_gone:
                client.woken.clear()
                if stopping.is_announced():
                    await client.tell(events.end(hub.unavailable().body))
                    break
                question = stream.question()
                if question is not None:
                    page = await self._answers.answer(question, source.read)
                    if not question.is_urgent:
                        self._company.confirm(stream, page)
                    text = hub.told(stream, page)
                else:
                    text = stream.keep_alive()
                if text:
                    await client.tell(text)
                elif question is None and not stream.is_over:
                    await client.wait_until_due(stream.seconds_left)
        await client.send({"type": "http.response.body", "body": b""})


class _SlowClientError(Exception):
    """A client has not taken for a long time what was sent to it."""


class _Client:
    """The connection of one client.

    Attributes
    ----------
    woken : is set when there may be something to do.
    is_idle : whether nothing is to be done until it is woken.
    """

    def __init__(self, receive: Receive, send: Send, woken: asyncio.Event) -> None:
        self.send = send
        self.woken = woken
        self.is_idle = False
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._timer: asyncio.TimerHandle | None = None
        self._is_slow = False
        # It has to be asked for, because what is sent to a client that is gone is ignored.
        self._end = asyncio.ensure_future(self._until_gone())
        self._end.add_done_callback(lambda _: woken.set())

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    @property
    def is_gone(self) -> bool:
        return self._end.done()

    def wake(self, _: Any) -> None:
        self.woken.set()

    async def wait(self, seconds: float) -> None:
        """Wait until it is woken, or for some time."""
        if seconds > 0:
            timer = self._loop.call_later(seconds, self.woken.set)
            try:
                await self.woken.wait()
            finally:
                timer.cancel()

    async def wait_until_due(self, seconds_left: Callable[[], float]) -> None:
        """Wait until it is woken, or until nothing is left of a time that may become longer."""
        self._look(seconds_left)
        self.is_idle = True
        try:
            await self.woken.wait()
        finally:
            self.is_idle = False
            if self._timer is not None:
                self._timer.cancel()

    def _look(self, seconds_left: Callable[[], float]) -> None:
        left = seconds_left()
        if left > 0:
            # The task need not run for a time that has become longer.
            self._timer = self._loop.call_later(left, self._look, seconds_left)
        else:
            self.woken.set()

    async def tell(self, text: bytes) -> None:
        """Send a part of the body.

        Raises
        ------
        _SlowClientError : the client takes nothing.
        """
        part = {"type": "http.response.body", "body": text, "more_body": True}
        # A task of its own for each part would cost more than the part.
        timer = self._loop.call_later(slow_clients.SLOW_SECONDS, self._leave)
        try:
            await self.send(part)
        except asyncio.CancelledError:
            if self._is_slow:
                raise _SlowClientError from None
            raise
        finally:
            timer.cancel()

    def _leave(self) -> None:
        self._is_slow = True
        if self._task is not None:
            self._task.cancel()

    def close(self) -> None:
        self._end.cancel()


async def _respond(response: Any, send: Send, *, has_body: bool = True) -> None:
    await send(gateway.head_of(response))
    body = response.body if has_body else b""
    await send({"type": "http.response.body", "body": body})
