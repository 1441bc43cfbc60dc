"""The one reading of ``*`` patterns, shared by object ids and parent ids.

``*`` stands for any run of characters, slashes and nothing at all included; every other character
is literal; a pattern matches the whole text or not at all (B-15.11, B-15.12, B-21.19, B-21.36,
B-22.41, B-22.43).
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["after_prefix", "compile_pattern", "is_pattern"]

WILDCARD = "*"

LAST_CODE_POINT = 0x10FFFF
# No text has one: databases refuse them.
SURROGATES = range(0xD800, 0xE000)


def is_pattern(text: str) -> bool:
    """Return whether `text` may match something else than itself."""
    return WILDCARD in text


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a text matches `pattern`.

    Not a regular expression: the time of a match stays proportional to the length of the text
    times that of the pattern, whatever the number of stars, while a chain of ``.*`` backtracks
    for a time that grows with a power of it. A pattern may come from outside.

    Parameters
    ----------
    pattern : literal text with any number of ``*``.
    """
    if not is_pattern(pattern):
        return pattern.__eq__
    first, *middle, last = pattern.split(WILDCARD)
    parts = [part for part in middle if part]
    shortest = len(first) + len(last)

    def matches(text: str) -> bool:
        if len(text) < shortest or not (text.startswith(first) and text.endswith(last)):
            return False
        position = len(first)
        end = len(text) - len(last)
        # Taking the leftmost place of each part leaves the most room to the following ones.
        for part in parts:
            found = text.find(part, position, end)
            if found < 0:
                return False
            position = found + len(part)
        return True

    return matches


def after_prefix(prefix: str) -> str | None:
    """Return the first text after all those that start with `prefix`, in byte order.

    The texts from `prefix` on and before it are those that start with `prefix`, which a database
    finds in an ordered index. The order of UTF-8 bytes is that of the code points.

    Returns
    -------
    ``None`` when no text comes after them, as for the empty prefix.
    """
    for position in reversed(range(len(prefix))):
        following = ord(prefix[position]) + 1
        if following in SURROGATES:
            following = SURROGATES.stop
        if following <= LAST_CODE_POINT:
            return prefix[:position] + chr(following)
    return None
