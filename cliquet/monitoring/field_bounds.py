"""The limit of the length of fields in a log entry, whatever clients and errors put into them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final

from cliquet.monitoring.renderers import decode_value

__all__ = ["CUT", "bound", "cut"]

CUT: Final = "…"
"""Marks the place where something was cut off."""

# A traceback is always long, and comes mostly from code rather than from clients.
_TRACEBACKS: Final = frozenset({"exception", "stack"})
_TRACEBACK_FACTOR: Final = 64
_SHORT_TYPES: Final = frozenset({type(None), bool, float})
# No time in milliseconds is longer.
_SHORT_INTEGER_DIGITS: Final = 15
_SHORT_INTEGERS: Final = range(10**_SHORT_INTEGER_DIGITS)


def bound(entry: MutableMapping[str, Any], max_bytes: int) -> None:
    """Cut, in place, the fields of an entry that are longer than `max_bytes`, in UTF-8.

    Tracebacks may be 64 times as long.
    """
    # A character has at most 4 bytes.
    short = max_bytes // 4
    short_integers = _SHORT_INTEGERS if max_bytes >= _SHORT_INTEGER_DIGITS else range(0)
    for name, value in entry.items():
        kind = type(value)
        if kind is str:
            if len(value) > short:
                allowed = max_bytes * _TRACEBACK_FACTOR if name in _TRACEBACKS else max_bytes
                entry[name] = cut(value, allowed)
        elif kind is int:
            if value not in short_integers:
                entry[name] = _bounded(value, max_bytes)
        elif kind is dict:
            if not _is_short(value, short):
                entry[name] = _bounded(value, max_bytes)
        elif kind not in _SHORT_TYPES:
            entry[name] = _bounded(value, max_bytes)


def _is_short(parameters: dict[Any, Any], max_characters: int) -> bool:
    """Return whether there are only texts, of so many characters together."""
    left = max_characters
    for name, value in parameters.items():
        if type(name) is not str or type(value) is not str:
            return False
        left -= len(name) + len(value)
    return left >= 0


def _bounded(value: Any, max_bytes: int) -> Any:
    if isinstance(value, Mapping):
        return dict(_within(value.items(), max_bytes))
    if isinstance(value, (list, tuple, set, frozenset)):
        return [item for item, _ in _within(((item, "") for item in value), max_bytes)]
    text = decode_value(value)
    shown = cut(text, max_bytes)
    return value if shown == text else shown


def _within(pairs: Iterable[tuple[Any, Any]], max_bytes: int) -> Iterable[tuple[Any, Any]]:
    """Yield pairs while the sum of their texts is within the limit, and then the mark."""
    left = max_bytes
    for name, value in pairs:
        size = _size(decode_value(name)) + _size(decode_value(value))
        if size > left:
            yield CUT, CUT
            return
        left -= size
        yield name, value


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def cut(text: str, max_bytes: int) -> str:
    """Return the text if it has at most `max_bytes` in UTF-8, else its beginning and the mark."""
    if 4 * len(text) <= max_bytes:
        return text
    # The text is cut before it is encoded, because it may have megabytes.
    raw = text[: max_bytes + 1].encode("utf-8", "backslashreplace")
    if len(raw) <= max_bytes:
        return text
    return raw[:max_bytes].decode("utf-8", "ignore") + CUT
