"""A listener that tells another service of changes, by a signed POST request (a webhook).

Settings, with the name of the listener, as in ``cliquet.event_listeners.shop.url``:

- ``url``: where to send;
- ``secret``: with which the receiver knows that it was us;
- ``timeout_seconds``: how long to wait for the receiver, 5 by default.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import queue
import threading
import urllib.request
from typing import Any

from cliquet.events import AfterResourceChanged
from cliquet.listeners.base import ListenerBase
from pyramid.exceptions import ConfigurationError

logger = logging.getLogger(__name__)

# What a receiver that is down for a while may miss, and the memory of the process can hold.
MAX_WAITING = 1000


class Webhook(ListenerBase):
    """Sends each event to a URL, one after the other, in a thread of its own.

    No client of the service waits for the receiver. An event that cannot be sent is logged, and
    lost: the receiver asks the service with ``_since`` for what it may have missed.
    """

    # A change that is undone must not be told.
    after_commit = True

    def __init__(self, url: str, secret: str, timeout_seconds: float) -> None:
        self._url = url
        self._secret = secret.encode()
        self._timeout_seconds = timeout_seconds
        self._waiting: queue.Queue[bytes] = queue.Queue(MAX_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def __call__(self, event: AfterResourceChanged) -> None:
        """Take an event, and return at once."""
        body = json.dumps({**event.payload, "records": event.impacted_records}).encode()
        try:
            self._waiting.put_nowait(body)
        except queue.Full:
            logger.error("%s is too slow: an event is lost", self._url)
            return
        self._start()

    def _start(self) -> None:
        # It starts with the first event: a server may have forked since this object was made.
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._send_all, daemon=True)
                self._thread.start()

    def _send_all(self) -> None:
        while True:
            body = self._waiting.get()
            try:
                self._send(body)
            except (OSError, ValueError) as error:
                logger.error("An event for %s is lost: %s", self._url, error)
            finally:
                self._waiting.task_done()

    def _send(self, body: bytes) -> None:
        headers = {
            "Content-Type": "application/json",
            "X-Signature": signature(self._secret, body),
        }
        request = urllib.request.Request(self._url, data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=self._timeout_seconds):
            pass


def signature(secret: bytes, body: bytes) -> str:
    """Return what proves to the receiver that the body was sent by us."""
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def load_from_config(config: Any, prefix: str) -> Webhook:
    """Return the listener whose settings begin with `prefix`.

    Raises
    ------
    ConfigurationError : a setting is missing, or is of no use.
    """
    settings = config.get_settings()
    url, secret = settings.get(f"{prefix}url"), settings.get(f"{prefix}secret")
    if not url or not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"{prefix}url must be an address, and not {url!r}")
    if not secret:
        raise ConfigurationError(f"{prefix}secret is missing")
    try:
        timeout_seconds = float(settings.get(f"{prefix}timeout_seconds", 5))
    except ValueError as error:
        raise ConfigurationError(f"{prefix}timeout_seconds: {error}") from None
    return Webhook(url, secret, timeout_seconds)
