"""The client of Redis that the settings ask for: of one server, or of a cluster."""

from __future__ import annotations

from typing import Any, TypeAlias

import redis

from cliquet.connections.redis.client import create_from_config, read_options
from cliquet.connections.redis.cluster import ClusterClient
from cliquet.types import PoolStatus

__all__ = ["Client", "connect", "pool_status", "settings_of"]

Client: TypeAlias = redis.Redis | ClusterClient


def connect(config: Any, prefix: str) -> Client:
    """Return a client, which is not connected yet.

    Parameters
    ----------
    config, prefix : as in :func:`~cliquet.connections.redis.client.read_options`.

    Raises
    ------
    cliquet.settings.SettingError : a setting cannot be used.
    """
    options = read_options(config, prefix)
    return ClusterClient(options) if options.is_cluster else create_from_config(config, prefix)


def settings_of(client: Client) -> dict[str, Any]:
    """Return the address of a client: ``host``, ``port``, ``password``, ``db``.

    That of a cluster is the node of its URL.
    """
    given: dict[str, Any]
    if isinstance(client, ClusterClient):
        given = client.options.address._asdict()
    else:
        given = client.connection_pool.connection_kwargs
    return {name: given.get(name) for name in ("host", "port", "password", "db")}


def pool_status(client: Client) -> PoolStatus | None:
    """Return the use of the pool of connections, or ``None`` if there is none with a size.

    A cluster has a pool for each node.
    """
    if isinstance(client, ClusterClient):
        return None
    pool: Any = client.connection_pool
    if not isinstance(pool, redis.BlockingConnectionPool):
        return None
    # The queue has an item for each connection that is not in use, whether or not it was made yet.
    return PoolStatus(pool.max_connections - pool.pool.qsize(), pool.max_connections)
