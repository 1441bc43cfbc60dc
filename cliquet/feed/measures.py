"""The metrics of the feed (E-14.7), for StatsD and Prometheus, whichever is on."""

from __future__ import annotations

import time
from typing import Any

from cliquet.feed.source import Page

__all__ = ["Measures"]


class Measures:
    """Counts streams and events, and measures the time from a commit to its event.

    Parameters
    ----------
    registry : has the clients of the metrics.
    """

    def __init__(self, registry: Any) -> None:
        self._statsd = getattr(registry, "statsd", None)
        prometheus = getattr(registry, "prometheus", None)
        self._feed = None if prometheus is None else prometheus.feed()

    def opened(self) -> None:
        """Count a client that begins to wait."""
        self._change(1)

    def closed(self) -> None:
        """Count a client that no longer waits."""
        self._change(-1)

    def _change(self, number: int) -> None:
        if self._feed is not None:
            self._feed.streams.inc(number)
        if self._statsd is not None:
            self._statsd._client.gauge("feed.streams", number, delta=True)

    def sent(self, page: Page, number: int, *, is_live: bool) -> None:
        """Count the events of an answer.

        Parameters
        ----------
        number : how many of its items were told.
        is_live : whether the client has waited for them, and does not catch up.
        """
        if not number:
            return
        delay_seconds = None
        newest = max(item.last_modified for item in page.items)
        if is_live and newest:
            # The clock is that of the database, which may be ahead.
            delay_seconds = max(0.0, time.time() - newest / 1000)
        if self._feed is not None:
            self._feed.events.inc(number)
            if delay_seconds is not None:
                self._feed.delays.observe(delay_seconds)
        if self._statsd is not None:
            self._statsd._client.incr("feed.events", count=number)
            if delay_seconds is not None:
                self._statsd._client.timing("feed.delay", delay_seconds * 1000)
