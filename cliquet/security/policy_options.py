"""The options of authentication policies, which come from settings, or from code.

Settings turn digits into numbers, and lists of words stay texts.
"""

from __future__ import annotations

from typing import Any

__all__ = ["items", "number", "quotable", "text"]


def text(option: str, value: Any) -> str:
    """Return a text that is not empty.

    Raises
    ------
    ValueError : the value is none; the message names the option, as in all functions here.
    """
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"the option {option!r} must be a text")
    return value


def quotable(option: str, value: Any) -> str:
    """Return a text that can stand between quotes in a header."""
    found = text(option, str(value))
    if not found.isascii() or not found.isprintable() or '"' in found or "\\" in found:
        raise ValueError(f"the option {option!r} must be printable ASCII without quotes")
    return found


def items(option: str, value: Any) -> tuple[str, ...]:
    """Return the items of a list, or the words of a text; there must be one at least."""
    found = tuple(value.split() if isinstance(value, str) else map(str, value))
    if not found:
        raise ValueError(f"the option {option!r} must not be empty")
    return found


def number(option: str, value: Any, least: float, most: float) -> float:
    """Return a number between two bounds, which are included."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = float("nan")
    if not least <= found <= most:
        raise ValueError(f"the option {option!r} must be a number from {least} to {most}")
    return found
