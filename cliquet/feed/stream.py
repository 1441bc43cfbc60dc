"""What one client of a stream is told, and when it has to be asked for (E-14.2 to E-14.4).

It has neither a thread nor a connection: the owner of the connection asks it what to do next. What
a client has not taken yet is not even read, so that a slow one holds nothing back but itself.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, NamedTuple

from cliquet.feed import events
from cliquet.feed.source import Page, Source
from cliquet.storage.watching import Position

__all__ = ["KEEP_ALIVE_SECONDS", "MAX_AGE_SECONDS", "Question", "Stream"]

KEEP_ALIVE_SECONDS: Final = 15.0
MAX_AGE_SECONDS: Final = 300.0

# So much earlier than promised access is judged again, so that the judgement is there in time.
_IN_TIME: Final = 0.8
_FIRST_PAUSE_SECONDS: Final = 0.25
# Between two tokens, the same state of a record may be told twice. What was told before is not.
_MAX_REMEMBERED: Final = 256


class Question(NamedTuple):
    """What has to be read.

    Attributes
    ----------
    query : query string.
    shared_as : streams whose questions have the same value may have one answer; ``None`` for none.
    is_urgent : whether something is waited for, and access is not only judged again.
    not_before : an answer must not be older than this time, in seconds of the monotonic clock.
    """

    query: str
    shared_as: Hashable
    not_before: float
    is_urgent: bool = True


class Stream:
    """One stream.

    Parameters
    ----------
    source : asks for changes.
    token : where the client goes on; empty for everything.
    recheck_seconds : longest time after which access is judged again.
    clock : monotonic clock, in seconds.

    Attributes
    ----------
    is_over : whether nothing more will come.
    sent : number of changes so far.
    """

    def __init__(
        self, source: Source, token: str, *, recheck_seconds: float, clock: Callable[[], float]
    ) -> None:
        self.source = source
        self.is_over = False
        self.sent = 0
        self._clock = clock
        self._recheck_seconds = recheck_seconds * _IN_TIME
        self._token = token
        self._query = source.query(token)
        self._has_caught_up = False
        # A client that does not come back by itself is ended like the others.
        self._ends_at = clock() + MAX_AGE_SECONDS * random.uniform(0.8, 1.0)  # noqa: S311 - no secret
        self._judged_at: float | None = None
        self._read_at = clock()
        self._spoke_at = clock()
        self._told: str | None = None
        self._moved_to: Position | None = None
        # Another thread counts the moves, also while an answer is read.
        self._moves = self._asked_after = self._answered_after = 0
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._last: OrderedDict[object, bytes] = OrderedDict()

    @property
    def is_live(self) -> bool:
        """Whether the client has caught up, so that only what happens from now on is left."""
        return self._has_caught_up

    @property
    def first_query(self) -> str:
        """Query string of the first question."""
        return self._query

    def move(self, position: Position | None) -> None:
        """Take note that the collection has moved."""
        self._moved_to = position
        self._moves += 1

    def question(self) -> Question | None:
        """Return what has to be read now, or ``None``."""
        now = self._clock()
        if now >= self._ends_at:
            self.is_over = True
        if self.is_over or (now < self._read_at and not self._is_woken()):
            return None
        source, token, judged_at = self.source, self._token, self._judged_at
        has_moved = self._moves != self._answered_after
        self._asked_after = self._moves
        query = self._query
        if judged_at is None or not self._has_caught_up:
            return Question(query, None, now)
        if has_moved and now < judged_at + self._recheck_seconds:
            # What anybody reads after a move tells of it.
            client = None if source.is_alike else source.client
            return Question(query, (source.url, token, self._moved_to, client), 0.0)
        # Streams with the same credentials are judged together.
        not_before = now if has_moved else max(judged_at, now - self._recheck_seconds / 2)
        return Question(query, (source.url, token, source.client), not_before, has_moved)

    def _is_woken(self) -> bool:
        # After a failure, a move is no reason to ask at once.
        has_moved = self._moves != self._answered_after
        return has_moved and self._pause_seconds == _FIRST_PAUSE_SECONDS

    def take(self, page: Page) -> bytes:
        """Return what the client is told of an answer."""
        now = self._clock()
        if page.is_for_now:
            self._pause_seconds = min(2 * self._pause_seconds, self._recheck_seconds)
            self._read_at = now + self._pause_seconds * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
            return b""
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        if page.status != 200:
            self.is_over = True
            if page.is_outdated or page.refusal is None:
                return events.reset(page.details)
            return events.end(page.refusal.body)
        if page.client == self.source.client:
            self._judged_at = page.judged_at
        texts = [item.text for item in page.items if self._is_news(item)]
        self.sent += len(texts)
        if page.token != self._token:
            self._token = page.token
            self._query = self.source.query(page.token)
        if page.is_last:
            self._answered_after = self._asked_after
            self._has_caught_up = True
            self._read_at = (self._judged_at or now) + self._pause_until_judged()
        else:
            self._has_caught_up, self._read_at = False, now
        if texts or self._told is None:
            texts.append(self._checkpoint())
        if texts:
            self._spoke_at = now
        return b"".join(texts)

    def confirm(self, page: Page) -> None:
        """Take over the judgement that another stream has got, if nothing has changed.

        Streams of one client then need not be asked for one by one.
        """
        if (
            page.status == 200
            and not page.items
            and page.is_last
            and page.client == self.source.client
            and page.token == self._token
            and self._has_caught_up
            and self._moves == self._answered_after
            and self._judged_at is not None
            and page.judged_at > self._judged_at
        ):
            self._judged_at = page.judged_at
            self._read_at = page.judged_at + self._pause_until_judged()

    def _pause_until_judged(self) -> float:
        # Of the streams of one client, the first one then asks for all of them.
        return self._recheck_seconds * random.uniform(0.9, 1.0)  # noqa: S311 - no secret

    def _checkpoint(self) -> bytes:
        self._told = self._token
        return events.checkpoint(self._token)

    def _is_news(self, item: events.Item) -> bool:
        last = self._last
        if last.get(item.id) == item.text:
            return False
        last[item.id] = item.text
        last.move_to_end(item.id)
        if len(last) > _MAX_REMEMBERED:
            last.popitem(last=False)
        return True

    def keep_alive(self) -> bytes:
        """Return what is sent when nothing else was for some time: a newer token, or a comment."""
        now = self._clock()
        if now < self._spoke_at + KEEP_ALIVE_SECONDS:
            return b""
        self._spoke_at = now
        return events.KEEP_ALIVE if self._told == self._token else self._checkpoint()

    def seconds_left(self) -> float:
        """Return how long there is nothing to do, unless the collection moves."""
        due = min(self._read_at, self._spoke_at + KEEP_ALIVE_SECONDS, self._ends_at)
        return max(0.0, due - self._clock())
