"""Parameters that clients send: their values read from text, and how a fault is reported.

Owns how the text of a filter becomes a value, and the form of timestamps. Knows nothing of what a
value is for.
"""

from __future__ import annotations

import re
from typing import Final

from cliquet import utils
from cliquet.core import jsonio
from cliquet.storage.timestamps import MAX_TIMESTAMP
from cliquet.types import JSONValue

__all__ = [
    "MAX_TIMESTAMP",
    "OVERLONG_INTEGER",
    "InvalidParameter",
    "coerce",
    "coerce_list",
    "invalid_value",
    "latest_given",
    "parse_timestamp",
    "timestamp_of",
]

# Last millisecond of the year 9998: HTTP dates still have room for what comes after.
_END_OF_9998: Final = 253370764799999

# What orjson reads and writes exactly, hence what a stored record may hold.
_MIN_INTEGER: Final = -(2**63)
_MAX_INTEGER: Final = 2**64 - 1

_TIMESTAMP = re.compile(r'("?)(0|[1-9][0-9]{0,15})\1')
OVERLONG_INTEGER = re.compile(r"[-+]?[1-9][0-9]{20,}")  # 64 bits take 20 digits at most.


class InvalidParameter(ValueError):
    """Something that the client sent is refused with 400 (H-8.2, H-26.4).

    Parameters
    ----------
    location : ``querystring``, ``headers`` or ``body``, as published for that fault.
    name : the parameter at fault; ``None`` where the contract names none.
    description : sentence for the client.
    """

    def __init__(self, location: str, name: str | None, description: str) -> None:
        self.location = location
        self.name = name
        self.description = description
        super().__init__(description)


def parse_timestamp(text: str) -> int:
    """Read a timestamp that a client sent, in milliseconds: ``123`` or ``"123"``.

    The one reader of them all: filters, preconditions, ``DELETE ?last_modified`` (H-12.15,
    H-10.1, H-21.3).

    Raises
    ------
    ValueError : anything but ASCII digits without a leading zero, between double quotes or not,
        from 0 to :data:`~cliquet.storage.timestamps.MAX_TIMESTAMP`: whatever the service may have
        told is read (X-21, X-28).
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None or (timestamp := int(match[2])) > MAX_TIMESTAMP:
        raise ValueError("not a timestamp in milliseconds")
    return timestamp


def latest_given(now_ms: int, max_ahead_seconds: int | None) -> int:
    """Return the latest timestamp that a client may give to what it writes, in ms (D-4, X-28).

    Parameters
    ----------
    max_ahead_seconds : setting ``timestamp_max_ahead_seconds``; ``None`` for the end of 9998.
    """
    if max_ahead_seconds is None:
        return _END_OF_9998
    return min(now_ms + 1000 * max_ahead_seconds, _END_OF_9998)


def invalid_value(name: str) -> InvalidParameter:
    return InvalidParameter("querystring", name, f"Invalid value for {name}")


def timestamp_of(name: str, text: str) -> int:
    try:
        return parse_timestamp(text)
    except ValueError:
        raise invalid_value(name) from None


def coerce(name: str, text: str) -> JSONValue:
    """Read a value by the rules of H-12.8, as JSON types; what JSON has not stays text."""
    # Before the coercion, which leaves thousands of digits as text: a number however long.
    if OVERLONG_INTEGER.fullmatch(text.strip()):
        raise invalid_value(name)
    try:
        try:
            return _as_json(utils.native_value(text))
        except TypeError:
            # Such as a mapping with numbers for keys: no record holds one (H-12.8, last row).
            return _as_json(text)
    except ValueError:
        raise invalid_value(name) from None


def _as_json(value: object) -> JSONValue:
    """Give the JSON form of a literal.

    Raises
    ------
    ValueError : it holds NUL, a lone surrogate or an integer beyond 64 bits: no record can, and
        some databases fail on them (B-21.20, B-22.27, X-25).
    TypeError : it has no JSON form.
    """
    if isinstance(value, str):
        # Encoding raises UnicodeEncodeError, a ValueError, on a lone surrogate.
        if "\0" in value or not (value.isascii() or value.encode("utf-8")):
            raise ValueError("NUL character")
        return value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not _MIN_INTEGER <= value <= _MAX_INTEGER:
            raise ValueError("integer beyond 64 bits")
        return value
    if isinstance(value, float):  # Finite: overflow stays text (S-2.1).
        return value
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {_as_json(key): _as_json(item) for key, item in value.items()}
    raise TypeError("not a JSON value")


def coerce_list(name: str, text: str) -> list[JSONValue]:
    """Read several values: a JSON array, or texts between commas (H-12.13, E-3.1).

    Raises
    ------
    InvalidParameter : a value that no record can hold.
    """
    if text.startswith("[") and text.endswith("]"):
        try:
            array: list[JSONValue] = jsonio.loads_strict(text.encode("utf-8", "surrogatepass"))
        except jsonio.JSONError as error:
            if error.path is not None:
                raise invalid_value(name) from None
        else:
            return array
    return [coerce(name, item) for item in text.split(",")]
