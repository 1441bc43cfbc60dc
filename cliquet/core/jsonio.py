"""Reading and writing of JSON, with orjson.

This module decides which JSON values a client may send, and how values without a JSON form are
written. It knows nothing of HTTP: the caller turns a `JSONError` into a response.

orjson silently rounds integers beyond 64 bits and long decimals, and has no rules for NUL and
depth. Cheap tests find the bodies that this could concern, and :mod:`cliquet.core.json_exact` reads
these.
"""

from __future__ import annotations

import decimal
import json
import math
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from cliquet.core.json_exact import MAX_INTEGER, MIN_INTEGER, loads_exactly
from cliquet.core.json_shape import MAX_DEPTH, JSONError, check_shape, memory_bytes, text_bytes

__all__ = [
    "MAX_DEPTH",
    "JSONError",
    "NamelessError",
    "copied",
    "count_values",
    "dumps",
    "loads",
    "loads_strict",
    "memory_bytes",
    "refuse_nameless",
]

_FUNCTIONS: Final = (types.FunctionType, types.MethodType, types.BuiltinFunctionType)


# Writing


def dumps(value: Any, *, default: Callable[[Any], Any] | None = None) -> bytes:
    """Return the compact JSON text of any value, in UTF-8; ``/`` is not escaped.

    Values without a JSON form are converted (P-35.8): mappings become objects; any other iterable
    becomes an array; dates become ISO 8601 text; a `Decimal` becomes a number if that is exact,
    else text; bytes become text; infinities and NaN become null. All other values, and a value that
    contains itself, become ``str(value)``. This function does not raise.

    Parameters
    ----------
    default : is called first for objects without a JSON form; it raises `TypeError` to decline.
    """
    try:
        # Options, and a function for other objects, take four times as long.
        return orjson.dumps(value)
    except TypeError:
        # An iterator can be read only once, but the slow path below starts again from the top.
        drained: dict[int, tuple[Any, list[Any]]] = {}

    def convert(item: Any) -> Any:
        if id(item) in drained:
            return drained[id(item)][1]
        if default is not None:
            try:
                return default(item)
            except TypeError:
                pass
        converted = _convert(item)
        if isinstance(item, Iterator):
            drained[id(item)] = item, converted
        return converted

    try:
        return orjson.dumps(value, default=convert, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        # Integers beyond 64 bits, half surrogate pairs, and nesting beyond the limit of orjson.
        pass
    try:
        return _dumps_slowly(_plain(value, convert))
    except RecursionError:
        return _dumps_slowly(_text(value))


class NamelessError(Exception):
    """An object has neither a JSON form nor a text that means something."""


def refuse_nameless(item: Any) -> Any:
    """Refuse functions, classes, coroutines, and objects whose text would be their address.

    It is the argument ``default`` of :func:`dumps`.

    Raises
    ------
    NamelessError : the message says what the object is.
    TypeError : the object is converted as others are (P-35.8).
    """
    cls = type(item)
    if isinstance(item, _FUNCTIONS):
        raise NamelessError(f"the function {item.__qualname__} itself")
    if isinstance(item, type):
        raise NamelessError(f"the class {item.__qualname__} itself")
    if isinstance(item, types.CoroutineType):
        # Otherwise Python warns of it in a line that names no place.
        item.close()
        raise NamelessError(f"a coroutine of {item.__qualname__}, which nothing awaits")
    # They are looked up by their names, because a type checker takes all methods for others.
    is_nameless = all(getattr(cls, n) is getattr(object, n) for n in ("__str__", "__repr__"))
    if is_nameless and not isinstance(item, Iterable):
        raise NamelessError(f"an object of the type {cls.__qualname__}")
    raise TypeError(item)


def _dumps_slowly(value: Any) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        # The value has half a surrogate pair, which only fits into UTF-8 as an escape.
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def _convert(item: Any) -> Any:
    """Return the JSON form of an object that orjson does not know."""
    if isinstance(item, decimal.Decimal):
        return _decimal(item)
    if isinstance(item, (bytes, bytearray, memoryview)):
        return bytes(item).decode("utf-8", "replace")
    try:
        if isinstance(item, Mapping):
            return dict(item)
        if isinstance(item, Iterable):
            return list(item)
    except Exception:  # noqa: S110 - an object that fails to iterate still has a text
        pass
    return _text(item)


def _decimal(item: decimal.Decimal) -> int | float | str:
    if not item.is_finite():
        return str(item)
    if item == item.to_integral_value() and MIN_INTEGER <= item <= MAX_INTEGER:
        return int(item)
    number = float(item)
    return number if decimal.Decimal(repr(number)) == item else str(item)


def _text(item: object) -> str:
    try:
        return str(item)
    except Exception:
        return f"<{type(item).__name__}>"


def _plain(value: Any, convert: Callable[[Any], Any]) -> Any:
    """Rebuild `value` from types that the standard library can always write."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return _renderable_integer(value)
    if isinstance(value, dict):
        return {_plain_key(key): _plain(item, convert) for key, item in value.items()}
    if type(value) in (list, tuple):
        return [_plain(item, convert) for item in value]
    if type(value) is orjson.Fragment:
        return loads(orjson.dumps(value))
    try:
        # Floats, dates, UUIDs, enumerations and data classes get the same text as on the fast path.
        return orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
    except TypeError:
        return _plain(convert(value), convert)


def _plain_key(key: Any) -> str:
    if isinstance(key, str):
        return key
    try:
        rendered = orjson.dumps({key: None}, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return _text(key)
    return str(next(iter(orjson.loads(rendered))))


def _renderable_integer(value: int) -> int | str:
    try:
        str(value)
    except ValueError:  # it has more digits than the interpreter agrees to write
        return hex(value)
    return value


def copied(value: Any) -> Any:
    """Return what reading the written JSON of a value would give; texts are not copied.

    Raises
    ------
    TypeError : the value has members that are converted when they are written (:func:`dumps`).
    """
    kind = type(value)
    if kind is str or kind is int or value is None or kind is bool:
        return value
    if kind is dict:
        if not all(type(name) is str for name in value):
            raise TypeError("Names that are no texts are converted")
        return {name: copied(item) for name, item in value.items()}
    if kind is list:
        return [copied(item) for item in value]
    if kind is float and math.isfinite(value):
        return value
    raise TypeError(f"{kind.__name__} is converted")


# Reading


def loads(text: str | bytes) -> Any:
    """Parse JSON from a trusted source, with numbers exactly as the standard library reads them.

    Raises
    ------
    json.JSONDecodeError : the text is not JSON.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
    if not _has_suspect_number(raw):
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            pass
    return json.loads(text)


def loads_strict(
    body: bytes, *, max_values: int | None = None, max_memory_bytes: int | None = None
) -> Any:
    """Parse the JSON body of a request.

    A leading byte order mark is ignored, and the last of repeated members wins. Whatever is
    accepted, `dumps` writes with the same value.

    Parameters
    ----------
    max_values : greatest number of values, where arrays and objects and all their members count;
        ``None`` for no limit.

    max_memory_bytes : greatest memory for the texts (:func:`memory_bytes`); ``None`` for no limit.

    Raises
    ------
    JSONError : the body has invalid UTF-8 (H-6.10); invalid JSON, NaN and infinities included
        (D-10); an integer outside -2**63 to 2**64 - 1, or a decimal that no float represents
        (X-25); U+0000 or half a surrogate pair in a text, or more than `MAX_DEPTH` levels (D-12);
        or more than `max_values` values, or `max_memory_bytes` of memory (X-34).
    """
    # This comes before the parsers, because one of them is recursive, and both make objects of
    # everything that they read.
    check_shape(body, max_values)
    if (
        max_memory_bytes is not None
        # No text is wider than this.
        and 4 * len(body) > max_memory_bytes
        and text_bytes(body) > max(max_memory_bytes, len(body))
    ):
        message = f"Its texts take more than {max_memory_bytes} bytes of memory"
        raise JSONError(f"{message} (setting max_body_bytes)")
    if body.startswith(b"\xef\xbb\xbf"):
        body = body[3:]
    if _has_suspect_number(body) or b"\\u0000" in body:
        return loads_exactly(body)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return loads_exactly(body)


# Every digit and the dot become `0`, so that a long number is a run of zeros.
_SHAPE: Final = bytes.maketrans(b"123456789.E+", b"0000000000e-")
_LONG: Final = b"0" * 16
# A number that a float may not represent: it has at least 16 digits (a float keeps every decimal of
# 15), or an exponent of at least two digits. A match inside a text is rare, and only costs time.
_SUSPECT_NUMBER: Final = re.compile(rb"[\s:,\[]-?[0-9](?:[0-9.]{15}|[0-9.]*[eE][+-]?[0-9]{2})")


def _has_suspect_number(body: bytes) -> bool:
    """Return whether orjson could round a number of `body`; ``False`` is always right."""
    if body[:1] in b"-0123456789":
        return True
    shape = body.translate(_SHAPE)
    if _LONG in shape or b"0e00" in shape or b"0e-00" in shape:
        return _SUSPECT_NUMBER.search(body) is not None
    return False


def count_values(value: Any) -> int:
    """Return the number of values of a parsed JSON text, containers included."""
    count, todo = 0, [value]
    while todo:
        item = todo.pop()
        count += 1
        if isinstance(item, dict):
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
    return count
