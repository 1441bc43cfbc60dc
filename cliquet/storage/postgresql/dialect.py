"""Listings in the words of PostgreSQL.

Equality is that of ``jsonb``: typed, at every depth, of numbers by value. Order is that of the keys
which ``functions.sql`` computes. The driver writes parameters into the statement, hence the planner
sees the names of fields as the constants that they are in the indexes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from cliquet import jsonio
from cliquet.patterns import Pattern
from cliquet.storage.order_key import order_key
from cliquet.storage.query import MISSING
from cliquet.storage.sql_dialect import Dialect
from cliquet.storage.sql_text import FALSE, SQL, all_of, any_of

__all__ = ["PostgreSQLDialect"]

_ESCAPES: Final = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})
_EXPRESSION_ESCAPES: Final = str.maketrans({mark: f"\\{mark}" for mark in "\\.[](){}*+?^$|"})

# What a comparison by LIKE may cost, in pairs of characters.
_MAX_PAIRS: Final = 100_000
# Longer ones are too complex to be regular expressions.
_MAX_EXPRESSION: Final = 10_000

# A chain of operators is as deep an expression as it is long, and the stack of the server ends
# somewhere. Indexes on fields are on such chains: a change makes them useless.
_MAX_STEPS: Final = 100

# Beyond, integers and floats differ, and neither fits an integer of 64 bits.
_INEXACT: Final = 2.0**53
_BEYOND: Final = 2.0**64
# The greatest number that a float stands for, and then some.
_TOO_BIG: Final = 10**400


class PostgreSQLDialect(Dialect):
    """What PostgreSQL has of its own: ``jsonb``, arrays as parameters, no NUL nor surrogates."""

    def can_hold(self, text: str) -> bool:
        if "\0" in text:
            return False
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
        return True

    def as_stored(self, value: Any) -> Any:
        # Numbers are decimal there, and 9.223372036854776e18 comes back as an integer.
        if isinstance(value, float):
            if _INEXACT <= abs(value) <= _BEYOND:
                return int(Decimal(repr(float(value))))
        elif isinstance(value, (list, tuple)):
            return [self.as_stored(item) for item in value]
        elif isinstance(value, Mapping):
            return {name: self.as_stored(item) for name, item in value.items()}
        return value

    def text(self, text: str) -> SQL:
        return SQL("%s", (str.__str__(text),))

    def text_is_in(self, column: SQL, texts: Sequence[str]) -> SQL:
        return SQL(f"{column.text} = ANY(%s::text[])", ([str.__str__(text) for text in texts],))

    def integer_is_in(self, column: SQL, numbers: Sequence[int]) -> SQL:
        return SQL(f"{column.text} = ANY(%s::bigint[])", (list(numbers),))

    def text_matches(self, column: SQL, pattern: Pattern) -> SQL:
        return SQL(f"{column.text} LIKE %s", (_like(pattern),))

    def text_is_like(self, column: SQL, pattern: Pattern) -> SQL:
        return SQL(
            f'cliquet_lower({column.text}) COLLATE "C" LIKE cliquet_lower(%s)',
            (*column.parameters, _like(pattern)),
        )

    def order_key(self, field: str) -> SQL:
        value = _value(field)
        return SQL(f'cliquet_order_key({value.text}) COLLATE "C"', value.parameters)

    def key(self, key: str) -> SQL:
        return SQL("%s", (key,))

    def is_in(
        self, field: str, values: Sequence[Any], *, or_missing: bool, is_indexed: bool
    ) -> SQL:
        value = _value(field)
        held = [(item, text) for item in values if (text := self._json(item)) is not None]
        texts = [text for _, text in held]
        conditions = []
        if texts:
            conditions.append(_one_of(value, texts, "jsonb"))
        if or_missing:
            conditions.append(SQL(f"{value.text} IS NULL", value.parameters))
        if not conditions:
            return FALSE
        found = any_of(conditions)
        if not is_indexed:
            return found
        # The index finds the candidates; long values that begin alike are told apart.
        keys = [order_key(item) for item, _ in held] + [order_key(MISSING)] * or_missing
        return all_of([_one_of(self.order_key(field), keys, "text"), found])

    def is_like(self, field: str, pattern: Pattern) -> SQL:
        value = _value(field)
        column = SQL(f"({value.text} #>> '{{}}')", value.parameters)
        like = self._text_of_any_length_is_like(column, pattern)
        return SQL(
            f"jsonb_typeof({value.text}) = 'string' AND {like.text}",
            (*value.parameters, *like.parameters),
        )

    def _text_of_any_length_is_like(self, column: SQL, pattern: Pattern) -> SQL:
        """Compare with LIKE what is short, and with a regular expression what is not.

        The time of LIKE is the product of both lengths, and nothing interrupts it, no timeout
        either: a text of 10 MB and a pattern of 4 kB, which such a text begins to match at each
        place, took a minute. A regular expression without choices nor repetitions of a given number
        is a deterministic automaton, which reads the text once; but it costs more to begin with.
        """
        size = sum(map(len, pattern.literals))
        if size > _MAX_EXPRESSION:
            return self.text_is_like(column, pattern)
        # No more of the pattern is compared than there is text.
        longest = max(_MAX_PAIRS // max(size, 1), math.isqrt(_MAX_PAIRS))
        like, expression = _like(pattern), _expression(pattern)
        return SQL(
            # OFFSET: the text is unpacked, and lowered, once.
            f"(SELECT CASE WHEN octet_length(held) <= {longest} THEN held LIKE cliquet_lower(%s)"
            " ELSE held ~ cliquet_lower(%s) END"
            f' FROM (SELECT cliquet_lower({column.text}) COLLATE "C" AS held OFFSET 0) AS text)',
            (like, expression, *column.parameters),
        )

    def is_there(self, field: str) -> SQL:
        value = _value(field)
        return SQL(f"{value.text} IS NOT NULL", value.parameters)

    def contains(self, field: str, values: Sequence[Any], *, is_any: bool) -> SQL:
        value = _value(field)
        texts = [text for item in values if (text := self._json(item)) is not None]
        if not texts if is_any else len(texts) < len(values):
            return FALSE
        texts = list(dict.fromkeys(texts))
        # One plan for all the values: one for each takes megabytes of the server for a URL of
        # ordinary length. Values that differ as texts may be equal: the server counts both sides.
        found = (
            f"FROM jsonb_array_elements({value.text}) AS item(held) WHERE held = ANY(%s::jsonb[])"
        )
        if is_any:
            test = SQL(f"EXISTS (SELECT 1 {found})", (*value.parameters, texts))
        else:
            test = SQL(
                f"(SELECT count(DISTINCT held) {found})"
                " = (SELECT count(DISTINCT wanted) FROM unnest(%s::jsonb[]) AS given(wanted))",
                (*value.parameters, texts, texts),
            )
        # Functions on arrays raise errors on what is none; only CASE is sure to come first.
        return SQL(
            f"CASE WHEN jsonb_typeof({value.text}) = 'array' THEN {test.text} ELSE FALSE END",
            (*value.parameters, *test.parameters),
        )

    def literal(self, text: str) -> SQL:
        return self.text(text)

    def _json(self, value: Any) -> str | None:
        """Return the JSON text of a value, or ``None`` if no record can hold it."""
        return jsonio.dumps(value).decode() if self._can_hold_value(value) else None

    def _can_hold_value(self, value: Any) -> bool:
        if isinstance(value, str):
            return self.can_hold(value)
        if isinstance(value, (int, float)):
            return math.isfinite(value) if isinstance(value, float) else abs(value) < _TOO_BIG
        if isinstance(value, (list, tuple)):
            return all(map(self._can_hold_value, value))
        if isinstance(value, Mapping):
            return all(map(self.can_hold, value)) and all(map(self._can_hold_value, value.values()))
        return True


def _like(pattern: Pattern) -> str:
    return "%".join(literal.translate(_ESCAPES) for literal in pattern.literals)


def _expression(pattern: Pattern) -> str:
    """Return a regular expression, which needs no more of them than is sure to mean the same."""
    first, *others = pattern.literals
    # One run of any characters is as good as several.
    kept = [first, *(part for part in others[:-1] if part), *others[-1:]]
    return f"^{'.*'.join(part.translate(_EXPRESSION_ESCAPES) for part in kept)}$"


def _value(field: str) -> SQL:
    """Return the value of a field: a key that contains the dots wins (B-21.13).

    ``->`` with a name finds nothing in arrays and other values, and the null of JSON is not that of
    SQL.
    """
    if "." not in field:
        return SQL("(data->%s)", (field,))
    names = field.split(".")
    if len(names) <= _MAX_STEPS:
        path = "->%s" * len(names)
        return SQL(f"coalesce(data->%s, data{path})", (field, *names))
    # `#>` would take names for places in arrays; a strict path does not, nor looks into items.
    path = "strict $" + "".join(f".{jsonio.dumps(name).decode()}" for name in names)
    nested = "jsonb_path_query_first(data, %s::jsonpath, '{}', TRUE)"
    return SQL(f"coalesce(data->%s, {nested})", (field, path))


def _one_of(expression: SQL, texts: list[str], kind: str) -> SQL:
    if len(texts) == 1:
        return SQL(f"{expression.text} = %s::{kind}", (*expression.parameters, texts[0]))
    return SQL(f"{expression.text} = ANY(%s::{kind}[])", (*expression.parameters, texts))
