"""The size of the content of a JSON text, which is counted before the text is parsed.

Parsers make objects of everything that they read, and one of them is recursive.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["MAX_DEPTH", "JSONError", "check_shape", "memory_bytes", "text_bytes"]

MAX_DEPTH: Final = 100
"""Number of containers inside containers that a body may have (D-12)."""

# These patterns are for texts without escaped quotes.
_MARK_OR_TEXT: Final = re.compile(rb'[\[{]|[\]}]|,|"[^"]*(?:"|\Z)')
_BRACKET_OR_TEXT: Final = re.compile(rb'[\[{]|[\]}]|"[^"]*(?:"|\Z)')

_ORDINARY_BYTES: Final = 2**18
_ONE_KIND: Final = bytes.maketrans(b"{}", b"[]")
_NO_MARKS: Final = bytes(set(range(256)) - set(b'[]{}"'))

_WIDE_ESCAPE: Final = re.compile(rb"\\u(?!00)")
_WIDEST_ESCAPE: Final = re.compile(rb"\\u[dD][89abAB]")
# The first byte, in UTF-8, of characters from U+0100 on.
_FIRST_OF_WIDE: Final = 0xC4
_NARROW: Final = bytes(range(_FIRST_OF_WIDE))
# The bytes of a character after its first one.
_CONTINUATIONS: Final = bytes(range(0x80, 0xC0))


class JSONError(ValueError):
    """A body is not JSON, or contains a value that could not be returned unchanged.

    Parameters
    ----------
    message : the fault and its place, in words of the JSON language.
    path : dotted path of the wrong value (``data.list.0``); ``None`` if the syntax is wrong or if
        the whole body is that value.
    """

    def __init__(self, message: str, path: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


def check_shape(body: bytes, max_values: int | None) -> None:
    """Refuse a body that is too deep, or has too many values, without parsing it.

    Texts may contain the same characters: only bodies that have many of them are examined closely.
    """
    if max_values is not None and len(body) < max_values:
        # Each value takes a byte or more, so that they need not be counted.
        max_values = None
    if max_values is not None and _has_too_many_texts(body, max_values):
        raise _too_many(max_values)
    brackets = body.count(b"[") + body.count(b"{")
    is_crowded = max_values is not None and 1 + brackets + body.count(b",") > max_values
    if not is_crowded and (brackets <= MAX_DEPTH or _is_flat(body)):
        return
    depth, values = 0, 1
    plain = _without_escaped_marks(body)
    # Most bodies have few values, so that their commas need not be found.
    for match in (_MARK_OR_TEXT if is_crowded else _BRACKET_OR_TEXT).finditer(plain):
        token = match[0]
        if token in b"[{":
            depth += 1
            values += 1
            if depth > MAX_DEPTH:
                place = f"byte {match.start()}"
                raise JSONError(f"More than {MAX_DEPTH} levels of nesting: {place}")
        elif token == b",":
            values += 1
        elif token in b"]}":
            depth -= 1
            if depth < 0:
                # No parser reads on here, and there may be millions of closing brackets.
                return
        if max_values is not None and values > max_values:
            raise _too_many(max_values)


def _is_flat(body: bytes) -> bool:
    """Return whether a body is known to have at most `MAX_DEPTH` levels.

    Only bodies of ordinary size are examined, because their texts are split off.
    """
    if len(body) > _ORDINARY_BYTES:
        return False
    # Nearly all texts are without brackets: of each, only its two quotes are left.
    marks = _without_escaped_marks(body).translate(_ONE_KIND, _NO_MARKS).replace(b'""', b"")
    brackets = b"".join(marks.split(b'"')[::2])
    for _ in range(MAX_DEPTH):
        # Each round takes the innermost level away.
        fewer = brackets.replace(b"[]", b"")
        if len(fewer) == len(brackets):
            break
        brackets = fewer
    return not brackets


def _has_too_many_texts(body: bytes, max_values: int) -> bool:
    """Return whether a body has more texts than so many values and their names.

    Such a body is no JSON unless it has too many values, but to look at each of millions of texts
    would take seconds.
    """
    max_quotes = 4 * max_values
    return body.count(b'"') > max_quotes and _without_escaped_marks(body).count(b'"') > max_quotes


def _too_many(max_values: int) -> JSONError:
    return JSONError(f"More than {max_values} values (setting max_body_bytes)")


def memory_bytes(body: bytes) -> int:
    """Return an upper bound of the memory that a JSON text takes when its texts are parsed.

    What is outside of texts counts as it is. Several bodies take what they take one by one.

    Python gives each character of a text as many bytes as the widest one needs: one emoji makes a
    long text four times as large.
    """
    if _has_wide(body):
        size, length = _texts(body)
        return size + len(body) - length
    return len(body if body.isascii() else body.translate(None, _CONTINUATIONS))


def text_bytes(body: bytes) -> int:
    """Return an upper bound of the memory of the texts in a JSON text.

    It is the length of the body, or less, unless a character is wide.
    """
    return _texts(body)[0] if _has_wide(body) else len(body)


def _has_wide(body: bytes) -> bool:
    """Return whether a character of a body may need more than one byte of memory.

    Most languages of Europe need one byte. Each text is looked at only if it makes a difference.
    """
    if b"\\u" in body:
        return True
    return not body.isascii() and bool(body.translate(None, _NARROW))


def _texts(body: bytes) -> tuple[int, int]:
    """Return the memory that the texts in a JSON text take, and their length in it."""
    plain = _without_escaped_marks(body)
    size, length, end = 0, 0, -1
    while (start := plain.find(b'"', end + 1)) >= 0:
        end = plain.find(b'"', start + 1)
        end = len(plain) - 1 if end < 0 else end
        text = plain[start : end + 1]
        size += _text_memory_bytes(text)
        length += len(text)
    return size, length


def _without_escaped_marks(body: bytes) -> bytes:
    """Return a JSON text of the same length in which each quote begins or ends a text.

    A regular expression that skips escapes keeps a mark for each of them, which takes 250 MB for a
    body that consists of escapes.
    """
    if b"\\" not in body:
        return body
    return body.replace(b"\\\\", b"__").replace(b'\\"', b"__")


def _text_memory_bytes(text: bytes) -> int:
    first = 0 if text.isascii() else max(text)
    # Characters from U+10000 on need 4 bytes, and those from U+0100 on need 2.
    width = 4 if first >= 0xF0 else 2 if first >= _FIRST_OF_WIDE else 1
    characters = len(text.translate(None, _CONTINUATIONS)) if first else len(text)
    escapes = text.count(b"\\u")
    if escapes:
        escaped = 4 if _WIDEST_ESCAPE.search(text) else 2 if _WIDE_ESCAPE.search(text) else 1
        return max(width, escaped) * (characters - 5 * escapes)
    return width * characters
