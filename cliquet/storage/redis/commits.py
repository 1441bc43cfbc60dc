"""The parts of a commit, and its form in the arguments and the answer of the script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from cliquet.connections.redis.names import to_bytes
from cliquet.storage.departures import StoredDeparture
from cliquet.storage.redis.values import (
    Stored,
    departure_field,
    departure_text,
    digest_of,
    encode,
    names_of,
)
from cliquet.storage.selection import CollectionKey
from cliquet.types import Record

__all__ = ["EXACT", "Change", "Commit", "Part", "arguments_of"]

EXACT: Final = "exact"


@dataclass
class Change:
    """One change of a collection.

    Attributes
    ----------
    kind : ``put`` a record, ``bury`` it under a tombstone, ``forget`` it, or ``purge`` a tombstone.
    must : required state of the record, ``absent`` or ``live``; empty if it does not matter.
    timestamp : timestamp of the record; empty to let the script make one.
    data : data of a record that is put.
    unique_fields : fields whose values no other record may have.
    """

    kind: str
    object_id: str
    timestamp: str = ""
    data: Record = field(default_factory=dict)
    unique_fields: Sequence[str] = ()
    must: str = ""

    def arguments(self, indexed_fields: Iterable[str]) -> list[Any]:
        """Return the change in the form of the script."""
        is_put = self.kind == "put"
        arguments: list[Any] = [self.kind, self.must, to_bytes(self.object_id), self.timestamp]
        arguments.append(encode(self.data) if is_put else b"")
        fields = dict.fromkeys([*self.unique_fields, *indexed_fields]) if is_put else {}
        arguments.append(len(fields))
        for name in fields:
            digest = digest_of(name, self.data)
            arguments += [to_bytes(name), digest, "1" if name in self.unique_fields else "0"]
        return arguments


@dataclass
class Part:
    """The changes of one collection in a commit, and the reads on which they are based.

    Attributes
    ----------
    revisions : revisions of the entries that were read, by id.
    collection_revision : revision of the collection if all of it was read; else ``None``.
    first, latest : timestamps of the first and of the last change that were chosen before; empty to
        let the script make them. The first one is :data:`EXACT` to keep the given ones in any case.
    departures : departures to store, by id and principal; ``None`` to remove one.
    made_departures : departures whose timestamps the script makes: the rank of the timestamp, in
        ascending order, with the id, the principal and the kind.
    purged_departures : departures to remove if they are still the same, which moves the horizon.
    horizon, epoch : those that the collection gets; empty to let the script choose them.
    """

    revisions: dict[str, bytes] = field(default_factory=dict)
    collection_revision: bytes | None = None
    first: str = ""
    latest: str = ""
    horizon: str = ""
    epoch: str = ""
    changes: dict[str, Change] = field(default_factory=dict)
    departures: dict[tuple[str, str], StoredDeparture | None] = field(default_factory=dict)
    made_departures: Sequence[tuple[int, str, str, str]] = ()
    purged_departures: dict[tuple[str, str], StoredDeparture] = field(default_factory=dict)

    def writes(self) -> bool:
        """Return whether the collection changes."""
        return bool(
            self.changes or self.departures or self.made_departures or self.purged_departures
        )


class Commit(NamedTuple):
    """The answer of the script: ``done``, ``conflict``, ``late``, ``taken`` or ``missing``.

    Attributes
    ----------
    timestamps : timestamps that the script has given, for ``done``.
    field, existing : the unique field, or empty for the id, and the other record with its value.
    """

    outcome: str
    timestamps: Sequence[int] = ()
    field: str = ""
    existing: Stored = Stored()


def arguments_of(
    parts: Mapping[CollectionKey, Part], indexed: Mapping[CollectionKey, Iterable[str]], clock: int
) -> list[Any]:
    """Return a commit in the form of the script."""
    arguments: list[Any] = [clock, len(parts)]
    entries: list[Any] = []
    collections: list[Any] = []
    changes: list[Any] = []
    for rank, (key, part) in enumerate(parts.items(), start=1):
        arguments += [*names_of(key), part.first, part.latest, part.horizon, part.epoch]
        for object_id, revision in part.revisions.items():
            entries += [rank, to_bytes(object_id), revision]
        if part.collection_revision is not None:
            collections += [rank, part.collection_revision]
        for change in part.changes.values():
            changes += [rank, *change.arguments(indexed[key])]
    departures: list[Any] = []
    for rank, part in enumerate(parts.values(), start=1):
        for pair, stored in part.departures.items():
            text = b"" if stored is None else departure_text(stored)
            departures += [rank, departure_field(*pair), text, b""]
        for made_rank, object_id, principal, kind in part.made_departures:
            text = f"+{made_rank}:{kind}".encode()
            departures += [rank, departure_field(object_id, principal), text, b""]
        for pair, former in part.purged_departures.items():
            departures += [rank, departure_field(*pair), b"", departure_text(former)]
    number_of_changes = sum(len(part.changes) for part in parts.values())
    arguments += [len(entries) // 3, *entries, len(collections) // 2, *collections]
    return [*arguments, number_of_changes, *changes, len(departures) // 4, *departures]
