"""Devices of users that keep a copy of a collection, and a network that loses things."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from webtest import TestApp

from cliquet.client import Collection, Replica

__all__ = ["ROOT", "Network", "device"]

ROOT = "http://localhost/v0"


class Network(httpx.BaseTransport):
    """Carries requests to an application in this process, unless it is told to lose them.

    Attributes
    ----------
    lose_request : says of a request whether it gets lost before the service has it.
    lose_answer : says of a request whether its answer gets lost.
    requests : what the service has received.
    """

    def __init__(self, app: TestApp) -> None:
        self._inner = httpx.WSGITransport(app=app.app)
        self.lose_request: Callable[[httpx.Request], bool] = lambda request: False
        self.lose_answer: Callable[[httpx.Request], bool] = lambda request: False
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.lose_request(request):
            raise httpx.ConnectError("lost", request=request)
        self.requests.append(request)
        response = self._inner.handle_request(request)
        if request.headers.get("Accept") == "text/event-stream":
            assert isinstance(response.stream, httpx.SyncByteStream)
            response.stream = _Breakable(response.stream, self, request)
        else:
            response.read()
        if self.lose_answer(request):
            raise httpx.ReadError("lost", request=request)
        return response

    def is_bad(self, chance: float, seed: int) -> None:
        """Lose requests and answers at random."""
        chosen = random.Random(seed)
        self.lose_request = lambda request: chosen.random() < chance
        self.lose_answer = lambda request: chosen.random() < chance

    def is_good(self) -> None:
        """Lose nothing from now on."""
        self.lose_request = self.lose_answer = lambda request: False

    def is_cut(self) -> None:
        """Lose everything from now on."""
        self.lose_request = lambda request: True


class _Breakable(httpx.SyncByteStream):
    """A stream that breaks when the network loses requests."""

    def __init__(
        self, stream: httpx.SyncByteStream, network: Network, request: httpx.Request
    ) -> None:
        self._stream = stream
        self._network = network
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            if self._network.lose_request(self._request):
                raise httpx.ReadError("lost", request=self._request)
            yield part

    def close(self) -> None:
        self._stream.close()


def device(
    network: Network, user: str = "alice", url: str = f"{ROOT}/lichens", **options: Any
) -> Collection:
    """Return a copy of a collection in memory, which does not wait between two attempts."""
    http = httpx.Client(transport=network, auth=(user, "secret"))
    collection = Collection(
        url, options.pop("replica", None) or Replica(":memory:"), http=http, **options
    )
    collection._service._sleep = lambda seconds: None
    return collection
