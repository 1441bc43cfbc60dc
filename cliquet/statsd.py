"""Metrics for a StatsD server: counters, sets and timers (P-28).

The client is the package ``statsd``, of the extra ``monitoring``; without it, this module can still
be imported and counts nothing.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from pyramid.request import Request

from cliquet import http, settings, utils
from cliquet.observation import Function, Observer, bound_methods, counting_hits

__all__ = [
    "Client",
    "batch_metrics",
    "count_response",
    "load_from_config",
    "observer_for",
    "statsd_count",
    "statsd_module",
]

# What the package itself listens on when nothing else is said.
DEFAULT_PORT = 8125

statsd_module: Any = None
with contextlib.suppress(ImportError):
    statsd_module = importlib.import_module("statsd")


class Timer(contextlib.ContextDecorator):
    """Sends how long a block takes, or each call of a decorated function, in milliseconds."""

    def __init__(self, send: Callable[[float], None]) -> None:
        self._send = send
        self._start = 0.0

    def _recreate_cm(self) -> Timer:
        # Calls of a decorated function may overlap, in threads or by recursion.
        return Timer(self._send)

    def __enter__(self) -> Timer:
        self._start = time.perf_counter()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._send((time.perf_counter() - self._start) * 1000)


class _Batching:
    """A client of the package; what a thread measures in a request leaves together when it ends.

    Most of the cost of a metric is that of sending a datagram. Outside a request each is sent at
    once.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._requests = threading.local()
        # Its socket goes with the application that used it.
        weakref.finalize(self, client.close)

    def begin(self) -> bool:
        """Keep what this thread measures from here on; return false if it does already."""
        if getattr(self._requests, "kept", None) is not None:
            return False
        self._requests.kept = []
        return True

    def end(self) -> None:
        """Send what was kept."""
        kept, self._requests.kept = self._requests.kept, None
        pipeline = self._client.pipeline()
        for method, stat, value, rate in kept:
            getattr(pipeline, method)(_on_the_wire(stat), _on_the_wire(value), rate)
        pipeline.send()

    def timing(self, stat: str, delta: float, rate: float = 1) -> None:
        self._measure("timing", stat, delta, rate)

    def incr(self, stat: str, count: int = 1, rate: float = 1) -> None:
        self._measure("incr", stat, count, rate)

    def set(self, stat: str, value: Any, rate: float = 1) -> None:
        self._measure("set", stat, value, rate)

    def _measure(self, method: str, stat: str, value: Any, rate: float) -> None:
        kept = getattr(self._requests, "kept", None)
        if kept is None:
            getattr(self._client, method)(_on_the_wire(stat), _on_the_wire(value), rate)
        else:
            kept.append((method, stat, value, rate))

    def __getattr__(self, name: str) -> Any:
        # What this library does not measure, at once.
        return getattr(self._client, name)


class Client:
    """A StatsD client (P-28.1).

    Parameters
    ----------
    host, port : address of the server, which is sent UDP datagrams.
    prefix : put before the name of every metric.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : the package ``statsd`` is not installed.
    """

    def __init__(self, host: str, port: int, prefix: str) -> None:
        if statsd_module is None:
            raise ConfigurationError(
                "The setting statsd_url needs the package statsd: pip install cliquet[monitoring]"
            )
        self._batching = _Batching(statsd_module.StatsClient(host, port, prefix=prefix))
        # Tests of applications replace it (P-28.4).
        self._client: Any = self._batching

    def timer(self, key: str) -> Timer:
        """Return what times a block (``with``) or a function (as decorator)."""
        # Looked up at each measure: tests of applications replace it (P-28.4).
        return Timer(lambda milliseconds: self._client.timing(key, milliseconds))

    def count(self, key: str, unique: Any = None) -> None:
        """Increment a counter by one; or, with `unique`, add a member to the set `key`."""
        if unique is None:
            self._client.incr(key, count=1)
        else:
            self._client.set(key, unique)

    def watch_execution_time(
        self, obj: Any, prefix: str = "", classname: str | None = None
    ) -> None:
        """Time every call of the public methods of an instance from now on.

        The metrics are ``<prefix>.<classname>.<method>``.

        Parameters
        ----------
        classname : default the lower-cased name of the class.
        """
        owner = classname or utils.classname(obj)
        for name, method in list(bound_methods(obj)):
            setattr(obj, name, self.timer(_key(prefix, owner, name))(method))


def _key(*parts: str) -> str:
    return ".".join([part for part in parts if part])


def _on_the_wire(value: Any) -> Any:
    """Return a text without what has a meaning in the protocol, or none; anything else as it is.

    The package sends ASCII alone, and raises for the rest.
    """
    if not isinstance(value, str) or (
        value.isascii() and value.isprintable() and "|" not in value and "#" not in value
    ):
        return value
    return quote(value, safe=":/@$&!'()*+,;=?[] ")


def observer_for(client: Client) -> Observer:
    """Return what times each call, and counts the hits and misses of a cache (S-20.3)."""

    def observer(kind: str, owner: str, method: str, function: Function) -> Function:
        key = _key(kind, owner, method)
        if (kind, method) == ("cache", "get"):
            function = counting_hits(
                function,
                hit=lambda: client.count("cache_hits"),
                miss=lambda: client.count("cache_misses"),
            )

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                # Looked up at each measure: tests of applications replace it (P-28.4).
                client._client.timing(key, (time.perf_counter() - start) * 1000)

        return timed

    return observer


def batch_metrics(request: Request) -> None:
    """Have the metrics of a request sent together when it ends."""
    batching = request.registry.statsd._batching
    # A request that an application sends itself, tweens included, ends with the outer one.
    if batching.begin():
        request.add_finished_callback(lambda request: batching.end())


def count_response(request: Request) -> None:
    """Count a response: its user, how that user was recognised, its service (S-20.3)."""
    client = request.registry.statsd
    user_id = getattr(request, "prefixed_userid", None)
    if user_id is not None:
        client.count("users", unique=user_id)
        client.count(f"authn_type.{request.authn_type}")
    service = utils.current_service(request)
    if service is not None:
        # Anybody may make a method up, and metrics are kept for good.
        method = http.known_method(request)
        client.count(f"view.{service.name}.{method}")


def statsd_count(request: Request, key: str) -> None:
    """Increment a counter by one, if metrics are on (P-28.2)."""
    client = getattr(request.registry, "statsd", None)
    if client is not None:
        client.count(key)


def load_from_config(config: Configurator) -> Client:
    """Return the client that the settings describe (S-20.1, S-20.2).

    Raises
    ------
    pyramid.exceptions.ConfigurationError : ``statsd_url`` names no server, or the package
        ``statsd`` is not installed.
    """
    configured = config.get_settings()
    given = settings.read(configured, "statsd_url")
    try:
        url = urlsplit(str(given))
        host, port = url.hostname, url.port or DEFAULT_PORT
    except ValueError:
        host, port = None, DEFAULT_PORT
    if not host:
        raise ConfigurationError(f"statsd_url = {given}: udp://host:port is expected.")
    prefix = settings.read(configured, "project_name") or settings.read(configured, "statsd_prefix")
    return Client(host, port, prefix)
