"""Tokens of pages whose last record has sort values that are too long for a URL.

Such a token names records at the end of its page, the *anchors*, by their id, their timestamp and a
digest of their values, instead of containing the values. The reader of a token looks the records
up, and knows by the digest whether one is still in the same place. This module defines the format,
and knows neither the request nor the storage.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import quote

from cliquet.core import jsonio
from cliquet.resource.parameters import MAX_TIMESTAMP
from cliquet.storage.ordering import resolve
from cliquet.storage.query import MISSING, Sort
from cliquet.types import JSONValue, Record

__all__ = [
    "MAX_OFFSET",
    "MAX_TOKEN_BYTES",
    "Anchor",
    "Anchors",
    "Position",
    "Reserved",
    "encode",
    "find",
    "fits",
    "is_integer",
    "read",
]

MAX_TOKEN_BYTES: Final = 1000
"""Greatest number of bytes of an escaped token: servers accept URLs of 8 kB, with filters."""

MAX_OFFSET: Final = 2**63 - 1

_MAX_ANCHORS: Final = 8
# Length of 128 bits as base64 without padding.
_DIGEST_LENGTH: Final = 22


class Anchor(NamedTuple):
    """A record, and its former place in the list.

    Attributes
    ----------
    digest : digest of its sort values, without the id and the timestamp.
    """

    record_id: str
    timestamp: int
    digest: str


class Position(NamedTuple):
    """The place where a page starts.

    Attributes
    ----------
    values : sort fields of a record by name; missing fields are absent.
    is_included : whether the page starts with this position, and not after it.
    """

    values: dict[str, JSONValue]
    is_included: bool


class Anchors(NamedTuple):
    """The content of such a token.

    Parameters
    ----------
    before : last records of the previous page, the very last one first. The next page starts after
        the first of them that is still in its place. There is no unchanged record between them.
    following : the first record of the next page.
    offset : number of items on the previous pages.
    """

    before: tuple[Anchor, ...]
    following: Anchor | None
    offset: int

    @property
    def in_turn(self) -> list[tuple[Anchor, bool]]:
        """The anchors in the order of the attempts, and whether the next page includes each."""
        following = [] if self.following is None else [(self.following, True)]
        last, *others = [(anchor, False) for anchor in self.before]
        return [last, *following, *others]


class Reserved(NamedTuple):
    """Names of the fields that every record has."""

    id_field: str
    modified_field: str


def fits(token: str) -> bool:
    """Return whether a token is short enough for a URL."""
    # An escape has three characters: most tokens are short enough whatever they need.
    if 3 * len(token) <= MAX_TOKEN_BYTES:
        return True
    return len(token) <= MAX_TOKEN_BYTES and len(quote(token, safe="")) <= MAX_TOKEN_BYTES


def encode(
    sorting: Sequence[Sort],
    page: Sequence[Record],
    following: Record | None,
    offset: int,
    reserved: Reserved,
) -> str:
    """Return the token of the page after `page`, with as many anchors as there is space for.

    Parameters
    ----------
    sorting : complete sort criteria of the list.
    page : records of the page, or at least the last one.
    following : the record after the page, if it is known.
    """

    def anchor(record: Mapping[str, JSONValue]) -> Anchor:
        timestamp: int = record[reserved.modified_field]
        digest = _digest(sorting, record, reserved)
        return Anchor(str(record[reserved.id_field]), timestamp, digest)

    def written(candidate: Anchors) -> str:
        content = {
            "before": candidate.before,
            "following": candidate.following,
            "offset": candidate.offset,
            "order": _order(sorting),
        }
        return base64.b64encode(jsonio.dumps(content)).decode("ascii")

    anchors = Anchors((anchor(page[-1]),), None, offset)
    token = written(anchors)
    candidates = [] if following is None else [Anchors(anchors.before, anchor(following), offset)]
    earlier = [anchor(record) for record in reversed(page[-_MAX_ANCHORS:-1])]
    for size in range(1, len(earlier) + 1):
        before = (*anchors.before, *earlier[:size])
        candidates.append(Anchors(before, candidates[0].following if candidates else None, offset))
    for candidate in candidates:
        longer = written(candidate)
        if not fits(longer):
            break
        token = longer
    return token


def read(content: Mapping[str, JSONValue], sorting: Iterable[Sort]) -> Anchors:
    """Return the content of a token.

    Parameters
    ----------
    content : the decoded JSON of the token, an object.
    sorting : complete sort criteria of the list.

    Raises
    ------
    ValueError : it is damaged, forged, or belongs to another list (D-21).
    """
    if content.keys() != {"before", "following", "offset", "order"}:
        raise ValueError("not the members of a token")
    before, following, offset = content["before"], content["following"], content["offset"]
    if content["order"] != _order(sorting):
        raise ValueError("of another order")
    if not is_integer(offset, MAX_OFFSET):
        raise ValueError("not a count of items")
    if not isinstance(before, list) or not 0 < len(before) <= _MAX_ANCHORS:
        raise ValueError("not the end of a page")
    return Anchors(
        tuple(map(_read_anchor, before)),
        None if following is None else _read_anchor(following),
        offset,
    )


def find(
    anchors: Anchors, sorting: Sequence[Sort], records: Iterable[Record], reserved: Reserved
) -> Position | None:
    """Return the place where the next page starts; ``None`` if no anchor is in its former place.

    Parameters
    ----------
    records : the records of those anchors that still exist.
    """
    known = {str(record[reserved.id_field]): record for record in records}
    for anchor, is_included in anchors.in_turn:
        record = known.get(anchor.record_id)
        if record is None or _digest(sorting, record, reserved) != anchor.digest:
            continue
        values = {
            item.field: value
            for item in sorting
            if (value := resolve(record, item.field)) is not MISSING
        }
        # Other members may have changed, and with them the timestamp: the former one is its place.
        values[reserved.id_field] = anchor.record_id
        values[reserved.modified_field] = anchor.timestamp
        return Position(values, is_included)
    return None


def _digest(sorting: Iterable[Sort], record: Mapping[str, JSONValue], reserved: Reserved) -> str:
    own = (reserved.id_field, reserved.modified_field)
    values = [resolve(record, item.field) for item in sorting if item.field not in own]
    # A missing value differs from null.
    content = jsonio.dumps([[] if value is MISSING else [value] for value in values])
    digest = hashlib.sha256(content).digest()
    return base64.urlsafe_b64encode(digest).decode("ascii")[:_DIGEST_LENGTH]


def _order(sorting: Iterable[Sort]) -> int:
    """Return a number that identifies the order of a list."""
    return zlib.crc32(jsonio.dumps([(item.field, item.direction) for item in sorting]))


def _read_anchor(value: JSONValue) -> Anchor:
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError("not an anchor")
    record_id, timestamp, digest = value
    is_text = isinstance(record_id, str) and isinstance(digest, str)
    if not is_text or not is_integer(timestamp, MAX_TIMESTAMP):
        raise ValueError("not an id, a timestamp and a digest")
    return Anchor(record_id, timestamp, digest)


def is_integer(value: JSONValue, maximum: int) -> bool:
    """Return whether a value is a number that a token may contain."""
    # A boolean is an integer in Python, but not in JSON.
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= maximum
