"""Patterns and names of object ids and parent ids, and the only reading of ``*``.

``*`` stands for any characters, slashes included, or for none. Every other character stands for
itself, and a pattern always matches the whole text.

A text is a pattern because the code says so by its type, and never because of its characters:
users, URLs and records may contain a ``*`` (X-29). A few published methods take plain texts for
patterns; they read them with :func:`as_published`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import methodcaller
from typing import Final

__all__ = [
    "WILDCARD",
    "Exact",
    "Pattern",
    "after_prefix",
    "as_published",
    "compile_pattern",
    "exact",
    "is_pattern",
    "literals_of",
    "matches_any",
]

WILDCARD: Final = "*"
"""Stands for any characters, or none, in the text of a pattern."""

LAST_CODE_POINT = 0x10FFFF
# No stored text contains one of them, because databases refuse them.
SURROGATES = range(0xD800, 0xE000)


class Exact(str):
    """A text that stands for itself, whatever characters it contains.

    Some methods take plain texts for patterns. A text from a request, a policy or a record is given
    to them as this type.

    .. versionadded:: 3.2
    """

    __slots__ = ()


class Pattern(str):
    """A text in which ``*`` is any run of characters.

    As a text, it is equal to the text that it was made from. :meth:`of` makes a pattern from parts
    that may themselves contain a ``*``.

    .. versionadded:: 3.2

    Attributes
    ----------
    literals : the texts before, between and after the stars.
    """

    literals: tuple[str, ...]

    def __new__(cls, text: str) -> Pattern:
        if isinstance(text, Pattern):
            return text
        return cls.of(*text.split(WILDCARD))

    @classmethod
    def of(cls, *literals: str) -> Pattern:
        """Return the pattern of literal texts with any characters between each two of them.

        ``Pattern.of(f"/users/{user}/", "")`` matches everything below that user, even if the name
        of the user is ``*``.
        """
        pattern = str.__new__(cls, WILDCARD.join(literals))
        pattern.literals = literals
        return pattern

    def __getnewargs__(self) -> tuple[str]:
        # Copies and pickles need it; the literals are copied with the other attributes.
        return (str(self),)


def exact(text: str) -> str:
    """Return `text` as a name, unless its type already says what it is.

    .. versionadded:: 3.2
    """
    # Anonymous users have no name, and mocks of tests are not texts.
    is_plain = isinstance(text, str) and not isinstance(text, (Exact, Pattern))
    return Exact(text) if is_plain else text


def as_published(text: str) -> str:
    """Return `text` as a pattern, for published methods that take plain texts for patterns."""
    if not isinstance(text, str) or isinstance(text, (Exact, Pattern)) or WILDCARD not in text:
        return text
    return Pattern(text)


def is_pattern(text: str) -> bool:
    """Return whether `text` may match a text other than itself."""
    return isinstance(text, Pattern) and len(text.literals) > 1


def literals_of(text: str) -> tuple[str, ...]:
    """Return the literal texts of a pattern; a text that is not a pattern is its only literal."""
    return text.literals if isinstance(text, Pattern) else (text,)


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a function that says whether a text matches `pattern`.

    It is not a regular expression. The time of a match is proportional to the length of the text
    times the length of the pattern, whatever the number of stars, whereas a chain of ``.*``
    backtracks for a time that grows with a power of that number. The pattern of a filter comes from
    a client.

    Parameters
    ----------
    pattern : a :class:`Pattern`; any other text matches itself.
    """
    if not is_pattern(pattern):
        return str(pattern).__eq__
    first, *middle, last = literals_of(pattern)
    parts = [part for part in middle if part]
    if not parts and not last:
        # This is the frequent case, and the function is one of the interpreter.
        return methodcaller("startswith", first)
    shortest = len(first) + len(last)

    def matches(text: str) -> bool:
        if len(text) < shortest or not (text.startswith(first) and text.endswith(last)):
            return False
        position = len(first)
        end = len(text) - len(last)
        # The leftmost place of each part leaves the most room for the following parts.
        for part in parts:
            found = text.find(part, position, end)
            if found < 0:
                return False
            position = found + len(part)
        return True

    return matches


def matches_any(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return a function that says whether a text matches one of `patterns`, or true for none."""
    matchers = [compile_pattern(pattern) for pattern in patterns]
    return lambda text: not matchers or any(matches(text) for matches in matchers)


def after_prefix(prefix: str) -> str | None:
    """Return the first text, in byte order, after all texts that start with `prefix`.

    The texts from `prefix` up to this one are those that start with `prefix`. A database finds such
    a range in an ordered index. UTF-8 bytes have the same order as code points.

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
