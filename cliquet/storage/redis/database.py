"""The commands of the storage in Redis, which read collections and commit changes.

The module knows the layout of the data, and not the promises of the storage. It turns errors of the
driver into those of backends.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast

from cliquet.connections.attempts import ATTEMPTS, attempts
from cliquet.connections.redis.client import translated_errors
from cliquet.connections.redis.connecting import Client
from cliquet.connections.redis.names import from_bytes, to_bytes
from cliquet.connections.redis.partitions import routing_keys
from cliquet.storage.departures import StoredDeparture
from cliquet.storage.exceptions import BackendError
from cliquet.storage.history import History, new_epoch
from cliquet.storage.redis import scripts
from cliquet.storage.redis.commits import Commit, Part, arguments_of
from cliquet.storage.redis.directory import Directory
from cliquet.storage.redis.forgetting import FLUSH, FORGET, FORGET_UNTOUCHED
from cliquet.storage.redis.layout import COLLECTIONS, Layout
from cliquet.storage.redis.rewinding import REWIND
from cliquet.storage.redis.snapshots import Snapshot, history_of, integer
from cliquet.storage.redis.unique_indexes import FILL, LOOKUP
from cliquet.storage.redis.values import (
    Stored,
    digest_of,
    names_of,
    read,
    read_departure,
)
from cliquet.storage.selection import CollectionKey
from cliquet.types import Record

__all__ = ["Database"]

# Number of records that are added to an index at once, during which the server does nothing else.
FILL_BATCH = 500


class Database:
    """The part of a Redis database that belongs to the storage.

    In a cluster, each collection belongs to one of several parts, as do the lists of collections.

    Parameters
    ----------
    client : client that does not decode answers.

    Attributes
    ----------
    directory : reads several collections.
    """

    def __init__(self, client: Client) -> None:
        # It is not typed, because the annotations of the driver mix its synchronous and its
        # asynchronous client.
        self.client: Any = client
        self._layout = Layout(client)
        self.directory = Directory(client, self._layout)
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
        return read(object_id, self._hget(self._layout.key(key, "records"), object_id))

    @translated_errors
    def entries(
        self, key: CollectionKey, ids: Sequence[str], *, with_history: bool = False
    ) -> Snapshot:
        """Return the entries with some ids."""
        names = [to_bytes(object_id) for object_id in ids]
        pipe = self.client.pipeline()
        self._layout.ask_state(pipe, key)
        if with_history:
            self._layout.ask_history(pipe, key)
        if names:
            pipe.hmget(self._layout.key(key, "records"), names)
            pipe.hmget(self._layout.key(key, "tombstones"), names)
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
        return self.directory.snapshots([key], include_deleted=include_deleted)[key]

    @translated_errors
    def departures(self, key: CollectionKey) -> list[StoredDeparture]:
        """Return all departures of a collection, in any order."""
        found = self.client.hgetall(self._layout.key(key, "departures"))
        return [read_departure(field, text) for field, text in found.items()]

    @translated_errors
    def live_count(self, key: CollectionKey) -> int:
        """Return the number of live records."""
        return int(self._hget(self._layout.shared(key, "live"), key.parent_id) or 0)

    @translated_errors
    def timestamp(self, key: CollectionKey) -> int | None:
        """Return the timestamp of a collection, or ``None`` if it was never touched."""
        return integer(self._hget(self._layout.shared(key, "timestamps"), key.parent_id))

    @translated_errors
    def claim_timestamp(self, key: CollectionKey, timestamp: int) -> tuple[bool, int]:
        """Give a collection its first timestamp; return whether it had none, and the timestamp."""
        collection, parent = names_of(key)
        pipe = self.client.pipeline()
        pipe.hsetnx(self._layout.shared(key, "timestamps"), parent, timestamp)
        pipe.hsetnx(self._layout.shared(key, "epochs"), parent, new_epoch())
        pipe.sadd(self._layout.part_of(key) + COLLECTIONS, collection)
        pipe.hget(self._layout.shared(key, "timestamps"), parent)
        is_new, _, _, kept = pipe.execute()
        return bool(is_new), int(kept)

    @translated_errors
    def history(self, key: CollectionKey) -> History:
        """Return the horizon and the epoch of a collection."""
        pipe = self.client.pipeline()
        pipe.hget(self._layout.shared(key, "timestamps"), names_of(key)[1])
        self._layout.ask_history(pipe, key)
        return history_of(*pipe.execute())

    @translated_errors
    def start_epoch(self, key: CollectionKey) -> None:
        """Give an epoch to a collection that a former version has made without one."""
        parent = names_of(key)[1]
        self.client.hsetnx(self._layout.shared(key, "epochs"), parent, new_epoch())

    @translated_errors
    def holders(
        self, key: CollectionKey, data: Record, unique_fields: Sequence[str]
    ) -> dict[str, list[Stored]]:
        """Return the live records with the same values, by unique field."""
        arguments: list[Any] = [*names_of(key), len(unique_fields)]
        for name in unique_fields:
            arguments += [to_bytes(name), digest_of(name, data)]
        for _ in attempts("To look up unique values"):
            size, answers = self._layout.run(self._lookup, key, arguments)
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
    def ids(self, key: CollectionKey) -> set[str]:
        """Return the ids of the records and tombstones of a collection."""
        pipe = self.client.pipeline()
        pipe.hkeys(self._layout.key(key, "records"))
        pipe.hkeys(self._layout.key(key, "tombstones"))
        records, tombstones = pipe.execute()
        return {from_bytes(name) for name in (*records, *tombstones)}

    def part_of(self, key: CollectionKey) -> bytes:
        """Return the part of the keys to which a collection belongs."""
        return self._layout.part_of(key)

    # Writing

    @translated_errors
    def commit(self, parts: dict[CollectionKey, Part], clock: int = 0) -> Commit:
        """Apply all changes at once, if the reads on which they are based are still true.

        The changes of each part are one step. If there are several parts, all reads are judged
        before the first step.

        Parameters
        ----------
        clock : time in ms, for the new timestamps.

        Raises
        ------
        BackendError : somebody has interfered between two steps, so that only some are done.
        """
        groups: dict[bytes, dict[CollectionKey, Part]] = {}
        for key, one in parts.items():
            groups.setdefault(self._layout.part_of(key), {})[key] = one
        if len(groups) > 1:
            return self._commit_each(groups, clock)
        # Without any collection, it only sees whether the server answers.
        return self._commit_in(next(iter(groups), self._layout.parts[0]), parts, clock)

    def _commit_each(self, groups: dict[bytes, dict[CollectionKey, Part]], clock: int) -> Commit:
        for part, collections in groups.items():
            reads = {
                key: Part(one.revisions, one.collection_revision)
                for key, one in collections.items()
            }
            judged = self._commit_in(part, reads, clock)
            if judged.outcome != "done":
                return judged
        timestamps: list[int] = []
        is_begun = False
        for part, collections in groups.items():
            if any(one.writes() for one in collections.values()):
                done = self._commit_in(part, collections, clock)
                if done.outcome != "done":
                    if not is_begun:
                        return done
                    raise BackendError(message="Others have changed one of several collections.")
                timestamps += done.timestamps
                is_begun = True
        return Commit("done", timestamps)

    def _commit_in(self, part: bytes, parts: dict[CollectionKey, Part], clock: int) -> Commit:
        keys = list(parts)
        indexed: dict[CollectionKey, set[str]] = {key: set() for key in keys}
        asked: Counter[tuple[Any, ...]] = Counter()
        while True:
            outcome, *details = self._commit(
                keys=routing_keys(part), args=arguments_of(parts, indexed, clock)
            )
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
        self.client.hsetnx(self._layout.key(key, "fields"), field_name, "building")
        found: list[Any] = []
        for object_id, stored in self.snapshot(key, include_deleted=False).stored.items():
            # Only live records were read.
            digest = digest_of(name, stored.entry.data)  # type: ignore[union-attr,arg-type]
            if digest:
                found.append((to_bytes(object_id), stored.revision, digest))
        while True:
            batch, found = found[:FILL_BATCH], found[FILL_BATCH:]
            arguments = [*names_of(key), field_name, len(batch), *itertools.chain(*batch)]
            self._layout.run(self._fill, key, [*arguments, "more" if found else "last"])
            if not found:
                return

    @translated_errors
    def flush(self) -> None:
        """Remove everything."""
        for part in self.directory.parts():
            self._flush(keys=routing_keys(part))

    @translated_errors
    def forget(self, key: CollectionKey) -> None:
        """Remove every trace of a collection."""
        self._layout.run(self._forget, key, names_of(key))

    @translated_errors
    def forget_untouched(self, key: CollectionKey, before: int) -> bool:
        """Forget a collection that has been empty since a time; return whether it has."""
        return bool(self._layout.run(self._forget_untouched, key, [*names_of(key), before]))

    @translated_errors
    def rewind(self, key: CollectionKey, now: int) -> int:
        """Set the timestamps of a collection back to the clock; return their number, or -1."""
        return int(self._layout.run(self._rewind, key, [*names_of(key), now]))

    # The lock for repeated operations

    @translated_errors
    def acquire(self, key: CollectionKey, token: str, lease_ms: int) -> bool:
        """Take the lock of a collection if it is free; return whether it was."""
        return bool(self.client.set(self._layout.key(key, "lock"), token, nx=True, px=lease_ms))

    @translated_errors
    def release(self, key: CollectionKey, token: str) -> None:
        """Release the lock, if it still is ours."""
        self._release(keys=[self._layout.key(key, "lock")], args=[token])

    def _hget(self, key: bytes, name: str) -> bytes | None:
        return cast("bytes | None", self.client.hget(key, to_bytes(name)))
