"""The servers of a cluster, and which of them has which keys."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from typing import Any

import redis
import redis.cluster
from redis.exceptions import ClusterError

from cliquet.connections.redis.client import TIMEOUT_SECONDS, Options, single_client
from cliquet.connections.redis.partitions import SLOTS
from cliquet.core.forks import renew_locks

__all__ = ["ClusterServers"]

# Older releases of the driver (5.0) tell the answers of clusters from other errors only with this
# parser, which newer ones (8.1) do not have.
_PARSER = getattr(redis.cluster, "ClusterParser", None)
_CONNECTION = {} if _PARSER is None else {"parser_class": _PARSER}

Servers = Sequence[redis.Redis | None]
"""The client of the primary of each slot; ``None`` where there is none."""


class ClusterServers:
    """Finds the servers, at the first use and whenever something has changed.

    Parameters
    ----------
    options : settings of one node.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._nodes: dict[tuple[str, int], redis.Redis] = {}
        # It is empty when it has to be asked for.
        self._by_slot: Servers = ()
        self._failed: redis.Redis | None = None
        self._lock = threading.Lock()
        renew_locks(self, "_lock")

    def by_slot(self) -> Servers:
        """Return the server of each slot, and ask for them if necessary.

        Raises
        ------
        redis.RedisError : no server answers.
        """
        found = self._by_slot
        if not found:
            with self._lock:
                found = self._by_slot = self._by_slot or self._discovered()
        return found

    def primaries(self) -> list[redis.Redis]:
        """Return the servers that have slots."""
        return list({id(node): node for node in self.by_slot() if node is not None}.values())

    def forget(self, seen: Servers, failed: redis.Redis | None) -> None:
        """Let the next command ask for the servers.

        Parameters
        ----------
        seen : what was wrong; somebody else may have asked meanwhile.
        failed : the server that has not answered, which is asked last.
        """
        with self._lock:
            if self._by_slot is seen:
                self._by_slot = ()
                self._failed = failed

    def node(self, host: str, port: int) -> redis.Redis:
        """Return the client of a server, which is not connected yet."""
        found = self._nodes.get((host, port))
        if found is None:
            address = self._options.address._replace(host=host, port=port)
            found = single_client(self._options._replace(address=address), **_CONNECTION)
            found = self._nodes.setdefault((host, port), found)
        return found

    def close(self) -> None:
        """Close all connections."""
        for node in list(self._nodes.values()):
            node.close()
            node.connection_pool.disconnect()

    def _discovered(self) -> Servers:
        """Ask the first node that answers."""
        seed = self._options.address
        known = list(self._nodes)
        random.shuffle(known)
        # A silent server takes long. All may have gone elsewhere, so that the one of the settings
        # is asked too.
        known.sort(key=lambda place: self._nodes[place] is self._failed)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        failure: Exception = ClusterError("No server of the cluster has answered.")
        for place in dict.fromkeys([*known, (seed.host, seed.port)]):
            if time.monotonic() > deadline:
                break
            node: Any = self.node(*place)
            try:
                return self._read(node.execute_command("CLUSTER", "SLOTS"), place)
            except redis.RedisError as error:
                failure = error
        raise failure

    def _read(self, answer: Any, asked: tuple[str, int]) -> Servers:
        """Read the ranges of slots, each with the places of its primary and of its replicas."""
        servers: list[redis.Redis | None] = [None] * SLOTS
        for first, last, *places in answer:
            nodes = []
            for host, port, *_ in places:
                # A server that does not know its own name leaves it out.
                name = host.decode() if isinstance(host, bytes) else host
                nodes.append(self.node(name or asked[0], int(port)))
            servers[int(first) : int(last) + 1] = nodes[:1] * (int(last) + 1 - int(first))
        return servers
