"""Reading of JSON with the standard library, which rounds no number and names each fault.

It is slow: :mod:`cliquet.core.jsonio` calls it for the few bodies that orjson would change, and for
those that it refuses.
"""

from __future__ import annotations

import decimal
import json
from typing import Any, Final

from cliquet.core.json_shape import JSONError

__all__ = ["MAX_INTEGER", "MIN_INTEGER", "loads_exactly"]

# orjson reads and writes these integers exactly, so that a stored record may contain them.
MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**64 - 1


class _Fault:
    """Takes the place of a number that cannot be kept in a parsed value."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def _parse_integer(text: str) -> int | _Fault:
    # Every accepted integer fits in 20 digits and a sign; `int` is slow on very long texts.
    if len(text) <= 21 and MIN_INTEGER <= (value := int(text)) <= MAX_INTEGER:
        return value
    return _Fault("Integer beyond 64 bits")


def _parse_decimal(text: str) -> float | _Fault:
    value = float(text)
    if value - value != 0:
        return _Fault("Number out of range")
    try:
        exact = decimal.Decimal(text) == decimal.Decimal(repr(value))
    except decimal.InvalidOperation:  # the exponent is too large even for a decimal
        exact = False
    return value if exact else _Fault("Number with too many digits")


def _parse_constant(text: str) -> _Fault:
    return _Fault(f"{text} is not a JSON number")


_DECODER: Final = json.JSONDecoder(
    parse_int=_parse_integer, parse_float=_parse_decimal, parse_constant=_parse_constant
)


def loads_exactly(body: bytes) -> Any:
    """Parse a body with the error texts and the exact numbers of the standard library.

    Raises
    ------
    JSONError : the body has a fault (:func:`~cliquet.core.jsonio.loads_strict`), whose path the
        error names.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JSONError(f"Invalid UTF-8: {_position(body, error.start)}") from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        # The library says `Invalid \uXXXX escape`, but the published text has more words (H-8.4).
        message = error.msg.replace("escape", "escape sequence")
        place = f"line {error.lineno} column {error.colno} (char {error.pos})"
        raise JSONError(f"{message}: {place}") from None
    _check_values(value)
    return value


def _position(body: bytes, start: int) -> str:
    before = body[:start].decode("utf-8")
    line = before.count("\n") + 1
    column = len(before) - before.rfind("\n")
    return f"line {line} column {column} (char {len(before)})"


def _check_values(value: Any) -> None:
    """Raise an error for the first fault of a parsed value, with its path."""
    todo: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while todo:
        path, item = todo.pop()
        if isinstance(item, _Fault):
            raise _fault(item.reason, path)
        if isinstance(item, str):
            _check_text(item, path, "text")
        elif isinstance(item, dict):
            for key in item:
                _check_text(key, path, "a member name")
            todo.extend([((*path, key), item[key]) for key in reversed(item)])
        elif isinstance(item, list):
            todo.extend([((*path, n), item[n]) for n in reversed(range(len(item)))])


def _check_text(text: str, path: tuple[str | int, ...], what: str) -> None:
    if "\x00" in text:
        raise _fault(f"U+0000 in {what}", path)
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise _fault(f"Lone surrogate in {what}", path) from None


def _fault(reason: str, path: tuple[str | int, ...]) -> JSONError:
    if not path:
        return JSONError(reason)
    dotted = ".".join(map(str, path))
    return JSONError(f"{reason}: {dotted}", dotted)
