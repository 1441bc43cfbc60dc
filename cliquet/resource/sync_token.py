"""The tokens of clients that synchronise (E-11.4): how far a client knows a collection.

This module defines their format, which is opaque for clients. It knows neither the request nor the
storage. As the tokens of pages, they are not secret: a forged one shows nothing that its sender
could not list. A checksum tells a damaged one.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

from cliquet.core import jsonio
from cliquet.storage.timestamps import MAX_TIMESTAMP

__all__ = ["MAX_SYNC_TOKEN_BYTES", "Place", "SyncToken", "digest"]

MAX_SYNC_TOKEN_BYTES: Final = 512
"""Greatest length of a token, without the place of a page within a start."""

_DIGEST_BYTES: Final = 12
_CHECK_BYTES: Final = 4
_MAX_EPOCH_BYTES: Final = 64
# What the rest of the token is for; other numbers are for later versions.
_CHANGES: Final = 1
_START: Final = 2
_BETWEEN: Final = 3
# The kind, the position, the two digests, and the length of the epoch, which follows.
_HEAD: Final = struct.Struct(f">BQ{_DIGEST_BYTES}s{_DIGEST_BYTES}sB")
_PLACE: Final = struct.Struct(">Q")


class Place(NamedTuple):
    """The place of a page among records in the order of their timestamps.

    Attributes
    ----------
    timestamp, record_id : those of the last record before the page. Records that were written with
        timestamps of the past may have the same one.
    """

    timestamp: int
    record_id: str


class SyncToken(NamedTuple):
    """How far a client knows a collection.

    Attributes
    ----------
    position : the client knows all changes up to this timestamp of the collection, in ms. During a
        start, it will know them when it has read the last page.
    epoch : that of the collection.
    view : digest of the part of the collection that the user may see.
    source : digest of the collection, its parent and the filters.
    place : place of the next page, during a start; later, only where the last page ended between
        records with one timestamp. Else ``None``.
    is_start : whether the client has not yet read all pages of its start.
    """

    position: int
    epoch: str
    view: bytes
    source: bytes
    place: Place | None = None
    is_start: bool = False

    def encode(self) -> str:
        """Return the token as text: letters, digits, ``-`` and ``_``."""
        epoch = self.epoch.encode()
        if len(epoch) > _MAX_EPOCH_BYTES:
            raise ValueError(f"The epoch has more than {_MAX_EPOCH_BYTES} bytes.")
        kind = _CHANGES if self.place is None else _START if self.is_start else _BETWEEN
        content = _HEAD.pack(kind, self.position, self.view, self.source, len(epoch)) + epoch
        if self.place is not None:
            record_id = self.place.record_id.encode("utf-8", "surrogatepass")
            content += _PLACE.pack(self.place.timestamp) + record_id
        return _text(_check(content) + content)

    @classmethod
    def decode(cls, text: str) -> SyncToken:
        """Read a token.

        Raises
        ------
        ValueError : it is damaged, or was never made by :meth:`encode`.
        """
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        decoded = base64.b64decode(padded, altchars=b"-_", validate=True)
        check, content = decoded[:_CHECK_BYTES], decoded[_CHECK_BYTES:]
        if check != _check(content) or len(content) < _HEAD.size:
            raise ValueError("damaged")
        kind, position, view, source, size = _HEAD.unpack_from(content)
        epoch, rest = content[_HEAD.size :][:size], content[_HEAD.size + size :]
        if kind not in (_CHANGES, _START, _BETWEEN) or 0 < len(rest) < _PLACE.size:
            raise ValueError("of another version")
        place = None
        if rest:
            (timestamp,) = _PLACE.unpack_from(rest)
            record_id = rest[_PLACE.size :].decode("utf-8", "surrogatepass")
            place = Place(_timestamp(timestamp), record_id)
        token = cls(_timestamp(position), epoch.decode(), view, source, place, kind == _START)
        if token.encode() != text:
            raise ValueError("of another version")
        return token


def digest(parts: Iterable[str]) -> bytes:
    """Return a digest of texts in their order, for :class:`SyncToken`."""
    content = jsonio.dumps(list(parts))
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _check(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_CHECK_BYTES, person=b"cliquet sync").digest()


def _timestamp(number: int) -> int:
    if number > MAX_TIMESTAMP:
        raise ValueError("not a timestamp")
    return number
