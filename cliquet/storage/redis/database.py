"""The commands of the storage in Redis, which read collections and commit changes.

The module knows the layout of the data, and not the promises of the storage. It turns errors of the
driver into those of backends.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

import redis

from cliquet.connections.attempts import ATTEMPTS, attempts
from cliquet.connections.redis.client import translated_errors
from cliquet.connections.redis.names import from_bytes, to_bytes
from cliquet.core.globs import Pattern, compile_pattern
from cliquet.storage.departures import StoredDeparture
from cliquet.storage.exceptions import BackendError
from cliquet.storage.history import History, new_epoch
from cliquet.storage.redis import scripts
from cliquet.storage.redis.commits import Commit, Part, arguments_of
from cliquet.storage.redis.forgetting import FLUSH, FORGET, FORGET_UNTOUCHED
from cliquet.storage.redis.rewinding import REWIND
from cliquet.storage.redis.snapshots import Snapshot, history_of, integer, snapshots_of
from cliquet.storage.redis.unique_indexes import FILL, LOOKUP
from cliquet.storage.redis.values import (
    Stored,
    digest_of,
    key_of,
    names_of,
    read,
    read_departure,
    shared_key,
)
from cliquet.storage.selection import CollectionKey, Scope
from cliquet.storage.watching import Position
from cliquet.types import Record

__all__ = ["Database"]

COLLECTIONS = scripts.NAMESPACE_BYTES + b"collections"

# Number of records that are added to an index at once, during which the server does nothing else.
FILL_BATCH = 500

# If a list of collections grows while it is read, it is read again, so many times.
LISTING_ATTEMPTS = 10


class Database:
    """The part of a Redis database that belongs to the storage.

    Parameters
    ----------
    client : client that does not decode answers.
    """

    def __init__(self, client: redis.Redis) -> None:
        # It is not typed, because the annotations of the driver mix its synchronous and its
        # asynchronous client.
        self.client: Any = client
        self._commit = client.register_script(scripts.COMMIT)
        self._lookup = client.register_script(LOOKUP)
        self._fill = client.register_script(FILL)
        self._flush = client.register_script(FLUSH)
        self._forget = client.register_script(FORGET)
        self._forget_untouched = client.register_script(FORGET_UNTOUCHED)
        self._rewind = client.register_script(REWIND)
        self._release = client.register_script(scripts.RELEASE)

    # Reading

    @translated_errors
    def get(self, key: CollectionKey, object_id: str) -> Stored:
        """Return a live record."""
        return read(object_id, self._hget(key_of(key, "records"), object_id))

    @translated_errors
    def entries(
        self, key: CollectionKey, ids: Sequence[str], *, with_history: bool = False
    ) -> Snapshot:
        """Return the entries with some ids."""
        names = [to_bytes(object_id) for object_id in ids]
        pipe = self.client.pipeline()
        self._ask_state(pipe, key)
        if with_history:
            self._ask_history(pipe, key)
        if names:
            pipe.hmget(key_of(key, "records"), names)
            pipe.hmget(key_of(key, "tombstones"), names)
        timestamp, revision, lock, *found = pipe.execute()
        history = None
        if with_history:
            purged, epoch, *found = found
            history = history_of(timestamp, purged, epoch)
        records, tombstones = found or ([], [])
        stored = {
            object_id: read(object_id, record, tombstone)
            for object_id, record, tombstone in zip(ids, records, tombstones, strict=True)
        }
        return Snapshot(integer(timestamp), revision or b"", lock is not None, stored, history)

    def snapshot(self, key: CollectionKey, *, include_deleted: bool) -> Snapshot:
        """Return all entries of a collection."""
        return self.snapshots([key], include_deleted=include_deleted)[key]

    @translated_errors
    def snapshots(
        self, keys: Sequence[CollectionKey], *, include_deleted: bool
    ) -> dict[CollectionKey, Snapshot]:
        """Return all entries of some collections at one moment."""
        pipe = self.client.pipeline()
        for key in keys:
            self._ask(pipe, key, include_deleted=include_deleted)
        return snapshots_of(keys, pipe.execute(), include_deleted=include_deleted)

    @translated_errors
    def matching(self, scope: Scope, *, include_deleted: bool) -> dict[CollectionKey, Snapshot]:
        """Return all entries of one or several collections at one moment.

        Raises
        ------
        BackendError : new collections appear all the time; the error is retryable.
        """
        one = scope.key
        if one is not None:
            return self.snapshots([one], include_deleted=include_deleted)
        for _ in range(LISTING_ATTEMPTS):
            collections, keys, known = self._keys(scope)
            pipe = self.client.pipeline()
            pipe.scard(COLLECTIONS)
            for name in collections:
                pipe.hlen(shared_key("timestamps", name))
            for key in keys:
                self._ask(pipe, key, include_deleted=include_deleted)
            answers = pipe.execute()
            # A collection that appeared in between could contain entries that the list should have.
            if answers[: len(known)] == known:
                return snapshots_of(keys, answers[len(known) :], include_deleted=include_deleted)
        raise BackendError(message="Collections appear faster than they are listed", retryable=True)

    def _keys(self, scope: Scope) -> tuple[list[str], list[CollectionKey], list[int]]:
        """Return the ids of collections, the keys in the scope, and the numbers of both."""
        members = self.client.smembers(COLLECTIONS)
        collections = [from_bytes(name) for name in members]
        if scope.collection_id is not None:
            collections = [name for name in collections if name == scope.collection_id]
        known = [len(members)]
        matches = compile_pattern(scope.parent_id)
        keys = []
        for name in collections:
            parents = self.client.hkeys(shared_key("timestamps", name))
            known.append(len(parents))
            keys += [
                CollectionKey(collection_id=name, parent_id=parent)
                for parent in map(from_bytes, parents)
                if matches(parent)
            ]
        return collections, keys, known

    @translated_errors
    def departures(self, key: CollectionKey) -> list[StoredDeparture]:
        """Return all departures of a collection, in any order."""
        found = self.client.hgetall(key_of(key, "departures"))
        return [read_departure(field, text) for field, text in found.items()]

    @translated_errors
    def live_count(self, key: CollectionKey) -> int:
        """Return the number of live records."""
        return int(self._hget(shared_key("live", key.collection_id), key.parent_id) or 0)

    @translated_errors
    def timestamp(self, key: CollectionKey) -> int | None:
        """Return the timestamp of a collection, or ``None`` if it was never touched."""
        return integer(self._hget(shared_key("timestamps", key.collection_id), key.parent_id))

    @translated_errors
    def timestamps(self, collection_id: str) -> dict[str, int]:
        """Return the timestamps of a collection by parent."""
        found = self.client.hgetall(shared_key("timestamps", collection_id))
        return {from_bytes(parent): int(timestamp) for parent, timestamp in found.items()}

    @translated_errors
    def claim_timestamp(self, key: CollectionKey, timestamp: int) -> tuple[bool, int]:
        """Give a collection its first timestamp; return whether it had none, and the timestamp."""
        collection, parent = names_of(key)
        pipe = self.client.pipeline()
        pipe.hsetnx(shared_key("timestamps", key.collection_id), parent, timestamp)
        pipe.hsetnx(shared_key("epochs", key.collection_id), parent, new_epoch())
        pipe.sadd(COLLECTIONS, collection)
        pipe.hget(shared_key("timestamps", key.collection_id), parent)
        is_new, _, _, kept = pipe.execute()
        return bool(is_new), int(kept)

    @translated_errors
    def history(self, key: CollectionKey) -> History:
        """Return the horizon and the epoch of a collection."""
        pipe = self.client.pipeline()
        pipe.hget(shared_key("timestamps", key.collection_id), names_of(key)[1])
        self._ask_history(pipe, key)
        return history_of(*pipe.execute())

    @translated_errors
    def start_epoch(self, key: CollectionKey) -> None:
        """Give an epoch to a collection that a former version has made without one."""
        parent = names_of(key)[1]
        self.client.hsetnx(shared_key("epochs", key.collection_id), parent, new_epoch())

    @translated_errors
    def holders(
        self, key: CollectionKey, data: Record, unique_fields: Sequence[str]
    ) -> dict[str, list[Stored]]:
        """Return the live records with the same values, by unique field."""
        arguments: list[Any] = [*names_of(key), len(unique_fields)]
        for name in unique_fields:
            arguments += [to_bytes(name), digest_of(name, data)]
        for _ in attempts("To look up unique values"):
            size, answers = self._lookup(args=arguments)
            fields = zip(unique_fields, answers, strict=True)
            unready = [name for name, (state, *_) in fields if state != b"ready"]
            if size == b"0" or not unready:
                break
            for name in unready:
                self.build_index(key, name)
        return {
            name: [
                read(from_bytes(object_id), record)
                for object_id, record in zip(found[::2], found[1::2], strict=True)
            ]
            for name, (_, *found) in zip(unique_fields, answers, strict=True)
        }

    @translated_errors
    def keys(self) -> list[CollectionKey]:
        """Return all collections in any order."""
        return self._keys(Scope(collection_id=None, parent_id=Pattern("*")))[1]

    @translated_errors
    def timestamps_of(self, keys: Sequence[CollectionKey]) -> list[int | None]:
        """Return the timestamps of some collections."""
        pipe = self.client.pipeline(transaction=False)
        for key in keys:
            pipe.hget(shared_key("timestamps", key.collection_id), names_of(key)[1])
        return [integer(timestamp) for timestamp in pipe.execute()]

    @translated_errors
    def positions(self, keys: Sequence[CollectionKey]) -> dict[CollectionKey, Position]:
        """Return timestamps and epochs, with two commands for the collections of one name."""
        by_name: dict[str, list[CollectionKey]] = {}
        for key in keys:
            by_name.setdefault(key.collection_id, []).append(key)
        pipe = self.client.pipeline()
        for name, group in by_name.items():
            parents = [to_bytes(key.parent_id) for key in group]
            pipe.hmget(shared_key("timestamps", name), parents)
            pipe.hmget(shared_key("epochs", name), parents)
        answers = iter(pipe.execute())
        return {
            key: Position(int(timestamp), "" if epoch is None else epoch.decode())
            for group in by_name.values()
            for key, timestamp, epoch in zip(group, next(answers), next(answers), strict=True)
            if timestamp is not None
        }

    @translated_errors
    def ids(self, key: CollectionKey) -> set[str]:
        """Return the ids of the records and tombstones of a collection."""
        pipe = self.client.pipeline()
        pipe.hkeys(key_of(key, "records"))
        pipe.hkeys(key_of(key, "tombstones"))
        records, tombstones = pipe.execute()
        return {from_bytes(name) for name in (*records, *tombstones)}

    # Writing

    @translated_errors
    def commit(self, parts: dict[CollectionKey, Part], clock: int = 0) -> Commit:
        """Apply all changes at once, if the reads on which they are based are still true.

        Parameters
        ----------
        clock : time in ms, for the new timestamps.
        """
        keys = list(parts)
        indexed: dict[CollectionKey, set[str]] = {key: set() for key in keys}
        asked: Counter[tuple[Any, ...]] = Counter()
        while True:
            outcome, *details = self._commit(args=arguments_of(parts, indexed, clock))
            # The loop ends, because the number of fields is limited.
            question = (outcome, *details)
            asked[question] += 1
            if asked[question] > ATTEMPTS:
                message = "The indexes of unique fields are lost again and again."
                raise BackendError(message=message, retryable=True)
            if outcome == b"digests":
                indexed[keys[int(details[0]) - 1]].add(from_bytes(details[1]))
            elif outcome == b"fill":
                self.build_index(keys[int(details[0]) - 1], from_bytes(details[1]))
            else:
                break
        if outcome == b"taken":
            name, object_id, record = details
            return Commit("taken", (), from_bytes(name), read(from_bytes(object_id), record))
        return Commit(outcome.decode(), [int(timestamp) for timestamp in details])

    @translated_errors
    def build_index(self, key: CollectionKey, name: str) -> None:
        """Build the index of a unique field.

        From the first step on, each write of a record maintains the index. Then the existing
        records are added. Several processes may do this at once, and if one stops in the middle,
        the next one does the rest.
        """
        field_name = to_bytes(name)
        self.client.hsetnx(key_of(key, "fields"), field_name, "building")
        found: list[Any] = []
        for object_id, stored in self.snapshot(key, include_deleted=False).stored.items():
            # Only live records were read.
            digest = digest_of(name, stored.entry.data)  # type: ignore[union-attr,arg-type]
            if digest:
                found.append((to_bytes(object_id), stored.revision, digest))
        while True:
            batch, found = found[:FILL_BATCH], found[FILL_BATCH:]
            arguments = [*names_of(key), field_name, len(batch), *itertools.chain(*batch)]
            self._fill(args=[*arguments, "more" if found else "last"])
            if not found:
                return

    @translated_errors
    def flush(self) -> None:
        """Remove everything."""
        self._flush()

    @translated_errors
    def forget(self, key: CollectionKey) -> None:
        """Remove every trace of a collection."""
        self._forget(args=names_of(key))

    @translated_errors
    def forget_untouched(self, key: CollectionKey, before: int) -> bool:
        """Forget a collection that has been empty since a time; return whether it has."""
        return bool(self._forget_untouched(args=[*names_of(key), before]))

    @translated_errors
    def rewind(self, key: CollectionKey, now: int) -> int:
        """Set the timestamps of a collection back to the clock; return their number, or -1."""
        return int(self._rewind(args=[*names_of(key), now]))

    # The lock for repeated operations

    @translated_errors
    def acquire(self, key: CollectionKey, token: str, lease_ms: int) -> bool:
        """Take the lock of a collection if it is free; return whether it was."""
        return bool(self.client.set(key_of(key, "lock"), token, nx=True, px=lease_ms))

    @translated_errors
    def release(self, key: CollectionKey, token: str) -> None:
        """Release the lock, if it still is ours."""
        self._release(keys=[key_of(key, "lock")], args=[token])

    def _hget(self, key: bytes, name: str) -> bytes | None:
        return cast("bytes | None", self.client.hget(key, to_bytes(name)))

    def _ask_state(self, pipe: Any, key: CollectionKey) -> None:
        _, parent = names_of(key)
        pipe.hget(shared_key("timestamps", key.collection_id), parent)
        pipe.hget(shared_key("revisions", key.collection_id), parent)
        pipe.get(key_of(key, "lock"))

    def _ask_history(self, pipe: Any, key: CollectionKey) -> None:
        _, parent = names_of(key)
        pipe.hget(shared_key("purged", key.collection_id), parent)
        pipe.hget(shared_key("epochs", key.collection_id), parent)

    def _ask(self, pipe: Any, key: CollectionKey, *, include_deleted: bool) -> None:
        """Send the commands for a snapshot, whose answers `snapshots_of` reads."""
        self._ask_state(pipe, key)
        pipe.hgetall(key_of(key, "records"))
        # Only those who ask for tombstones ask from when on there are all of them.
        if include_deleted:
            pipe.hgetall(key_of(key, "tombstones"))
            self._ask_history(pipe, key)
