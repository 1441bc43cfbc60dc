"""A client of a cluster of Redis servers, which only the cache can use."""

from __future__ import annotations

import threading

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from cliquet.connections.redis.client import TIMEOUT_SECONDS, Options

__all__ = ["LazyCluster"]


class LazyCluster:
    """Makes the client of the driver at the first use.

    The driver asks a node for the other nodes as soon as its client is made. A start-up must not do
    that: a server that is down must only be noticed at the first use (B-3.10).

    Parameters
    ----------
    options : settings of one node. It names the other nodes, which have the same password.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._lock = threading.Lock()
        self._client: RedisCluster | None = None

    def client(self) -> RedisCluster:
        """Return the client of the driver.

        Raises
        ------
        redis.RedisError : no node can be reached.
        """
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> RedisCluster:
        address = self.options.address
        host = f"[{address.host}]" if ":" in address.host else address.host
        return RedisCluster(
            # The driver accepts another class of pool only together with a URL.
            url=f"redis://{host}:{address.port}",
            username=address.username,
            password=address.password,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            # Each node has a pool like that of a single server.
            connection_pool_class=redis.BlockingConnectionPool,
            max_connections=self.options.pool_size,
            timeout=self.options.pool_timeout_seconds,
            # There is one more attempt, at once.
            retry=Retry(NoBackoff(), 1),
        )
