"""The commands of the storage in Redis that read several collections.

On a single server, they are read at one moment. In a cluster, those of each part of the keys are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cliquet.connections.redis.client import translated_errors
from cliquet.connections.redis.names import from_bytes, to_bytes
from cliquet.core.globs import Pattern, compile_pattern
from cliquet.storage.exceptions import BackendError
from cliquet.storage.redis.layout import COLLECTIONS, Layout
from cliquet.storage.redis.snapshots import Snapshot, integer, snapshots_of
from cliquet.storage.redis.values import names_of, shared_key
from cliquet.storage.selection import CollectionKey, Scope
from cliquet.storage.watching import Position

__all__ = ["Directory"]

# If a list of collections grows while it is read, it is read again, so many times.
LISTING_ATTEMPTS = 10


class Directory:
    """Finds collections.

    Parameters
    ----------
    client : client that does not decode answers.
    """

    def __init__(self, client: Any, layout: Layout) -> None:
        self._client = client
        self._layout = layout

    @translated_errors
    def parts(self) -> Sequence[bytes]:
        """Return the parts that have collections; the only part in any case."""
        parts = self._layout.parts
        if self._layout.is_one:
            return parts
        pipe = self._client.pipeline(transaction=False)
        for part in parts:
            pipe.exists(part + COLLECTIONS)
        return [part for part, exists in zip(parts, pipe.execute(), strict=True) if exists]

    @translated_errors
    def keys(self) -> list[CollectionKey]:
        """Return all collections in any order."""
        scope = Scope(collection_id=None, parent_id=Pattern("*"))
        return [key for part in self.parts() for key in self._keys(part, scope)[1]]

    @translated_errors
    def snapshots(
        self, keys: Sequence[CollectionKey], *, include_deleted: bool
    ) -> dict[CollectionKey, Snapshot]:
        """Return all entries of some collections at one moment."""
        pipe = self._client.pipeline()
        for key in keys:
            self._layout.ask(pipe, key, include_deleted=include_deleted)
        return snapshots_of(keys, pipe.execute(), include_deleted=include_deleted)

    @translated_errors
    def matching(
        self, scope: Scope, *, include_deleted: bool, part: bytes | None = None
    ) -> dict[CollectionKey, Snapshot]:
        """Return all entries of one or several collections, those of each part at one moment.

        Parameters
        ----------
        part : the only part that is asked; ``None`` for all.

        Raises
        ------
        BackendError : new collections appear all the time; the error is retryable.
        """
        one = scope.key
        if one is not None:
            return self.snapshots([one], include_deleted=include_deleted)
        found: dict[CollectionKey, Snapshot] = {}
        for each in self.parts() if part is None else [part]:
            found |= self._matching_in(each, scope, include_deleted=include_deleted)
        return found

    def _matching_in(
        self, part: bytes, scope: Scope, *, include_deleted: bool
    ) -> dict[CollectionKey, Snapshot]:
        for _ in range(LISTING_ATTEMPTS):
            collections, keys, known = self._keys(part, scope)
            pipe = self._client.pipeline()
            pipe.scard(part + COLLECTIONS)
            for name in collections:
                pipe.hlen(shared_key(part, "timestamps", name))
            for key in keys:
                self._layout.ask(pipe, key, include_deleted=include_deleted)
            answers = pipe.execute()
            # A collection that appeared in between could contain entries that the list should have.
            if answers[: len(known)] == known:
                return snapshots_of(keys, answers[len(known) :], include_deleted=include_deleted)
        raise BackendError(message="Collections appear faster than they are listed", retryable=True)

    def _keys(self, part: bytes, scope: Scope) -> tuple[list[str], list[CollectionKey], list[int]]:
        """Return the ids of collections, the keys in the scope, and the numbers of both."""
        members = self._client.smembers(part + COLLECTIONS)
        collections = [from_bytes(name) for name in members]
        if scope.collection_id is not None:
            collections = [name for name in collections if name == scope.collection_id]
        known = [len(members)]
        matches = compile_pattern(scope.parent_id)
        keys = []
        for name in collections:
            parents = self._client.hkeys(shared_key(part, "timestamps", name))
            known.append(len(parents))
            keys += [
                CollectionKey(collection_id=name, parent_id=parent)
                for parent in map(from_bytes, parents)
                if matches(parent)
            ]
        return collections, keys, known

    @translated_errors
    def timestamps(self, collection_id: str) -> dict[str, int]:
        """Return the timestamps of a collection by parent."""
        pipe = self._client.pipeline(transaction=False)
        for part in self._layout.parts:
            pipe.hgetall(shared_key(part, "timestamps", collection_id))
        return {
            from_bytes(parent): int(timestamp)
            for found in pipe.execute()
            for parent, timestamp in found.items()
        }

    @translated_errors
    def timestamps_of(self, keys: Sequence[CollectionKey]) -> list[int | None]:
        """Return the timestamps of some collections."""
        pipe = self._client.pipeline(transaction=False)
        for key in keys:
            pipe.hget(self._layout.shared(key, "timestamps"), names_of(key)[1])
        return [integer(timestamp) for timestamp in pipe.execute()]

    @translated_errors
    def positions(self, keys: Sequence[CollectionKey]) -> dict[CollectionKey, Position]:
        """Return timestamps and epochs, with two commands for the collections of one name.

        In a cluster, a timestamp may be a moment older than its epoch. Those who watch see the
        difference at the next look.
        """
        groups: dict[tuple[bytes, str], list[CollectionKey]] = {}
        for key in keys:
            groups.setdefault((self._layout.part_of(key), key.collection_id), []).append(key)
        pipe = self._client.pipeline(transaction=self._layout.is_one)
        for (part, name), group in groups.items():
            parents = [to_bytes(key.parent_id) for key in group]
            pipe.hmget(shared_key(part, "timestamps", name), parents)
            pipe.hmget(shared_key(part, "epochs", name), parents)
        answers = iter(pipe.execute())
        return {
            key: Position(int(timestamp), "" if epoch is None else epoch.decode())
            for group in groups.values()
            for key, timestamp, epoch in zip(group, next(answers), next(answers), strict=True)
            if timestamp is not None
        }
