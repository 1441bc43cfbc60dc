"""The answers to clients that wait, where the server gives each of them a thread.

Such an answer is made when the request is over, so that neither a connection to a database nor a
transaction nor a lock is held meanwhile. It is an exception, because hooks of an application expect
a list, and must not see it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any, Final

from pyramid.httpexceptions import HTTPOk, HTTPServiceUnavailable
from pyramid.response import Response

from cliquet.feed import events, stopping
from cliquet.feed.hub import Hub
from cliquet.feed.slow_clients import Handover, connection_of
from cliquet.feed.source import Source
from cliquet.feed.stream import Stream
from cliquet.storage.watching import Position
from cliquet.web import cors

__all__ = ["TAKEN_BY", "Answer", "EventStream", "LongPoll"]

TAKEN_BY: Final = "cliquet.feed.taken_by"
"""Variable of the environment with a function that takes an answer, and makes it in its own way."""

# As long as it may take until a thread that waits notices that the process is about to end.
_PATIENCE_SECONDS: Final = 0.5
# Headers about the body. They are dropped, because the final body is another one.
_OF_THE_BODY: Final = frozenset(("content-type", "content-length"))


class Answer(HTTPOk):  # type: ignore[misc]  # Pyramid has no types
    """An answer that is made later."""

    def __init__(self, hub: Hub, source: Source, token: str) -> None:
        super().__init__()
        self.hub = hub
        self.source = source
        self.token = token

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        take = environ.get(TAKEN_BY)
        if take is not None:
            take(self)
            return Response()(environ, start_response)  # type: ignore[no-any-return]  # the same
        return self.made(environ)(environ, start_response)  # type: ignore[no-any-return]  # the same

    def made(self, environ: dict[str, Any]) -> Response:
        """Return the response, perhaps after some time."""
        raise NotImplementedError

    def completed(self, response: Response) -> Response:
        """Give a response the headers that every response to this client has."""
        known = {name.lower() for name in response.headers}
        for name, value in self.headerlist:
            if name.lower() not in _OF_THE_BODY | known:
                response.headers.add(name, value)
        if response.status >= "4":
            self.source.word(response)
        return response


class LongPoll(Answer):
    """A list of changes that waits until there is one (E-14.1).

    Parameters
    ----------
    seconds : how long it waits at most.
    """

    def __init__(self, hub: Hub, source: Source, token: str, *, seconds: int) -> None:
        super().__init__(hub, source, token)
        self.seconds = seconds

    def made(self, environ: dict[str, Any]) -> Response:
        with self.hub.waiting(environ) as may_wait:
            if not may_wait:
                return self.completed(self.source.respond(self.source.query(self.token)))
            return self._waited()

    def _waited(self) -> Response:
        hub, query = self.hub, self.source.query(self.token)
        until = time.monotonic() + self.seconds
        woken = threading.Event()
        with hub.watcher.watching(self.source.key, lambda _: woken.set()):
            while True:
                woken.clear()
                asked_at = time.monotonic()
                response = self.source.respond(query)
                if self.is_final(response) or asked_at >= until:
                    return self.applied(response)
                due = min(until, asked_at + hub.recheck_seconds)
                while not woken.is_set() and (left := due - time.monotonic()) > 0:
                    if stopping.has_begun():
                        return self.applied(response)
                    woken.wait(min(left, _PATIENCE_SECONDS))

    @staticmethod
    def is_final(response: Response) -> bool:
        """Return whether a response tells the client anything but that nothing has changed."""
        # A page is empty, but not the last, if its changes are none that the user may see.
        return (
            response.status_code != 200
            or bool(response.json_body["data"])
            or "Next-Page" in response.headers
        )

    def applied(self, response: Response) -> Response:
        """Tell the client that its wish was followed."""
        if response.status_code == 200:
            told = response.headers.get("Preference-Applied")
            wait = f"wait={self.seconds}"
            response.headers["Preference-Applied"] = f"{told}, {wait}" if told else wait
            cors.expose_applied_preference(response.headers)
        response.headers["Cache-Control"] = "no-store"
        return self.completed(response)


class EventStream(Answer):
    """A stream of events (E-14.2)."""

    def made(self, environ: dict[str, Any]) -> Response:
        try:
            leave = self.hub.enter(environ)
        except HTTPServiceUnavailable as error:
            return self.completed(error)
        body = ThreadedStream(
            self.hub, self.hub.stream(self.source, self.token), leave, connection_of(environ)
        )
        try:
            refusal = body.begin()
        except BaseException:
            body.close()
            raise
        if refusal is not None:
            body.close()
            return self.completed(refusal)
        return self.opened(body)

    def opened(self, app_iter: Iterable[bytes]) -> Response:
        """Return the response with the headers of a stream."""
        response = self.completed(Response(app_iter=app_iter, content_type=events.CONTENT_TYPE))
        # The format has one encoding.
        response.charset = None
        response.headers["Cache-Control"] = "no-store"
        # nginx would keep what comes until it has a whole buffer.
        response.headers["X-Accel-Buffering"] = "no"
        # The answer has the header already, if the application leaves it to the library.
        if "Accept" not in (response.vary or ()):
            response.vary = (*(response.vary or ()), "Accept")
        return response


class ThreadedStream:
    """The body of a stream; the thread of the server waits in it.

    Parameters
    ----------
    leave : is called at the end.
    connection : that of the client, which is closed if the client takes nothing; ``None`` if the
        server does not tell.
    """

    def __init__(
        self,
        hub: Hub,
        stream: Stream,
        leave: Callable[[], None],
        connection: socket.socket | None = None,
    ) -> None:
        self._hub = hub
        self._stream = stream
        self._held = ExitStack()
        self._held.callback(leave)
        self._woken = threading.Event()
        # It watches before anything is read, so that nothing happens unseen in between.
        self._held.enter_context(hub.watcher.watching(stream.source.key, self._wake))
        self._texts = self._all()
        self._handover: Handover | None = None
        if connection is not None:
            self._handover = self._held.enter_context(hub.slow_clients.watched(connection))

    def _wake(self, position: Position | None) -> None:
        self._stream.move(position)
        self._woken.set()

    def begin(self) -> Response | None:
        """Read for the first time; return the response to a client that gets no stream."""
        page = self._stream.source.read(self._stream.first_query)
        if page.refusal is not None and not page.is_outdated:
            return page.refusal
        self._first = page
        return None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._handover is None:
            return next(self._texts)
        # The server asks for more when the client has taken what came before.
        self._handover.end()
        text = next(self._texts)
        self._handover.begin()
        return text

    def close(self) -> None:
        """End the stream; servers call it, also when the client is gone (PEP 3333)."""
        self._held.close()

    def __del__(self) -> None:
        self.close()

    def _all(self) -> Iterator[bytes]:
        stream, hub = self._stream, self._hub
        yield events.beginning() + hub.told(stream, self._first)
        while not stream.is_over:
            self._woken.clear()
            if stopping.has_begun():
                yield events.end(hub.unavailable().body)
                return
            question = stream.question()
            if question is not None:
                text = hub.told(stream, hub.shared.answer(question, stream.source.read))
            else:
                text = stream.keep_alive()
            if text:
                yield text
            elif question is None and not stream.is_over:
                self._woken.wait(min(stream.seconds_left(), _PATIENCE_SECONDS))
