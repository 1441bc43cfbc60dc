"""Metrics for a StatsD server, of which several are sent in one datagram."""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pyramid.request import Request

from cliquet import utils
from cliquet.monitoring import request_facts
from cliquet.monitoring.calls import Recorder
from cliquet.monitoring.datagrams import Datagrams

if TYPE_CHECKING:
    from cliquet.statsd import Client

__all__ = ["Batching", "CallMeter", "Timer", "count_response", "metric_name", "replica_counter"]

_MAX_NAMES = 1000


class Timer(contextlib.ContextDecorator):
    """Measures a block, or each call of a decorated function, and sends the milliseconds."""

    def __init__(self, send: Callable[[float], None]) -> None:
        self._send = send
        self._start = 0.0

    def _recreate_cm(self) -> Timer:
        # Calls of a decorated function may overlap in threads or by recursion, so that each has a
        # timer.
        return Timer(self._send)

    def __enter__(self) -> Timer:
        self._start = time.perf_counter()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._send((time.perf_counter() - self._start) * 1000)


class Batching:
    """A client that sends metrics together, those of several requests too.

    Parameters
    ----------
    client : of the package ``statsd``.
    prefix : text before the name of every metric.
    """

    def __init__(self, client: Any, prefix: str) -> None:
        self._client = client
        self._prefix = f"{prefix}." if prefix else ""
        # It is the method by which the classes of the package send what they have put together.
        self._datagrams = Datagrams(client._send, client.close)
        self._keep = self._datagrams.keep
        self._names: dict[str, str] = {}
        # At the end of the process, or when the application that used it is gone.
        weakref.finalize(self, self._datagrams.close)

    def timing(self, stat: str, delta: float, rate: float = 1) -> None:
        if rate == 1 and isinstance(delta, float):
            self._keep(f"{self._names.get(stat) or self._name(stat)}:{delta:.6f}|ms")
        else:
            self._client.timing(_as_name(stat), delta, rate)

    def incr(self, stat: str, count: int = 1, rate: float = 1) -> None:
        if rate == 1:
            self._keep(f"{self._names.get(stat) or self._name(stat)}:{count}|c")
        else:
            self._client.incr(_as_name(stat), count, rate)

    def set(self, stat: str, value: Any, rate: float = 1) -> None:
        if rate == 1:
            self._keep(f"{self._names.get(stat) or self._name(stat)}:{_on_the_wire(value)}|s")
        else:
            self._client.set(_as_name(stat), _on_the_wire(value), rate)

    def flush(self) -> None:
        """Send the metrics that wait for others."""
        self._datagrams.flush()

    def _name(self, stat: str) -> str:
        if len(self._names) >= _MAX_NAMES:
            # Somebody makes names up: the server of metrics has more trouble with them.
            self._names.clear()
        name = self._names[stat] = self._prefix + _as_name(stat)
        return name

    def __getattr__(self, name: str) -> Any:
        # Metrics that this library does not use itself are sent at once.
        return getattr(self._client, name)


def metric_name(*parts: str) -> str:
    """Return the name of a metric: its parts that are not empty, joined by dots."""
    return ".".join([part for part in parts if part])


def _as_name(stat: str) -> str:
    """Return the name of a metric without the character that ends a name, and as below."""
    return str(_on_the_wire(stat)).replace(":", "%3A")


def _on_the_wire(value: Any) -> Any:
    """Return a text without characters that the protocol uses or lacks; other values stay.

    The package only sends ASCII, and raises an error for other characters. A colon in a value
    stays, because the members of ``users`` are the ids as they are (S-20.3).
    """
    if not isinstance(value, str) or (
        value.isascii() and value.isprintable() and "|" not in value and "#" not in value
    ):
        return value
    return quote(value, safe=":/@$&!'()*+,;=?[] ")


class CallMeter:
    """Tells a client what calls take, and what the cache finds.

    The client behind is looked up each time, because tests of applications replace it (P-28.4).
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def recorder(self, kind: str, owner: str, method: str) -> Recorder:
        key, client = metric_name(kind, owner, method), self._client

        def record(seconds: float) -> None:
            client._client.timing(key, seconds * 1000)

        return record

    def hit(self) -> None:
        self._client.count("cache_hits")

    def miss(self) -> None:
        self._client.count("cache_misses")


def replica_counter(client: Client, component: str) -> Callable[[str], None]:
    """Return a function that counts what becomes of reads that a replica could serve."""

    def count(outcome: str) -> None:
        client.count(metric_name(component, "replica", outcome))

    return count


def count_response(request: Request) -> None:
    """Count a response: its user, the policy that recognised the user, and its service."""
    client = request.registry.statsd
    user_id = getattr(request, "prefixed_userid", None)
    if user_id is not None:
        client.count("users", unique=user_id)
        client.count(f"authn_type.{request.authn_type}")
    service = utils.current_service(request)
    if service is not None:
        # Clients may invent methods, and metrics are kept for ever.
        method = request_facts.known_method(request)
        client.count(f"view.{service.name}.{method}")
