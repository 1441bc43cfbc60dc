"""The clients as users of locust, which runs many at once in one process."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import gevent
from locust import FastHttpUser, constant, task

from loadtests.clients import Client
from loadtests.exchange import Answer, Send

# A request without an answer for that long is a failure.
TIMEOUT_SECONDS = 10
# A server that refuses connections does so at once: without a pause, failures come by the
# thousand and say nothing more.
PAUSE_AFTER_NO_ANSWER_SECONDS = 0.5


def user_class(origin: str, make_client: Callable[[Send, random.Random], Client]) -> type[Any]:
    """Return a class of locust whose users are clients.

    Parameters
    ----------
    origin : URL of the service.
    make_client : called for each user, with what sends its requests and its random numbers.
    """

    class SynchronisingUser(FastHttpUser):
        host = origin
        # The next request is sent as soon as the answer is there.
        wait_time = constant(0)
        network_timeout = connection_timeout = TIMEOUT_SECONDS
        # As the first requests do: a bad certificate is an error.
        insecure = False

        def on_start(self) -> None:
            self._actor = make_client(self._send, random.Random())
            self._actor.start()

        @task
        def run_one(self) -> None:
            self._actor.run_one()

        def _send(
            self, method: str, url: str, headers: dict[str, str], content: bytes | None
        ) -> Answer:
            # Outside a `with`, it only says that locust is not to count the request itself.
            response = self.client.request(
                method, url, data=content, headers=headers,
                catch_response=True, allow_redirects=False,
            )  # fmt: skip
            if response.status_code == 0:
                gevent.sleep(PAUSE_AFTER_NO_ANSWER_SECONDS)
                # Without the URL, which would make each failure another one.
                error = getattr(response.error, "original", response.error)
                return Answer(0, {}, b"", str(error) or type(error).__name__)
            return Answer(response.status_code, response.headers, response.content or b"")

    return SynchronisingUser
