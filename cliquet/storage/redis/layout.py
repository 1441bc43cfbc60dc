"""Where the keys of a collection are, and how its state is asked for.

:mod:`cliquet.storage.redis.scripts` describes the layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from cliquet.connections.redis.cluster import ClusterClient
from cliquet.connections.redis.connecting import Client
from cliquet.connections.redis.partitions import Partitions, routing_keys
from cliquet.storage.redis.scripts import NAMESPACE
from cliquet.storage.redis.values import home_of, key_of, names_of, shared_key
from cliquet.storage.selection import CollectionKey

__all__ = ["COLLECTIONS", "Layout"]

COLLECTIONS: Final = b"collections"

# The most servers of a cluster over which collections are spread.
CLUSTER_PARTS: Final = 256


class Layout:
    """The keys of the storage.

    Attributes
    ----------
    parts : beginnings of the keys of each part; a single server has one part.
    is_one : whether there is only one part.
    """

    def __init__(self, client: Client) -> None:
        is_cluster = isinstance(client, ClusterClient)
        self._partitions = Partitions(NAMESPACE, CLUSTER_PARTS if is_cluster else 1)
        self.is_one = self._partitions.is_one
        self.parts = self._partitions.all

    def part_of(self, key: CollectionKey) -> bytes:
        """Return the part to which a collection belongs."""
        return self.parts[0] if self.is_one else self._partitions.of(home_of(key))

    def key(self, key: CollectionKey, kind: str) -> bytes:
        """Return a key that belongs to one collection, such as that of its ``records``."""
        return key_of(self.part_of(key), key, kind)

    def shared(self, key: CollectionKey, kind: str) -> bytes:
        """Return the key of a hash by parent, such as that of the ``timestamps``."""
        return shared_key(self.part_of(key), kind, key.collection_id)

    def run(self, script: Any, key: CollectionKey, arguments: Sequence[Any]) -> Any:
        """Run a script where a collection is."""
        return script(keys=routing_keys(self.part_of(key)), args=arguments)

    def ask_state(self, pipe: Any, key: CollectionKey) -> None:
        """Send the commands for the timestamp, the revision and the lock."""
        _, parent = names_of(key)
        pipe.hget(self.shared(key, "timestamps"), parent)
        pipe.hget(self.shared(key, "revisions"), parent)
        pipe.get(self.key(key, "lock"))

    def ask_history(self, pipe: Any, key: CollectionKey) -> None:
        """Send the commands for the horizon and the epoch."""
        _, parent = names_of(key)
        pipe.hget(self.shared(key, "purged"), parent)
        pipe.hget(self.shared(key, "epochs"), parent)

    def ask(self, pipe: Any, key: CollectionKey, *, include_deleted: bool) -> None:
        """Send the commands for a snapshot, whose answers `snapshots_of` reads."""
        self.ask_state(pipe, key)
        pipe.hgetall(self.key(key, "records"))
        # Only those who ask for tombstones ask from when on there are all of them.
        if include_deleted:
            pipe.hgetall(self.key(key, "tombstones"))
            self.ask_history(pipe, key)
