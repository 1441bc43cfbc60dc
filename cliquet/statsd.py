"""The client of a StatsD server: counters, sets and timers (P-28).

It uses the package ``statsd`` of the extra ``statsd``. Without the package, this module can be
imported, and counts nothing. Tests of applications replace names of this module (P-35.19), which
are therefore looked up at each call.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError
from pyramid.request import Request

from cliquet import settings, utils
from cliquet.monitoring.calls import bound_methods
from cliquet.monitoring.statsd import Batching, Timer, metric_name

__all__ = ["Client", "load_from_config", "statsd_count", "statsd_module"]

# The package itself has this default.
DEFAULT_PORT = 8125

if TYPE_CHECKING:
    statsd_module: Any = None


def __getattr__(name: str) -> Any:
    """Import the package at the first use of ``statsd_module``, ``None`` without it (PEP 562)."""
    if name != "statsd_module":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return importlib.import_module("statsd")
    except ImportError:
        return None


class Client:
    """A StatsD client (P-28.1).

    Parameters
    ----------
    host, port : address of the server, which gets UDP datagrams.
    prefix : text before the name of every metric.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : the package ``statsd`` is not installed.
    """

    def __init__(self, host: str, port: int, prefix: str) -> None:
        # A test of an application may have set this name of the module.
        package = sys.modules[__name__].statsd_module
        if package is None:
            raise ConfigurationError(
                "The setting statsd_url needs the package statsd: pip install cliquet[statsd]"
            )
        self._batching = Batching(package.StatsClient(host, port, prefix=prefix), prefix)
        # Tests of applications replace this attribute (P-28.4).
        self._client: Any = self._batching

    def timer(self, key: str) -> Timer:
        """Return an object that times a block (``with``) or a function (as a decorator)."""
        # It is looked up at each measurement, because tests of applications replace it.
        return Timer(lambda milliseconds: self._client.timing(key, milliseconds))

    def count(self, key: str, unique: Any = None) -> None:
        """Increment a counter by one or, with `unique`, add a member to the set `key`."""
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
        classname : name in the metrics; by default the lower-case name of the class.
        """
        owner = classname or utils.classname(obj)
        for name, method in list(bound_methods(obj)):
            setattr(obj, name, self.timer(metric_name(prefix, owner, name))(method))


def statsd_count(request: Request, key: str) -> None:
    """Increment a counter by one, if metrics are on (P-28.2)."""
    client = getattr(request.registry, "statsd", None)
    if client is not None:
        client.count(key)


def load_from_config(config: Configurator) -> Client:
    """Return the client that the settings describe (S-20.1).

    Raises
    ------
    pyramid.exceptions.ConfigurationError : ``statsd_url`` does not name a server, or the package
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
