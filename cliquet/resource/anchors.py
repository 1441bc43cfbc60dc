"""Tokens of pages whose last record has sort values that are too long to travel in a URL.

Such a token names records at the end of its page, the *anchors*, instead of holding their values:
by id, timestamp and a digest of the values. Who reads it looks the records up, and knows by the
digest that one still stands where it stood. Owns the format; knows neither request nor storage.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
"""Most bytes of a token, escaped as in a URL: servers take URLs of 8 kB, filters included."""

MAX_OFFSET: Final = 2**63 - 1

_MAX_ANCHORS: Final = 8
# 128 bits, as base64 without padding.
_DIGEST_LENGTH: Final = 22


class Anchor(NamedTuple):
    """A record, and where it stood.

    Attributes
    ----------
    digest : of its sort values, but for id and timestamp.
    """

    record_id: str
    timestamp: int
    digest: str


class Position(NamedTuple):
    """Where a page starts.

    Attributes
    ----------
    values : sort fields of a record, by name; those that it lacks are absent.
    is_included : the page starts with that position, not after it.
    """

    values: dict[str, JSONValue]
    is_included: bool


@dataclass(frozen=True)
class Anchors:
    """What such a token holds.

    Parameters
    ----------
    before : records that the page so far ended with, the last one first; the next page starts
        after the first of them that stands where it stood. Nothing that has not changed lies
        between them.
    following : the record with which the next page begins.
    offset : number of items delivered by the pages before.
    """

    before: tuple[Anchor, ...]
    following: Anchor | None
    offset: int

    @property
    def in_turn(self) -> list[tuple[Anchor, bool]]:
        """The anchors, as they are to be tried, and whether the next page starts with each."""
        following = [] if self.following is None else [(self.following, True)]
        last, *others = [(anchor, False) for anchor in self.before]
        return [last, *following, *others]


@dataclass(frozen=True)
class Reserved:
    """Names of the fields that every record has."""

    id_field: str
    modified_field: str


def fits(token: str) -> bool:
    """Whether a token is short enough for a URL."""
    # Escapes make it longer by two bytes each; few are needed.
    return len(token) <= MAX_TOKEN_BYTES and len(quote(token, safe="")) <= MAX_TOKEN_BYTES


def encode(
    sorting: Sequence[Sort],
    page: Sequence[Record],
    following: Record | None,
    offset: int,
    reserved: Reserved,
) -> str:
    """Write the token of the page that follows `page`, with as many anchors as there is room for.

    Parameters
    ----------
    sorting : criteria of the listing, complete.
    page : its records, or at least the last one.
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
    """Return what a token holds.

    Parameters
    ----------
    content : the decoded JSON of the token, an object.
    sorting : criteria of the listing, complete.

    Raises
    ------
    ValueError : it is damaged, forged, or of another listing (D-21).
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
    """Return where the next page starts, ``None`` if no anchor stands where it stood.

    Parameters
    ----------
    records : those of the anchors that there are, as they are now.
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
        # Other members may have changed since, and the timestamp with them: it stood there.
        values[reserved.id_field] = anchor.record_id
        values[reserved.modified_field] = anchor.timestamp
        return Position(values, is_included)
    return None


def _digest(sorting: Iterable[Sort], record: Mapping[str, JSONValue], reserved: Reserved) -> str:
    own = (reserved.id_field, reserved.modified_field)
    values = [resolve(record, item.field) for item in sorting if item.field not in own]
    # What is missing is not null.
    content = jsonio.dumps([[] if value is MISSING else [value] for value in values])
    digest = hashlib.sha256(content).digest()
    return base64.urlsafe_b64encode(digest).decode("ascii")[:_DIGEST_LENGTH]


def _order(sorting: Iterable[Sort]) -> int:
    """Return a number that tells one order of listing from another."""
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
    """Whether a value is a number that a token may hold."""
    # A boolean is an integer in Python, and not in JSON.
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= maximum
