"""A client of a cluster of Redis servers, for the cache alone (E-9.4)."""

from __future__ import annotations

import threading

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from cliquet.connections.redis.client import TIMEOUT_SECONDS, Options

__all__ = ["LazyCluster"]


class LazyCluster:
    """Makes the driver's client at its first use.

    The driver asks a node for the others as soon as its client exists, which a start-up must not:
    a server that is down is noticed at the first use (B-3.10).

    Parameters
    ----------
    options : of one node; the others are learnt from it, and have the same password.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._lock = threading.Lock()
        self._client: RedisCluster | None = None

    def client(self) -> RedisCluster:
        """Return the driver's client.

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
            # Only with a URL does the driver take another class of pool.
            url=f"redis://{host}:{address.port}",
            username=address.username,
            password=address.password,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            # One for each node, like that of a single server.
            connection_pool_class=redis.BlockingConnectionPool,
            max_connections=self.options.pool_size,
            timeout=self.options.pool_timeout_seconds,
            # One more attempt, at once.
            retry=Retry(NoBackoff(), 1),
        )
