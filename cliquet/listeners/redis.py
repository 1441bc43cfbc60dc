"""A listener that adds what happens to a list of a Redis server, for other programs to read."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from redis import Redis

from cliquet import logs, settings
from cliquet.connections.redis import create_from_config
from cliquet.listeners.base import ListenerBase

__all__ = ["Listener", "load_from_config"]


class Listener(ListenerBase):
    """Push the payload of each event, as JSON, to the left end of a list (P-23.4).

    Who reads from the right end gets them in order. An event that cannot be sent is logged and
    lost; the request that caused it never fails (P-23.5).

    Parameters
    ----------
    client : of the server.
    listname : key of the list.
    """

    after_commit: ClassVar[bool] = True

    def __init__(self, client: Redis, listname: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._client = client
        self.listname = listname

    def __call__(self, event: Any) -> None:
        try:
            # Not `jsonio`, which makes a text of what is no JSON value rather than refuse it.
            payload = json.dumps(event.payload, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            logs.logger.error("Unable to dump the payload", exc_info=True)
            return
        try:
            self._client.lpush(self.listname, payload)
        except Exception:
            # Whatever the client raises: host names and certificates have errors of their own.
            logs.logger.error("Unable to send the payload to Redis", exc_info=True)


def load_from_config(config: Any, prefix: str) -> Listener:
    """Return the listener that the settings beginning with `prefix` describe (S-15.6).

    Raises
    ------
    cliquet.settings.SettingError : the URL or the size of the pool cannot be used.
    """
    client = create_from_config(config, prefix=prefix)
    return Listener(client, settings.read(config.get_settings(), f"{prefix}listname"))
