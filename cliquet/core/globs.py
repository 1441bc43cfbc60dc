"""What is a pattern, what is a name, and the one reading of ``*``, for object ids and parent ids.

``*`` stands for any run of characters, slashes and nothing at all included; every other character
is literal; a pattern matches the whole text or not at all (B-15.11, B-15.12, B-21.19, B-21.36,
B-22.41, B-22.43).

A text is a pattern because code says so by its type, never because of what it holds: users, URLs
and records may hold a ``*`` (X-29). The few methods that were published with plain texts for
patterns read them by :func:`as_published`.
"""

from __future__ import annotations

from collections.abc import Callable
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
]

WILDCARD: Final = "*"
"""Any run of characters, in the text of a pattern."""

LAST_CODE_POINT = 0x10FFFF
# No text has one: databases refuse them.
SURROGATES = range(0xD800, 0xE000)


class Exact(str):
    """A text that stands for itself, whatever it holds.

    For the methods that take plain texts for patterns: what came from a request, a policy or a
    record is given to them as this type.

    .. versionadded:: 3.2
    """

    __slots__ = ()


class Pattern(str):
    """A text in which ``*`` is any run of characters.

    As a text it is what it was made of. :meth:`of` makes one of parts that may hold a ``*`` of
    their own.

    .. versionadded:: 3.2

    Attributes
    ----------
    literals : what stands before, between and behind the runs of any characters.
    """

    literals: tuple[str, ...]

    def __new__(cls, text: str) -> Pattern:
        if isinstance(text, Pattern):
            return text
        return cls.of(*text.split(WILDCARD))

    @classmethod
    def of(cls, *literals: str) -> Pattern:
        """Return the pattern of literal texts with any run of characters between each two.

        ``Pattern.of(f"/users/{user}/", "")`` is all that is below that user, called ``*`` or not.
        """
        pattern = str.__new__(cls, WILDCARD.join(literals))
        pattern.literals = literals
        return pattern

    def __getnewargs__(self) -> tuple[str]:
        # For copies and pickles; the literals follow with the other attributes.
        return (str(self),)


def exact(text: str) -> str:
    """Return `text` as the name that it is, unless it says itself what it is.

    .. versionadded:: 3.2
    """
    # Anonymous users have no name, and stand-ins of tests are no texts.
    is_plain = isinstance(text, str) and not isinstance(text, (Exact, Pattern))
    return Exact(text) if is_plain else text


def as_published(text: str) -> str:
    """Return `text` as the methods take it that were published with plain texts for patterns."""
    if not isinstance(text, str) or isinstance(text, (Exact, Pattern)) or WILDCARD not in text:
        return text
    return Pattern(text)


def is_pattern(text: str) -> bool:
    """Return whether `text` may match something else than itself."""
    return isinstance(text, Pattern) and len(text.literals) > 1


def literals_of(text: str) -> tuple[str, ...]:
    """Return the literal texts of a pattern; a single one for a text that is none."""
    return text.literals if isinstance(text, Pattern) else (text,)


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a text matches `pattern`.

    Not a regular expression: the time of a match stays proportional to the length of the text
    times that of the pattern, whatever the number of stars, while a chain of ``.*`` backtracks
    for a time that grows with a power of it. That of a filter comes from outside.

    Parameters
    ----------
    pattern : a :class:`Pattern`; any other text matches itself.
    """
    if not is_pattern(pattern):
        return str(pattern).__eq__
    first, *middle, last = literals_of(pattern)
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
