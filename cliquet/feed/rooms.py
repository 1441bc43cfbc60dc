"""Those who wait on an event loop: who watches the same collection, and who asks the same."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Final

from cliquet.feed.sharing import is_useful
from cliquet.feed.source import Page
from cliquet.feed.stream import Question, Stream
from cliquet.feed.watcher import Wake, Watcher
from cliquet.storage.selection import CollectionKey
from cliquet.storage.watching import Position

__all__ = ["Answers", "Company", "Rooms"]

_MAX_KEPT: Final = 64


class Rooms:
    """Wakes all those who watch a collection by one call into the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._members: dict[CollectionKey, set[Wake]] = {}
        self._watched: dict[CollectionKey, ExitStack] = {}

    @contextmanager
    def watching(self, watcher: Watcher, key: CollectionKey, wake: Wake) -> Iterator[None]:
        """Do the same as :meth:`Watcher.watching`, but call the function in the loop."""
        members = self._members.setdefault(key, set())
        members.add(wake)
        if key not in self._watched:
            self._watched[key] = held = ExitStack()
            held.enter_context(watcher.watching(key, partial(self._tell_in_loop, key)))
        try:
            yield
        finally:
            members.discard(wake)
            if not members:
                del self._members[key]
                self._watched.pop(key).close()

    def _tell_in_loop(self, key: CollectionKey, position: Position | None) -> None:
        self._loop.call_soon_threadsafe(self._tell, key, position)

    def _tell(self, key: CollectionKey, position: Position | None) -> None:
        for wake in list(self._members.get(key, ())):
            wake(position)


class Company:
    """The streams of one client with one URL, whose access is judged once for all of them."""

    def __init__(self) -> None:
        self._streams: dict[tuple[str, bytes], set[Stream]] = {}
        self._latest: dict[tuple[str, bytes], Page] = {}

    @contextmanager
    def joined(self, stream: Stream) -> Iterator[None]:
        """Keep a stream in the company of the others within the block."""
        key = (stream.source.url, stream.source.client)
        streams = self._streams.setdefault(key, set())
        streams.add(stream)
        try:
            yield
        finally:
            streams.discard(stream)
            if not streams:
                self._streams.pop(key, None)
                self._latest.pop(key, None)

    def confirm(self, stream: Stream, page: Page) -> None:
        """Tell all of a judgement that one of them has got."""
        key = (stream.source.url, stream.source.client)
        # Those that have asked at the same moment share one answer, which is told once.
        if self._latest.get(key) is not page:
            self._latest[key] = page
            for one in self._streams.get(key, ()):
                one.confirm(page)


class Answers:
    """One answer for all streams that ask the same question, on an event loop.

    Parameters
    ----------
    run : runs a function in a thread.
    run_later : the same for what nobody waits for.
    """

    def __init__(
        self, run: Callable[..., Awaitable[Page]], run_later: Callable[..., Awaitable[Page]]
    ) -> None:
        self._run = run
        self._run_later = run_later
        self._answers: OrderedDict[Hashable, asyncio.Future[Page]] = OrderedDict()

    async def answer(self, question: Question, read: Callable[[str], Page]) -> Page:
        """Return the answer to a question, which is read if nobody has asked it yet."""
        answer = self.begin(question, read)
        if answer is None:
            return await self._runner(question)(read, question.query)
        # The others still want it, if this one goes away.
        page = answer.result() if answer.done() else await asyncio.shield(answer)
        if is_useful(page, question):
            return page
        return await self._runner(question)(read, question.query)

    def begin(self, question: Question, read: Callable[[str], Page]) -> asyncio.Future[Page] | None:
        """Return the answer that others share, which is read if nobody has asked for it yet.

        There is none for a question of one stream alone.
        """
        key = question.shared_as
        if key is None:
            return None
        answer = self._answers.get(key)
        if answer is None or (answer.done() and not _has_use(answer, question)):
            reading = self._runner(question)(read, question.query)
            answer = self._answers[key] = asyncio.ensure_future(reading)
            while len(self._answers) > _MAX_KEPT:
                self._answers.popitem(last=False)
        return answer

    def _runner(self, question: Question) -> Callable[..., Awaitable[Page]]:
        return self._run if question.is_urgent else self._run_later


def _has_use(answer: asyncio.Future[Page], question: Question) -> bool:
    has_failed = answer.cancelled() or answer.exception() is not None
    return not has_failed and is_useful(answer.result(), question)
