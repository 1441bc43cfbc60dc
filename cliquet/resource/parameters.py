"""Parameters of clients: the reading of values from text, and the error of a wrong one.

This module defines how the text of a filter becomes a value, and the form of timestamps. It does
not know the purpose of a value.
"""

from __future__ import annotations

import re
from typing import Final

from cliquet import utils
from cliquet.core import jsonio
from cliquet.core.json_exact import MAX_INTEGER, MIN_INTEGER
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

# Last millisecond of the year 9998, so that HTTP dates can still represent later timestamps.
_END_OF_9998: Final = 253370764799999

_TIMESTAMP = re.compile(r'("?)(0|[1-9][0-9]{0,15})\1')
OVERLONG_INTEGER = re.compile(r"[-+]?[1-9][0-9]{20,}")  # 64 bits have at most 20 digits.


class InvalidParameter(ValueError):
    """A part of the request is refused with 400.

    Parameters
    ----------
    location : ``querystring``, ``headers`` or ``body``, as published for this error.
    name : the wrong parameter; ``None`` if the contract names none.
    description : sentence for the client.
    """

    def __init__(self, location: str, name: str | None, description: str) -> None:
        self.location = location
        self.name = name
        self.description = description
        super().__init__(description)


def parse_timestamp(text: str) -> int:
    """Read a timestamp of a client, in milliseconds: ``123`` or ``"123"``.

    All timestamps are read by this function: those of filters, preconditions and
    ``DELETE ?last_modified``.

    Raises
    ------
    ValueError : the text is not a number of ASCII digits without a leading zero, with or without
        double quotes, from 0 to :data:`~cliquet.storage.timestamps.MAX_TIMESTAMP`. Every timestamp
        that the service may have sent is accepted.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None or (timestamp := int(match[2])) > MAX_TIMESTAMP:
        raise ValueError("not a timestamp in milliseconds")
    return timestamp


def latest_given(now_ms: int, max_ahead_seconds: int | None) -> int:
    """Return the latest timestamp that a client may give to a record, in ms.

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
    """Read a value as a literal with a JSON type; any other text stays text (H-12.8)."""
    # This comes before the conversion, which would leave thousands of digits as text: it is a
    # number however long it is.
    if OVERLONG_INTEGER.fullmatch(text.strip()):
        raise invalid_value(name)
    try:
        try:
            return _as_json(utils.native_value(text))
        except TypeError:
            # For example, no record contains a mapping with numbers as keys.
            return _as_json(text)
    except ValueError:
        raise invalid_value(name) from None


def _as_json(value: object) -> JSONValue:
    """Return the JSON form of a literal.

    Raises
    ------
    ValueError : it contains NUL, a lone surrogate or an integer beyond 64 bits: no record can
        contain them, and some databases fail on them.
    TypeError : it has no JSON form.
    """
    if isinstance(value, str):
        # For a lone surrogate, the encoding raises UnicodeEncodeError, which is a ValueError.
        if "\0" in value or not (value.isascii() or value.encode("utf-8")):
            raise ValueError("NUL character")
        return value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not MIN_INTEGER <= value <= MAX_INTEGER:
            raise ValueError("integer beyond 64 bits")
        return value
    if isinstance(value, float):  # It is finite, because an overflow stays text.
        return value
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {_as_json(key): _as_json(item) for key, item in value.items()}
    raise TypeError("not a JSON value")


def coerce_list(name: str, text: str) -> list[JSONValue]:
    """Read several values: a JSON array, or texts between commas (H-12.13).

    Raises
    ------
    InvalidParameter : no record can contain one of the values.
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
