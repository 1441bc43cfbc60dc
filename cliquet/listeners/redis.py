"""A listener that adds each event to a list in a Redis server, where other programs read it."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from redis import Redis

from cliquet import settings
from cliquet.connections.redis.client import create_from_config
from cliquet.listeners.base import ListenerBase
from cliquet.listeners.breaker import CircuitBreaker
from cliquet.monitoring import logs

__all__ = ["MAX_FAILURES", "PAUSE_SECONDS", "Listener", "load_from_config"]

MAX_FAILURES = 3
"""Number of failures in a row after which a server is left alone for a while."""

PAUSE_SECONDS = 10.0
"""Time for which a server is left alone, before another event is sent to it as a test."""


class Listener(ListenerBase):
    """Push the payload of each event, as JSON, to the left end of a list.

    A program that reads from the right end gets the events in their order. An event that cannot be
    sent is logged and lost; the request that caused it never fails. After :data:`MAX_FAILURES`
    failures, requests do not wait for the server for a while.

    Parameters
    ----------
    client : client of the Redis server.
    listname : key of the list.
    max_events : number of events that the list keeps, the newest ones; ``None`` for all.
    """

    after_commit: ClassVar[bool] = True

    def __init__(
        self,
        client: Redis,
        listname: str,
        *args: Any,
        max_events: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._client = client
        self.listname = listname
        self.max_events = max_events
        self.breaker = CircuitBreaker(max_failures=MAX_FAILURES, pause_seconds=PAUSE_SECONDS)
        self._is_full = False

    def reach(self) -> None:
        """Ask the server for an answer, for ``cliquet check``.

        Raises
        ------
        redis.exceptions.RedisError : it gives none.
        """
        self._client.ping()

    def __call__(self, event: Any) -> None:
        try:
            # `jsonio` is not used here, because it turns a value that is not JSON into text instead
            # of refusing it.
            payload = json.dumps(event.payload, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            logs.logger.error("Unable to dump the payload", exc_info=True)
            return
        if not self.breaker.allows():
            return
        try:
            self._push(payload)
        except Exception:
            # Any error of the client ends here: wrong host names and certificates have errors of
            # their own.
            is_pausing = self.breaker.fail()
            if is_pausing or not self.breaker.is_open:
                logs.logger.error("Unable to send the payload to Redis", exc_info=True)
            if is_pausing:
                logs.logger.error(
                    "Redis is left alone", listname=self.listname, pause_seconds=PAUSE_SECONDS
                )
        else:
            skipped = self.breaker.succeed()
            if skipped is not None:
                logs.logger.info("Redis is back", listname=self.listname, lost_events=skipped)

    def _push(self, payload: str) -> None:
        if self.max_events is None:
            self._client.lpush(self.listname, payload)
            return
        # Both commands are one transaction, so that no reader sees a list that is too long.
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.lpush(self.listname, payload)
            pipeline.ltrim(self.listname, 0, self.max_events - 1)
            length, _ = pipeline.execute()
        was_full, self._is_full = self._is_full, length > self.max_events
        if self._is_full and not was_full:
            logs.logger.warning(
                "The list of events is full, the oldest ones are dropped",
                listname=self.listname,
                max_events=self.max_events,
            )


def load_from_config(config: Any, prefix: str) -> Listener:
    """Return the listener that the settings beginning with `prefix` describe.

    Raises
    ------
    cliquet.settings.SettingError : the URL, the size of the pool, the timeout or the size of the
        list cannot be used.
    """
    configured = config.get_settings()
    client = create_from_config(
        config,
        prefix=prefix,
        timeout_seconds=float(settings.read(configured, f"{prefix}timeout_seconds")),
    )
    return Listener(
        client,
        settings.read(configured, f"{prefix}listname"),
        max_events=settings.read(configured, f"{prefix}listmaxsize"),
    )
