"""Conversions for all cache backends: values to JSON text, delays to whole milliseconds."""

from __future__ import annotations

import json

from cliquet.types import JSONValue

__all__ = ["decode", "encode", "milliseconds"]

# The standard library is used instead of orjson, which writes NaN as null, accepts dates and UUIDs
# that would come back as text, and reads integers beyond 64 bits as floats. Values must come back
# unchanged. The text is pure ASCII, so that every server accepts a NUL or a lone surrogate.
_encoder = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def encode(value: JSONValue) -> str:
    """Return the JSON text of `value`.

    Raises
    ------
    TypeError : the value has no JSON form: bytes, dates, not-a-number, cycles.
    """
    try:
        return _encoder.encode(value)
    except ValueError as error:
        raise TypeError(f"JSON cannot carry this cache value: {error}.") from error


def decode(text: str) -> JSONValue:
    """Return the value of a text written by :func:`encode`."""
    return json.loads(text)


def milliseconds(seconds: float) -> int:
    """Return a delay in whole milliseconds, 0 for anything shorter."""
    # It is rounded to a microsecond before the cut, because 1.001 s times 1000 is
    # 1000.9999999999999.
    return max(0, int(round(seconds * 1000, 3)))
