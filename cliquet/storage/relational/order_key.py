"""The order of JSON values as text, for databases.

A comparison of keys character by character, and therefore byte by byte in UTF-8, gives the same
order as :func:`cliquet.storage.ordering.sort_key`. Equal values have the same key. PostgreSQL
computes the same keys (``postgresql/functions.sql``), and SQLite calls this module.

Differences from the exact order:

- Keys beyond 400 characters are cut, because the size of an index row is limited, and end with a
  digest of the whole. Values with the same beginning are in the order of their digests. This is the
  same in filters, sorting and pages. Equality must be checked with the values.
- Integers beyond 64 bits, which no record contains, differ from a float, but not from each other.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from typing import Any, Final

from cliquet.storage.ordering import ABSENT, ARRAY, BOOLEAN, NULL, NUMBER, OBJECT, TEXT
from cliquet.storage.query import MISSING, Missing
from cliquet.types import JSONValue

__all__ = ["MAX_EXACT_CHARACTERS", "exact_key", "order_key"]

MAX_EXACT_CHARACTERS: Final = 400
"""Length of the longest key that belongs to only one value."""

_TEXT_RANK: Final = str(TEXT)

# From the first number on, floats cannot represent all integers. The second one is the least float
# to which no integer of 64 bits is rounded, except the same number.
_FIRST_TIE: Final = 2.0**53
_LAST_TIE: Final = 2.0**64
# With this offset, all are positive and have 20 or 21 digits.
_TIE_OFFSET: Final = 10**20

_SIGN: Final = 1 << 63
_ALL_BITS: Final = (1 << 64) - 1


def order_key(value: JSONValue | Missing) -> str:
    """Return the text that is compared instead of `value`.

    Raises
    ------
    TypeError : it is not a JSON value.
    """
    key = exact_key(value)
    if len(key) <= MAX_EXACT_CHARACTERS:
        return key
    digest = hashlib.md5(key.encode("utf-8", "surrogatepass"), usedforsecurity=False)
    return key[:MAX_EXACT_CHARACTERS] + digest.hexdigest()


def exact_key(value: JSONValue | Missing) -> str:
    """Return a key of any length that no other value has.

    Raises
    ------
    TypeError : it is not a JSON value.
    """
    if isinstance(value, str):
        return _TEXT_RANK + value
    if type(value) is int or type(value) is float:
        return f"{NUMBER}{_number(value)}"
    parts: list[str] = []
    pending: list[Any] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            parts.append(_TEXT_RANK + _terminated(item))
        elif item is None:
            parts.append(f"{NULL}")
        elif item is MISSING:
            parts.append(f"{ABSENT}")
        elif isinstance(item, bool):
            parts.append(f"{BOOLEAN}{int(item)}")
        elif isinstance(item, (int, float)):
            parts.append(f"{NUMBER}{_number(item)}")
        elif isinstance(item, (list, tuple)):
            parts.append(f"{ARRAY}{len(item):08x}")
            pending.extend(reversed(item))
        elif isinstance(item, Mapping):
            names = sorted(item)
            parts.append(f"{OBJECT}{len(names):08x}")
            parts.extend(map(_terminated, names))
            pending.extend(item[name] for name in reversed(names))
        else:
            raise TypeError(f"{type(item).__name__} is not a JSON type: {item!r}")
    return "".join(parts)


def _terminated(text: str) -> str:
    """Return the text with an end, so that no other one begins with it; the order stays."""
    if "\1" in text or "\0" in text:
        text = text.replace("\1", "\1\3").replace("\0", "\1\2")
    # The text is not formatted, because the formatted text of an enumeration is its name.
    return text + "\1\1"


def _number(value: float) -> str:
    try:
        # Zero has only one form, because JSON numbers have no -0.
        rounded = float(value) + 0.0
    except OverflowError:
        rounded = float("inf") if value > 0 else float("-inf")
    (bits,) = struct.unpack(">Q", struct.pack(">d", rounded))
    bits = bits ^ _ALL_BITS if bits & _SIGN else bits | _SIGN
    magnitude = abs(rounded)
    if magnitude < _FIRST_TIE:
        return f"{bits:016x}"
    if magnitude <= _LAST_TIE:
        return f"{bits:016x}{int(value) + _TIE_OFFSET:021}"
    # A record can contain such numbers only as floats.
    return f"{bits:016x}{1 + (value > rounded) - (value < rounded)}"
