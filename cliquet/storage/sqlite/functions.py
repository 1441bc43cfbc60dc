"""The functions that :mod:`cliquet.storage.sqlite.dialect` calls in SQL.

The data of a record is a JSON text. Operands are JSON texts or blobs in UTF-8, so that they may
contain any characters.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, Final

import orjson

from cliquet.core import jsonio
from cliquet.core.globs import Pattern, compile_pattern
from cliquet.storage.ordering import resolve
from cliquet.storage.query import MISSING
from cliquet.storage.relational.order_key import exact_key, order_key
from cliquet.storage.sqlite.together import Together
from cliquet.types import JSONValue

__all__ = ["register_functions"]

# Most records give this key for a filter on a field that few records have.
_ABSENT_KEY: Final = order_key(MISSING).encode()


def register_functions(connection: sqlite3.Connection) -> Callable[[], None]:
    """Give a connection the functions for the statements of lists and for indexes on fields.

    Returns
    -------
    A function that releases the data that the functions have kept for the statements so far.
    """
    reader = _Reader()
    functions: list[tuple[str, int, Callable[..., Any]]] = [
        ("cliquet_unhex", 1, bytes.fromhex),
        ("cliquet_accepts", 2, reader.accepts),
        ("cliquet_opened", 1, reader.opened),
        ("cliquet_matches", 2, reader.matches),
        ("cliquet_matches_lower", 2, reader.matches_lower),
        ("cliquet_order_key", 2, reader.order_key),
        ("cliquet_is_in", 3, reader.is_in),
        ("cliquet_is_like", 3, reader.is_like),
        ("cliquet_contains", 3, reader.contains),
        ("cliquet_contains_any", 3, reader.contains_any),
    ]
    for name, arity, function in functions:
        connection.create_function(name, arity, function, deterministic=True)
    return reader.forget


class _Reader:
    """Reads fields for one connection, which several threads never use at the same time.

    The functions of one statement read the same record one after the other, so that it is parsed
    once. They are called for every record with the same operands, which are read once too. Clients
    choose the records and operands, and their length. Therefore nothing of them is kept for the
    next request (see
    :meth:`forget`), and nothing computed from a record is kept for the next record.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Release the last record and all operands."""
        self._text: str | int = ""
        self._open = 0
        self._data: dict[str, JSONValue] = {}
        self._order_keys: dict[bytes, bytes] = {}
        self._derived: dict[tuple[Callable[[Any], Any], bytes], Any] = {}
        self._paths: dict[bytes, str] = {}
        self._patterns: dict[bytes, Callable[[str], bool]] = {}
        self._sets: dict[str, frozenset[str]] = {}
        self._plans: dict[str, Together] = {}

    def opened(self, text: str) -> int:
        """Read a record, and return a number that the other functions take instead of its text.

        The text may be long, and the database makes a copy of it for each function that gets it.
        """
        self._open += 1
        self._read(text, self._open)
        return self._open

    def _read(self, text: str, known_as: str | int) -> None:
        self._data = orjson.loads(text)
        self._text = known_as
        self._order_keys.clear()
        self._derived.clear()

    def _value(self, path: bytes) -> Any:
        name = self._paths.get(path)
        if name is None:
            name = self._paths[path] = _decoded(path)
        return resolve(self._data, name)

    def _once(self, text: str | int, path: bytes, make: Callable[[Any], Any]) -> Any:
        """Return the result of a function for a field, computed once for the record."""
        if text != self._text:
            self._read(str(text), text)
        key = (make, path)
        if key not in self._derived:
            self._derived[key] = make(self._value(path))
        return self._derived[key]

    def _pattern(self, pattern: bytes) -> Callable[[str], bool]:
        compiled = self._patterns.get(pattern)
        if compiled is None:
            compiled = self._patterns[pattern] = _compiled(pattern)
        return compiled

    def _set(self, exact_keys: str) -> frozenset[str]:
        members = self._sets.get(exact_keys)
        if members is None:
            members = self._sets[exact_keys] = frozenset(jsonio.loads(exact_keys))
        return members

    def accepts(self, text: str, plan: str) -> bool:
        together = self._plans.get(plan)
        if together is None:
            together = self._plans[plan] = Together(plan)
        return together.accepts(text)

    def matches(self, text: str, pattern: bytes) -> bool:
        return self._pattern(pattern)(text)

    def matches_lower(self, text: str, pattern: bytes) -> bool:
        return self._pattern(pattern)(text.lower())

    def order_key(self, text: str | int, path: bytes) -> bytes:
        # This is the same as in `_once`, without its call, because most filters end here for every
        # record.
        if text != self._text:
            self._read(str(text), text)
        key = self._order_keys.get(path)
        if key is None:
            value = self._value(path)
            key = _ABSENT_KEY if value is MISSING else _bytes(order_key(value))
            self._order_keys[path] = key
        return key

    def is_in(self, text: str | int, path: bytes, exact_keys: str) -> bool:
        return self._once(text, path, exact_key) in self._set(exact_keys)

    def is_like(self, text: str | int, path: bytes, pattern: bytes) -> bool:
        lowered = self._once(text, path, _lowered)
        return lowered is not None and self._pattern(pattern)(lowered)

    def contains(self, text: str | int, path: bytes, exact_keys: str) -> bool:
        keys = self._once(text, path, _member_keys)
        return keys is not None and self._set(exact_keys) <= keys

    def contains_any(self, text: str | int, path: bytes, exact_keys: str) -> bool:
        keys = self._once(text, path, _member_keys)
        return keys is not None and not self._set(exact_keys).isdisjoint(keys)


def _lowered(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) else None


def _member_keys(value: Any) -> frozenset[str] | None:
    return frozenset(map(exact_key, value)) if isinstance(value, list) else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(blob: bytes) -> str:
    return blob.decode("utf-8", "surrogatepass")


def _compiled(pattern: bytes) -> Callable[[str], bool]:
    return compile_pattern(Pattern.of(*map(_decoded, pattern.split(b"\xff"))))
