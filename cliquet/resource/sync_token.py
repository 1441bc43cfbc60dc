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

__all__ = ["MAX_SYNC_TOKEN_BYTES", "SyncToken", "WalkPlace", "digest"]

MAX_SYNC_TOKEN_BYTES: Final = 512
"""Greatest length of a token, without the place of a page within a start."""

_DIGEST_BYTES: Final = 12
_CHECK_BYTES: Final = 4
_MAX_EPOCH_BYTES: Final = 64
_VERSION: Final = 1
# The version, the position, the two digests, and the length of the epoch, which follows.
_HEAD: Final = struct.Struct(f">BQ{_DIGEST_BYTES}s{_DIGEST_BYTES}sB")
_WALK: Final = struct.Struct(">Q")


class WalkPlace(NamedTuple):
    """The place of a page in the list of all records, with which a client starts.

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
    walk : during a start, the place of the next page; else ``None``.
    """

    position: int
    epoch: str
    view: bytes
    source: bytes
    walk: WalkPlace | None = None

    def encode(self) -> str:
        """Return the token as text: letters, digits, ``-`` and ``_``."""
        epoch = self.epoch.encode()
        if len(epoch) > _MAX_EPOCH_BYTES:
            raise ValueError(f"The epoch has more than {_MAX_EPOCH_BYTES} bytes.")
        content = _HEAD.pack(_VERSION, self.position, self.view, self.source, len(epoch)) + epoch
        if self.walk is not None:
            record_id = self.walk.record_id.encode("utf-8", "surrogatepass")
            content += _WALK.pack(self.walk.timestamp) + record_id
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
        # Some characters may end with other bits that mean nothing.
        if check != _check(content) or len(content) < _HEAD.size or _text(decoded) != text:
            raise ValueError("damaged")
        version, position, view, source, size = _HEAD.unpack_from(content)
        epoch, place = content[_HEAD.size :][:size], content[_HEAD.size + size :]
        if version != _VERSION or len(epoch) != size:
            raise ValueError("of another version")
        walk = None
        if place:
            if len(place) < _WALK.size:
                raise ValueError("without the place of its page")
            (timestamp,) = _WALK.unpack_from(place)
            record_id = place[_WALK.size :].decode("utf-8", "surrogatepass")
            walk = WalkPlace(_timestamp(timestamp), record_id)
        return cls(_timestamp(position), epoch.decode(), view, source, walk)


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
