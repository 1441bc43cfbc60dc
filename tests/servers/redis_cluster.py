"""A cluster of Redis servers."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from servers.redis import free_cluster_port, redis_process

SLOTS = 16384
LONGEST_WAIT_SECONDS = 60
# After so much silence a server counts as lost; on a busy machine, one that is there may be silent
# for a second.
NODE_TIMEOUT_MS = 3000


class RedisCluster:
    """A running cluster.

    Attributes
    ----------
    masters, replicas : their processes; the replica of a master has its rank.
    clients : a client of each process, masters first.
    """

    def __init__(self, masters: Any, replicas: Any, clients: Any) -> None:
        self.masters = masters
        self.replicas = replicas
        self.clients = clients

    @property
    def url(self) -> str:
        """The URL for the settings."""
        return f"redis+cluster://127.0.0.1:{self.masters[0].port}"

    def all_keys(self) -> set[Any]:
        """Return the keys of all servers."""
        masters = self.clients[: len(self.masters)]
        return {key for client in masters for key in client.scan_iter(count=1000)}

    def master_of(self, slot: Any) -> Any:
        """Return the client of the server that has a slot."""
        for first, last, (_, port, *_), *_ in self.clients[0].execute_command("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(one for one in self.clients if port_of(one) == port)
        raise LookupError(slot)

    def move(self, slot: Any, target: Any, between: Callable[[], Any] = lambda: None) -> None:
        """Move a slot, key by key, to the server of another client, as ``redis-cli`` does.

        Parameters
        ----------
        between : is called before the first key, after each one, and before the end.
        """
        source = self.master_of(slot)
        names = [one.execute_command("CLUSTER", "MYID").decode() for one in (source, target)]
        target.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[0])
        source.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", names[1])
        between()
        while keys := source.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1):
            source.execute_command("MIGRATE", "127.0.0.1", port_of(target), keys[0], 0, 5000)
            between()
        for client in (target, source, *self.clients):
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", names[1])

    def replicate(self) -> None:
        """Wait until the replicas have acknowledged all that their masters have now.

        ``WAIT`` would not do: it counts replicas that have what its own connection has written, and
        one that the masters have just accepted is sent nothing before its first word.
        """
        for master in self.clients[: len(self.masters)]:
            _replicate(master)

    def clear(self) -> None:
        """Remove all keys, of those servers that are masters."""
        for client in self.clients:
            if client.info("replication")["role"] == "master":
                client.flushall()

    def join(self) -> None:
        """Make a cluster of the processes."""
        ports = [server.port for server in (*self.masters, *self.replicas)]
        count = len(self.masters)
        for rank, client in enumerate(self.clients):
            # Servers that meet with the same epoch would settle theirs for seconds.
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", rank + 1)
            if rank < count:
                slots = range(SLOTS * rank // count, SLOTS * (rank + 1) // count)
                client.execute_command("CLUSTER", "ADDSLOTS", *slots)
        for port in ports[1:]:
            self.clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", port)
        wait_until(lambda: all(self._knows_all(client) for client in self.clients), "they meet")
        for rank, client in enumerate(self.clients[count:]):
            master = self.clients[rank].execute_command("CLUSTER", "MYID").decode()
            client.execute_command("CLUSTER", "REPLICATE", master)
        wait_until(lambda: all(self._is_ready(client) for client in self.clients), "it is ready")

    def _knows_all(self, client: Any) -> bool:
        info = client.cluster("INFO")
        return int(info["cluster_known_nodes"]) == len(self.clients)

    def _is_ready(self, client: Any) -> bool:
        replication = client.info("replication")
        linked = replication["role"] == "master" or replication["master_link_status"] == "up"
        return linked and client.cluster("INFO")["cluster_state"] == "ok"


def _replicate(master: Any) -> None:
    written = master.info("replication")["master_repl_offset"]

    def has_all() -> bool:
        replica = master.info("replication").get("slave0", {})
        return bool(replica.get("offset", -1) >= written)

    wait_until(has_all, "a replica has all")


def port_of(client: Any) -> Any:
    """Return the port of the server of a client."""
    return client.connection_pool.connection_kwargs["port"]


def wait_until(is_so: Callable[[], Any], what: str) -> None:
    """Wait until something is so, for a minute at most."""
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"the cluster does not come to the point where {what}"
        time.sleep(0.02)


@contextlib.contextmanager
def running_cluster(*, masters: int = 3, replicas: int = 0, options: Any = ()) -> Iterator[Any]:
    """Start the servers of a cluster, and stop them in the end."""
    import redis

    with contextlib.ExitStack() as stack:
        servers = []
        clients = []
        for _ in range(masters + replicas):
            port = free_cluster_port()
            arguments = ["--cluster-enabled", "yes", "--repl-diskless-sync-delay", "0"]
            arguments += ["--cluster-node-timeout", str(NODE_TIMEOUT_MS), *options]
            server = stack.enter_context(redis_process(*arguments, port=port))
            servers.append(server)
            client = redis.Redis(port=port, socket_timeout=10)
            clients.append(stack.enter_context(client))
        cluster = RedisCluster(servers[:masters], servers[masters:], clients)
        cluster.join()
        yield cluster


@pytest.fixture(scope="session")
def redis_cluster_server(processes: None) -> Iterator[Any]:
    """A cluster of three masters, which nobody stops."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def redis_cluster(redis_cluster_server: RedisCluster) -> RedisCluster:
    """An empty cluster."""
    redis_cluster_server.clear()
    return redis_cluster_server
