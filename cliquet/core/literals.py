"""Reads a literal of the Python language from text, without the parser of the interpreter.

Values of settings and of query strings are converted with it. ``ast.literal_eval`` is not used,
because it adds complex numbers, prints warnings about unknown escapes to standard error, and on
hostile text raises half a dozen kinds of errors that differ between releases of Python. This reader
only knows values, evaluates nothing, and raises one error.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final, NoReturn

from cliquet.core.lazy import lazy_pattern

__all__ = ["MAX_DEPTH", "MAX_ODD_KEYS", "NotALiteralError", "read_literal"]

MAX_DEPTH: Final = 50
"""Greatest number of brackets inside brackets."""

_MAX_DIGITS: Final = 4300
"""Greatest number of digits of an integer; the interpreter refuses more (CVE-2020-10735)."""


MAX_ODD_KEYS: Final = 100
"""Greatest number of dictionary keys in one literal that are not texts.

An attacker can choose numbers that all have the same hash, such as multiples of ``2**61 - 1``, so
that each key is compared with all the others. Texts cannot be chosen so, because their hash has a
secret."""


class NotALiteralError(ValueError):
    """The text is not a literal, or not a literal of a kind that is read here."""


# A letter, digit, dot or underscore must not follow directly on a number or a word: `1.2.3`,
# `1_000` and `12abc` are text. A sign belongs to its number, so that `1-1` is two numbers and
# therefore not a literal.
_TOKEN = lazy_pattern(
    r"""[ \t\r\n\f]*(?:
      (?P<mark>[\[\](){},:])
    | (?P<number>[-+]?(?:
          0[xX][0-9a-fA-F]+ | 0[oO][0-7]+ | 0[bB][01]+
        | (?P<float>(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)? | [0-9]+[eE][-+]?[0-9]+)
        | 0+ | [1-9][0-9]*
      ))(?![\w.])
    | (?P<word>None|True|False)(?!\w)
    | (?P<prefix>[uUrR]?)(?P<quoted>
          \"\"\"(?:[^"\\]|\\.|"(?!""))*\"\"\" | '''(?:[^'\\]|\\.|'(?!''))*'''
        | "(?!"")[^"\\\n]*(?:\\.[^"\\\n]*)*"   | '(?!'')[^'\\\n]*(?:\\.[^'\\\n]*)*'
      )
    )""",
    re.VERBOSE | re.DOTALL,
)
_BLANK = re.compile(r"[ \t\r\n\f]*")
_ESCAPE = lazy_pattern(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|N\{([^}]*)\}|([0-7]{1,3})|(.))",
    re.DOTALL,
)
_SIMPLE_ESCAPES: Final = {
    "\n": "",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}
_WORDS: Final = {"None": None, "True": True, "False": False}
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}


def read_literal(text: str) -> Any:
    """Return the value of the literal in `text`.

    Literals are ``None``, booleans, integers, finite decimals, quoted text, and lists, tuples and
    dictionaries of these. Several values with commas between them are a tuple. Any other text, such
    as an expression, a set, bytes or a complex number, is not a literal.

    Raises
    ------
    NotALiteralError : the text is not a literal, or nests deeper than `MAX_DEPTH`.
    """
    return _Reader(text).read()


def _refuse(reason: str) -> NoReturn:
    raise NotALiteralError(reason)


class _Reader:
    """One pass over one text; the next token starts at `_position`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._odd_keys = 0

    def read(self) -> Any:
        items, has_comma = self._items("", depth=0)
        if not items:
            _refuse("no value")
        return tuple(items) if has_comma else items[0]

    def _token(self) -> re.Match[str] | None:
        """Consume and return the next token; return ``None`` at the end of the text."""
        match = _TOKEN.match(self._text, self._position)
        if match is None:
            blank = _BLANK.match(self._text, self._position)
            if blank is None or blank.end() != len(self._text):
                _refuse("unknown token")
            self._position = len(self._text)
            return None
        self._position = match.end()
        return match

    def _items(self, closing: str, *, depth: int) -> tuple[list[Any], bool]:
        """Read values separated by commas up to `closing`; if empty, up to the end."""
        items: list[Any] = []
        has_comma = False
        while True:
            token = self._token()
            if (token["mark"] if token else "") == closing:
                return items, has_comma
            items.append(self._value(token, depth))
            token = self._token()
            mark = token["mark"] if token else ""
            if mark == closing:
                return items, has_comma
            if mark != ",":
                _refuse("comma expected")
            has_comma = True

    def _members(self, *, depth: int) -> dict[Any, Any]:
        """Read the ``key: value`` pairs of a dictionary, after its opening brace."""
        members: dict[Any, Any] = {}
        while True:
            token = self._token()
            if token and token["mark"] == "}":
                return members
            key = self._value(token, depth)
            colon = self._token()
            if not colon or colon["mark"] != ":":
                _refuse("colon expected")
            value = self._value(self._token(), depth)
            if not isinstance(key, str):
                self._odd_keys += 1
                if self._odd_keys > MAX_ODD_KEYS:
                    _refuse("too many keys that are no texts")
            try:
                members[key] = value
            except TypeError as error:  # `{[]: 1}`
                raise NotALiteralError("key cannot be hashed") from error
            token = self._token()
            mark = token["mark"] if token else ""
            if mark == "}":
                return members
            if mark != ",":
                _refuse("comma expected")

    def _value(self, token: re.Match[str] | None, depth: int) -> Any:
        if token is None:
            _refuse("value expected")
        if token["mark"]:
            return self._container(token["mark"], depth + 1)
        if token["number"]:
            return _number(token)
        if token["word"]:
            return _WORDS[token["word"]]
        return _quoted(token)

    def _container(self, opening: str, depth: int) -> Any:
        if opening not in _CLOSING:
            _refuse("value expected")
        if depth > MAX_DEPTH:
            _refuse("nested too deep")
        if opening == "{":
            return self._members(depth=depth)
        items, has_comma = self._items(_CLOSING[opening], depth=depth)
        if opening == "[":
            return items
        return tuple(items) if has_comma or not items else items[0]


def _number(token: re.Match[str]) -> int | float:
    text = token["number"]
    if token["float"]:
        value = float(text)
        # An overflow gives infinity, which neither JSON nor a database column can represent.
        return value if value - value == 0 else _refuse("number out of range")
    if len(text) > _MAX_DIGITS:
        _refuse("too many digits")
    return int(text, 0)


def _quoted(token: re.Match[str]) -> str:
    quoted = token["quoted"]
    width = 3 if quoted[:3] in ('"""', "'''") else 1
    inner = quoted[width:-width]
    if token["prefix"] in ("r", "R") or "\\" not in inner:
        return inner
    return _ESCAPE.sub(_unescape, inner)


def _unescape(match: re.Match[str]) -> str:
    hexadecimal = match[1] or match[2] or match[3]
    if hexadecimal or match[5]:
        code = int(hexadecimal, 16) if hexadecimal else int(match[5], 8)
        # Half a surrogate pair cannot be written in UTF-8, and therefore not in JSON.
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            _refuse("escape is no character")
        return chr(code)
    if match[4] is not None:
        try:
            return unicodedata.lookup(match[4])
        except KeyError as error:
            raise NotALiteralError("unknown character name") from error
    if match[6] in "xuUN":
        _refuse("truncated escape")
    # Python keeps the backslash of an escape that it does not know (`"C:\dir"`).
    return _SIMPLE_ESCAPES.get(match[6], match[0])
