"""What every cache backend shares: values as JSON text, delays in whole milliseconds."""

from __future__ import annotations

import json

from cliquet.types import JSONValue

__all__ = ["decode", "encode", "milliseconds"]

# The standard library and not orjson: orjson writes NaN as null, accepts dates and UUIDs that
# would come back as text, and reads integers beyond 64 bits as floats. Values must come back as
# they went (B-13.2). The text is pure ASCII, hence a NUL or a lone surrogate fits any server.
_encoder = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def encode(value: JSONValue) -> str:
    """Return the JSON text of `value`.

    Raises
    ------
    TypeError : JSON cannot carry the value: bytes, dates, not-a-number, cycles (B-14.1).
    """
    try:
        return _encoder.encode(value)
    except ValueError as error:
        raise TypeError(f"JSON cannot carry this cache value: {error}.") from error


def decode(text: str) -> JSONValue:
    """Return the value of a text written by :func:`encode`."""
    return json.loads(text)


def milliseconds(seconds: float) -> int:
    """Return a delay in whole milliseconds, 0 for anything shorter (B-14.1)."""
    # Rounded to the microsecond before the cut: 1.001 s times 1000 is 1000.9999999999999.
    return max(0, int(round(seconds * 1000, 3)))
