"""An operation on collections in Redis: its reads, and its pending writes.

Nothing is locked while it runs. At the end, one script checks that all its reads are still true,
and writes all or nothing. If something has changed, the operation must run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cliquet import utils
from cliquet.core.globs import compile_pattern
from cliquet.storage.departures import StoredDeparture
from cliquet.storage.listing.evaluation import Entry
from cliquet.storage.redis.commits import Change, Commit, Part
from cliquet.storage.redis.database import Database
from cliquet.storage.redis.snapshots import Snapshot
from cliquet.storage.redis.values import Stored, digest_of
from cliquet.storage.selection import CollectionKey, Scope
from cliquet.storage.timestamps import MAX_TIMESTAMP, next_timestamp, next_timestamps
from cliquet.types import Record

__all__ = ["Operation"]

NOTHING = Stored()
NEVER_TOUCHED = Snapshot(None, b"", False, {})


@dataclass
class _View:
    """The view of a collection within the operation.

    Attributes
    ----------
    stored : entries that were read, by id; if `is_whole`, these are all entries.
    written : entries that the operation has changed, by id; ``None`` for a removed one.
    timestamp : latest known timestamp; ``None`` if the collection was never touched.
    """

    part: Part = field(default_factory=Part)
    stored: dict[str, Stored] = field(default_factory=dict)
    written: dict[str, Entry | None] = field(default_factory=dict)
    timestamp: int | None = None
    is_seen: bool = False
    is_whole: bool = False

    def entry(self, object_id: str) -> Entry | None:
        if object_id in self.written:
            return self.written[object_id]
        return self.stored.get(object_id, NOTHING).entry

    def note(self, object_id: str, stored: Stored) -> None:
        """Remember that an entry was read; the first read counts."""
        self.stored.setdefault(object_id, stored)
        self.part.revisions.setdefault(object_id, self.stored[object_id].revision)

    def note_collection(self, snapshot: Snapshot) -> None:
        """Remember that the whole collection was read; the first read counts."""
        if self.part.collection_revision is None:
            self.part.collection_revision = snapshot.revision


class Operation:
    """One run of an operation.

    Parameters
    ----------
    slack_ms : time that is added to the first timestamp. The timestamp is chosen before the commit,
        and another change may overtake it meanwhile: the next run looks further ahead.
    may_disturb : whether not to wait for somebody who repeats an operation on the same collection,
        because the caller was disturbed too, and has already waited.
    """

    def __init__(self, database: Database, *, slack_ms: int = 0, may_disturb: bool = False) -> None:
        self._database = database
        self._slack_ms = slack_ms
        self._may_disturb = may_disturb
        self._views: dict[CollectionKey, _View] = {}
        self._reads = 0
        # Whether somebody else repeats an operation on the same data, and should come first.
        self._is_disturbing = False

    # Reading

    def entries(self, key: CollectionKey, ids: Sequence[str]) -> list[Entry]:
        """Return the records and tombstones with these ids."""
        view = self._view(key)
        ids = list(dict.fromkeys(ids))
        known = view.written.keys() | view.stored.keys()
        unknown = [object_id for object_id in ids if object_id not in known]
        if unknown and not view.is_whole:
            snapshot = self._see(view, self._database.entries(key, unknown))
            for object_id, stored in snapshot.stored.items():
                view.note(object_id, stored)
        for object_id in ids:
            if object_id in view.stored and object_id not in view.written:
                view.note(object_id, view.stored[object_id])
        found = [view.entry(object_id) for object_id in ids]
        return [entry for entry in found if entry is not None]

    def matching(
        self, scope: Scope, *, is_loose: bool = False, part: bytes | None = None
    ) -> dict[CollectionKey, list[Entry]]:
        """Return the records and tombstones of some collections.

        Parameters
        ----------
        part : the only part of the keys that is asked; ``None`` for all.
        is_loose : whether only the entries that are then changed must stay the same; otherwise any
            change of one of the collections disturbs the operation.
        """
        snapshots = self._database.directory.matching(scope, include_deleted=True, part=part)
        matches = compile_pattern(scope.parent_id)
        for key, view in self._views.items():
            is_named = scope.collection_id in (None, key.collection_id) and matches(key.parent_id)
            is_there = part in (None, self._database.part_of(key))
            if view.written and is_named and is_there:
                snapshots.setdefault(key, NEVER_TOUCHED)
        return {
            key: self._all(key, snapshot, is_loose=is_loose) for key, snapshot in snapshots.items()
        }

    def _all(self, key: CollectionKey, snapshot: Snapshot, *, is_loose: bool) -> list[Entry]:
        view = self._view(key)
        if not view.is_whole:
            self._see(view, snapshot)
            # Earlier reads win, because they were noted, and must still be true at the end.
            view.stored = {**snapshot.stored, **view.stored}
            if not is_loose:
                view.note_collection(snapshot)
                view.is_whole = True
        found = [view.entry(object_id) for object_id in {**view.stored, **view.written}]
        return [entry for entry in found if entry is not None]

    def timestamp(self, key: CollectionKey) -> int | None:
        """Return the timestamp of a collection; then any change of the collection disturbs."""
        view = self._view(key)
        if not view.part.latest and view.part.collection_revision is None:
            view.note_collection(self._see(view, self._database.entries(key, [])))
        return view.timestamp

    def known_timestamp(self, key: CollectionKey) -> int | None:
        """Return the timestamp of a collection at the time when it was read."""
        return self._view(key).timestamp

    def clash(
        self, key: CollectionKey, object_id: str, data: Record, unique_fields: Sequence[str]
    ) -> tuple[str, Entry] | None:
        """Return the first unique field with a value of another live record, and that record."""
        if not unique_fields:
            return None
        self._reads += 1
        view = self._view(key)
        holders = self._database.holders(key, data, unique_fields)
        for name in unique_fields:
            for stored in holders[name]:
                holder = stored.entry
                if holder is not None and holder.id != object_id and holder.id not in view.written:
                    view.note(holder.id, stored)
                    return name, holder
            digest = digest_of(name, data)
            for other in view.written.values():
                if other is None or other.data is None or other.id == object_id or not digest:
                    continue
                if digest_of(name, other.data) == digest:
                    return name, other
        return None

    # Writing

    def advance(self, key: CollectionKey, supplied: int | None) -> int:
        """Choose a timestamp of the collection for a change, and return it."""
        view = self._view(key)
        if not view.is_seen:
            self._see(view, self._database.entries(key, []))
        clock = utils.msec_time()
        if not view.part.first:
            # Timestamps may be ahead of the clock, so that the slack is added to them.
            earliest = next_timestamp(view.timestamp, clock)
            clock = min(earliest + self._slack_ms, MAX_TIMESTAMP)
        timestamp, latest = next_timestamps(view.timestamp, supplied, clock)
        view.timestamp = latest
        view.part.first = view.part.first or str(latest)
        view.part.latest = str(latest)
        return timestamp

    def put(self, key: CollectionKey, entry: Entry, unique_fields: Sequence[str] = ()) -> None:
        """Write a live record."""
        data = dict(entry.data or {})
        change = Change("put", entry.id, str(entry.timestamp), data, tuple(unique_fields))
        self._write(key, change, entry)

    def delete(self, key: CollectionKey, tombstone: Entry, *, with_deleted: bool) -> None:
        """Replace a record by its tombstone, or remove it."""
        kind = "bury" if with_deleted else "forget"
        change = Change(kind, tombstone.id, str(tombstone.timestamp))
        self._write(key, change, tombstone if with_deleted else None)

    def purge(self, key: CollectionKey, object_id: str) -> None:
        """Remove a tombstone; no timestamp changes (B-4.14)."""
        former = self._view(key).part.changes.get(object_id)
        if former is not None:
            self._write(key, Change("forget", object_id, former.timestamp), None)
        else:
            self._write(key, Change("purge", object_id), None)

    # Departures

    def departures(self, key: CollectionKey) -> list[StoredDeparture]:
        """Return the departures of a collection, without noting that they were read.

        Those that are then purged must stay the same; others disturb nobody.
        """
        part = self._view(key).part
        stored: dict[tuple[str, str], StoredDeparture | None] = {
            one[:2]: one for one in self._database.departures(key)
        }
        stored.update(part.departures)
        stored.update(dict.fromkeys(part.purged_departures))
        return [one for one in stored.values() if one is not None]

    def depart(self, key: CollectionKey, departure: StoredDeparture) -> None:
        """Store a departure, with a timestamp from :meth:`advance`."""
        part = self._view(key).part
        part.purged_departures.pop(departure[:2], None)
        part.departures[departure[:2]] = departure

    def purge_departure(self, key: CollectionKey, departure: StoredDeparture) -> None:
        """Remove a departure, if it is still the same at the end."""
        part = self._view(key).part
        if part.departures.get(departure[:2]) is not None:
            part.departures[departure[:2]] = None
        else:
            part.purged_departures[departure[:2]] = departure

    def _write(self, key: CollectionKey, change: Change, entry: Entry | None) -> None:
        view = self._view(key)
        object_id = change.object_id
        if object_id in view.stored:
            view.note(object_id, view.stored[object_id])
        view.part.changes[object_id] = change
        view.written[object_id] = entry

    # The end

    def commit(self, *, has_effects: bool = False) -> Commit:
        """Write everything, if all reads are still true.

        Parameters
        ----------
        has_effects : whether the operation has changed something in other backends.
        """
        if self._is_disturbing and not self._may_disturb:
            return Commit("conflict")
        parts = {key: view.part for key, view in self._views.items()}
        writes = has_effects or any(part.writes() for part in parts.values())
        if self._reads < 2 and not writes:
            # A single read at one moment was true at that moment.
            return Commit("done")
        return self._database.commit(parts)

    def is_valid(self) -> bool:
        """Return whether all reads are still true; write nothing."""
        if self._reads < 2:
            return True
        parts = {
            key: Part(view.part.revisions, view.part.collection_revision)
            for key, view in self._views.items()
        }
        return self._database.commit(parts).outcome == "done"

    def _view(self, key: CollectionKey) -> _View:
        return self._views.setdefault(key, _View())

    def _see(self, view: _View, snapshot: Snapshot) -> Snapshot:
        self._reads += 1
        self._is_disturbing = self._is_disturbing or snapshot.is_locked
        if not view.part.latest:
            known = [stamp for stamp in (view.timestamp, snapshot.timestamp) if stamp is not None]
            view.timestamp = max(known, default=None)
        view.is_seen = True
        return snapshot
