"""The form of records in Redis, and the names of their keys.

:mod:`cliquet.storage.redis.scripts` describes the layout.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from cliquet.connections.redis.names import from_bytes, to_bytes
from cliquet.storage.departures import StoredDeparture
from cliquet.storage.listing.evaluation import Entry
from cliquet.storage.ordering import resolve, sort_key
from cliquet.storage.query import MISSING
from cliquet.storage.selection import CollectionKey
from cliquet.types import JSONValue

__all__ = [
    "Stored",
    "departure_field",
    "departure_text",
    "digest_of",
    "encode",
    "home_of",
    "key_of",
    "names_of",
    "read",
    "read_departure",
    "shared_key",
]

_DIGEST_BYTES = 16

# This prefix marks JSON that orjson cannot represent exactly: integers beyond 64 bits, lone
# surrogates, great depth. The standard library writes and reads it.
_IN_FULL = b"!"


def names_of(key: CollectionKey) -> tuple[bytes, bytes]:
    """Return the collection and the parent in the form of the scripts."""
    return to_bytes(key.collection_id), to_bytes(key.parent_id)


def home_of(key: CollectionKey) -> bytes:
    """Return the name of a collection that decides in which part of the keys it is."""
    collection, parent = names_of(key)
    return b"%d:%s:%s" % (len(collection), collection, parent)


def key_of(part: bytes, key: CollectionKey, kind: str) -> bytes:
    """Return a key that belongs to one collection, such as that of its ``records``."""
    collection, parent = names_of(key)
    return b"%s%s:%d:%s:%s" % (
        part,
        kind.encode(),
        len(collection),
        collection,
        parent,
    )


def shared_key(part: bytes, kind: str, collection_id: str) -> bytes:
    """Return the key of a hash by parent, such as the ``timestamps`` of a collection."""
    return b"%s%s:%s" % (part, kind.encode(), to_bytes(collection_id))


class _Data(Mapping[str, JSONValue]):
    """The members of a stored record, which are decoded at the first use.

    A list with filters and sorting only on ids and timestamps thus only decodes its page.
    """

    __slots__ = ("_members", "_text")

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._members: dict[str, JSONValue] | None = None

    def _decoded(self) -> dict[str, JSONValue]:
        if self._members is None:
            text = self._text
            is_in_full = text.startswith(_IN_FULL)
            self._members = json.loads(text[1:]) if is_in_full else orjson.loads(text)
        return self._members

    def __getitem__(self, name: str) -> JSONValue:
        return self._decoded()[name]

    def __contains__(self, name: object) -> bool:
        return name in self._decoded()

    def __iter__(self) -> Iterator[str]:
        return iter(self._decoded())

    def __len__(self) -> int:
        return len(self._decoded())


class Stored(NamedTuple):
    """The entry of one id in a collection when it was read.

    Attributes
    ----------
    revision : number of the change that wrote it; empty if there was nothing.
    entry : the record or tombstone, or ``None``.
    """

    revision: bytes = b""
    entry: Entry | None = None


def read(object_id: str, record: bytes | None, tombstone: bytes | None = None) -> Stored:
    """Return the stored entry from the values of both hashes."""
    stored = tombstone if record is None else record
    if stored is None:
        return Stored()
    revision, timestamp, text = stored.split(b":", 2)
    data = None if record is None else _Data(text)
    return Stored(revision, Entry(object_id, int(timestamp), data))


def departure_field(object_id: str, principal: str) -> bytes:
    """Return the field of a departure in the hash of its collection."""
    name = to_bytes(object_id)
    return b"%d:%s:%s" % (len(name), name, to_bytes(principal))


def departure_text(departure: StoredDeparture) -> bytes:
    """Return what is stored of a departure under its field."""
    return f"{departure.position}:{departure.kind}".encode()


def read_departure(field: bytes, text: bytes) -> StoredDeparture:
    """Return a departure from its field and what is stored under it."""
    length, names = field.split(b":", 1)
    size = int(length)
    position, kind = text.split(b":")
    return StoredDeparture(
        from_bytes(names[:size]), from_bytes(names[size + 1 :]), int(position), kind.decode()
    )


def encode(data: Mapping[str, JSONValue]) -> bytes:
    """Return the JSON of an object from :func:`~cliquet.storage.values.copy_object`."""
    try:
        return orjson.dumps(data)
    except TypeError:
        return _IN_FULL + json.dumps(data, separators=(",", ":")).encode()


def digest_of(field: str, data: Mapping[str, JSONValue]) -> bytes:
    """Return the digest of the value of a field for an index; empty for no value (B-7.2).

    Equal values have the same digest, however they were written: ``1`` and ``1.0``.
    """
    value = resolve(data, field)
    if value is None or value is MISSING:
        return b""
    key = repr(tuple(_as_written(part) for part in sort_key(value)))
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


def _as_written(part: Any) -> Any:
    return int(part) if isinstance(part, float) and part.is_integer() else part
