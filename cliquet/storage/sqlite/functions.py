"""The functions that :mod:`cliquet.storage.sqlite.dialect` calls in SQL.

The data of a record is a JSON text, and operands are JSON texts or blobs in UTF-8, so that they may
contain anything.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import orjson

from cliquet import jsonio
from cliquet.patterns import Pattern, compile_pattern
from cliquet.storage.order_key import exact_key, order_key
from cliquet.storage.ordering import resolve
from cliquet.types import JSONValue

__all__ = ["register_functions"]


def register_functions(connection: sqlite3.Connection) -> None:
    """Give a connection what the statements of a listing, and indexes on fields, need."""
    functions: list[tuple[str, int, Callable[..., Any]]] = [
        ("cliquet_matches", 2, _matches),
        ("cliquet_matches_lower", 2, _matches_lower),
        ("cliquet_is_one_of", 2, _is_one_of),
    ]
    reader = _Reader()
    functions += [
        ("cliquet_order_key", 2, reader.order_key),
        ("cliquet_is_in", 3, reader.is_in),
        ("cliquet_is_like", 3, reader.is_like),
        ("cliquet_contains", 3, reader.contains),
        ("cliquet_contains_any", 3, reader.contains_any),
    ]
    for name, arity, function in functions:
        connection.create_function(name, arity, function, deterministic=True)


class _Reader:
    """Reads fields for one connection, which several threads never use at once.

    The functions of one statement read the same record one after the other: it is parsed once.
    """

    def __init__(self) -> None:
        self._text = ""
        self._data: dict[str, JSONValue] = {}

    def _value(self, text: str, path: bytes) -> Any:
        if text != self._text:
            self._data = orjson.loads(text)
            self._text = text
        return resolve(self._data, _decoded(path))

    def order_key(self, text: str, path: bytes) -> bytes:
        return order_key(self._value(text, path)).encode("utf-8", "surrogatepass")

    def is_in(self, text: str, path: bytes, exact_keys: str) -> bool:
        return exact_key(self._value(text, path)) in _members(exact_keys)

    def is_like(self, text: str, path: bytes, pattern: bytes) -> bool:
        value = self._value(text, path)
        return isinstance(value, str) and _matches_lower(value, pattern)

    def contains(self, text: str, path: bytes, exact_keys: str) -> bool:
        value = self._value(text, path)
        return isinstance(value, list) and _members(exact_keys) <= set(map(exact_key, value))

    def contains_any(self, text: str, path: bytes, exact_keys: str) -> bool:
        value = self._value(text, path)
        if not isinstance(value, list):
            return False
        return not _members(exact_keys).isdisjoint(map(exact_key, value))


def _matches(text: str, pattern: bytes) -> bool:
    return _compiled(pattern)(text)


def _matches_lower(text: str, pattern: bytes) -> bool:
    return _compiled(pattern)(text.lower())


def _is_one_of(value: str | int, members: str) -> bool:
    return value in _members(members)


# Each is asked for every record, with the same operands.


@lru_cache(maxsize=256)
def _decoded(blob: bytes) -> str:
    return blob.decode("utf-8", "surrogatepass")


@lru_cache(maxsize=64)
def _compiled(pattern: bytes) -> Callable[[str], bool]:
    return compile_pattern(Pattern.of(*map(_decoded, pattern.split(b"\xff"))))


@lru_cache(maxsize=64)
def _members(text: str) -> frozenset[Any]:
    return frozenset(jsonio.loads(text))
