"""Lists in the SQL of PostgreSQL.

Equality is that of ``jsonb``: it compares types at every depth, and numbers by value. The order is
that of the keys that ``functions.sql`` computes. The driver writes parameters into the statement,
so that the planner sees the names of fields as constants, like in the indexes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from cliquet.core import jsonio
from cliquet.core.globs import Pattern
from cliquet.storage.ordering import ARRAY
from cliquet.storage.query import MISSING, Filter
from cliquet.storage.relational.dialect import ListingDialect
from cliquet.storage.relational.order_key import order_key
from cliquet.storage.relational.text import FALSE, SQL, all_of, any_of, joined

__all__ = ["PostgreSQLDialect"]

_ESCAPES: Final = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})
_EXPRESSION_ESCAPES: Final = str.maketrans({mark: f"\\{mark}" for mark in "\\.[](){}*+?^$|"})

# Greatest cost of a comparison by LIKE, in pairs of characters.
_MAX_PAIRS: Final = 100_000
# A longer pattern would be too complex as a regular expression.
_MAX_EXPRESSION: Final = 10_000

# Beyond this, integers and floats may differ.
_INEXACT: Final = 2.0**53
_BEYOND: Final = 2.0**64
# It is beyond the greatest float.
_TOO_BIG: Final = 10**400


class PostgreSQLDialect(ListingDialect):
    """The dialect of PostgreSQL: ``jsonb``, arrays as parameters, no NUL and no surrogates.

    Parameters
    ----------
    data : column with the data of a record.
    """

    def __init__(self, data: str = "data") -> None:
        self._data = data

    def raw(self, text: str) -> str:
        # It would send two hexadecimal digits for each byte; the driver leaves texts as they are.
        return text

    concatenation = "string_agg"
    keeps_texts = False
    has_lateral_joins = True
    compares_sets = True
    compares_keys = False

    def entry(self, id_name: str, modified_name: str, *, tombstone: str) -> SQL:
        # `||` would copy the text at each sign: a page of 100 took 1.2 times as long.
        return SQL(
            "concat(CASE WHEN deleted THEN %s::text"
            " ELSE coalesce(nullif(left(data::text, -1), '{') || ',', '{') END,"
            " %s, to_json(id), %s, last_modified, '}')",
            (f"{tombstone},", id_name, f",{modified_name}"),
        )

    def can_hold(self, text: str) -> bool:
        if "\0" in text:
            return False
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
        return True

    def as_stored(self, value: Any) -> Any:
        # In PostgreSQL numbers are decimal, and 9.223372036854776e18 comes back as an integer.
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

    def is_among(self, texts: Sequence[str]) -> SQL:
        return SQL("= ANY (%s::text[])", (list(texts),))

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
        value = self._value(field)
        return SQL(f'cliquet_order_key({value.text}) COLLATE "C"', value.parameters)

    def key(self, key: str) -> SQL:
        return SQL("%s", (key,))

    def equality_key(self, field: str) -> SQL:
        # An entry of an index has at most 2704 bytes. There is no room for a second key besides the
        # ids and the key by which the index is in order.
        key = self.order_key(field)
        return SQL(f"hashtext({key.text})", key.parameters)

    def has_equality_key(self, field: str, value: Any) -> SQL:
        key = order_key(value)
        if not self.can_hold(key):
            return FALSE
        expression = self.equality_key(field)
        return SQL(f'{expression.text} = hashtext(%s COLLATE "C")', (*expression.parameters, key))

    def is_in(
        self, field: str, values: Sequence[Any], *, or_missing: bool, is_indexed: bool
    ) -> SQL:
        value = self._value(field)
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
        # The index finds the candidates, and then long values with the same beginning are compared.
        keys = [order_key(item) for item, _ in held] + [order_key(MISSING)] * or_missing
        return all_of([_one_of(self.order_key(field), keys, "text"), found])

    def is_like(self, field: str, pattern: Pattern) -> SQL:
        """Compare short texts with LIKE, and long ones with a regular expression.

        The time of LIKE is the length of the text times that of the longest literal, and nothing
        can interrupt it, not even a timeout: a text of 10 MB and a pattern of 4 kB that almost
        matched at each place took a minute. A regular expression without alternatives and counted
        repetitions is a deterministic automaton, which reads the text once. But its start costs
        more for each text: the square of the number of stars.
        """
        lowered = self._lowered(field)
        like, expression = _like(pattern), _expression(pattern)
        sizes = [len(literal) for literal in pattern.literals]
        if sum(sizes) > _MAX_EXPRESSION:
            return SQL(f"{lowered.text} LIKE cliquet_lower(%s)", (*lowered.parameters, like))
        # Each place of the text is compared with one literal, which is not longer than the text.
        longest = max(_MAX_PAIRS // max(*sizes, 1), math.isqrt(_MAX_PAIRS))
        return SQL(
            # Because of OFFSET, the text is unpacked and converted to lower case only once.
            f"(SELECT CASE WHEN octet_length(held) <= {longest} THEN held LIKE cliquet_lower(%s)"
            " ELSE held ~ cliquet_lower(%s) END"
            f" FROM (SELECT {lowered.text} AS held OFFSET 0) AS text)",
            (like, expression, *lowered.parameters),
        )

    def is_there(self, field: str) -> SQL:
        value = self._value(field)
        return SQL(f"{value.text} IS NOT NULL", value.parameters)

    def contains(self, field: str, values: Sequence[Any], *, is_any: bool) -> SQL:
        value = self._value(field)
        texts = [text for item in values if (text := self._json(item)) is not None]
        if not texts if is_any else len(texts) < len(values):
            return FALSE
        texts = list(dict.fromkeys(texts))
        # All the values have one plan. A plan for each would take megabytes of the server for a URL
        # of normal length. Values that differ as texts may be equal, so that the server counts both
        # sides.
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
        # Functions for arrays raise errors for other values, and only CASE is always evaluated
        # first.
        return SQL(
            f"CASE WHEN jsonb_typeof({value.text}) = 'array' THEN {test.text} ELSE FALSE END",
            (*value.parameters, *test.parameters),
        )

    def array_index(self, field: str) -> SQL:
        # Its entries are hashes, so that there is no limit for the length of a value.
        value = self._value(field)
        return SQL(f"USING gin (({value.text}) jsonb_path_ops)", value.parameters)

    def may_contain(self, field: str, values: Sequence[Any], *, is_any: bool) -> SQL | None:
        texts = [text for item in values if (text := self._json(item)) is not None]
        if not texts if is_any else len(texts) < len(values):
            return None
        value = self._value(field)
        if is_any:
            singles = [f"[{text}]" for text in texts]
            return SQL(f"{value.text} @> ANY(%s::jsonb[])", (*value.parameters, singles))
        return SQL(f"{value.text} @> %s::jsonb", (*value.parameters, f"[{','.join(texts)}]"))

    def reading_once(
        self, filters: Sequence[Filter], build: Callable[[ListingDialect], SQL]
    ) -> SQL:
        held = _HeldDialect()
        condition = build(held)
        return held.within(condition)

    def unpacking(self, selection: SQL) -> tuple[ListingDialect, SQL]:
        # The addition of an empty object changes nothing, but the result is unpacked. Because of
        # OFFSET, it is not computed again in the outer query.
        unpacked = (
            f"SELECT *, data || '{{}}'::jsonb AS unpacked FROM ({selection.text}) AS selected"
        )
        table = SQL(f"({unpacked} OFFSET 0) AS records", selection.parameters)
        return PostgreSQLDialect("unpacked"), table

    def literal(self, text: str) -> SQL:
        return self.text(text)

    def _value(self, field: str) -> SQL:
        return _value(field, self._data)

    def _lowered(self, field: str) -> SQL:
        """Return the text of a field in lower case; NULL for another type."""
        value = self._value(field)
        return SQL(
            f"CASE WHEN jsonb_typeof({value.text}) = 'string'"
            f" THEN cliquet_lower({value.text} #>> '{{}}') END COLLATE \"C\"",
            value.parameters * 2,
        )

    def _json(self, value: Any) -> str | None:
        """Return the JSON text of a value, or ``None`` if no record can contain it."""
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


class _HeldDialect(PostgreSQLDialect):
    """Conditions on columns, each of which is computed once for a record.

    The columns belong to nested queries: the innermost one unpacks the data of the record, the next
    one finds the values of fields, and the outermost one computes with these values.
    """

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, SQL] = {}
        self._made: dict[str, SQL] = {}

    def _value(self, field: str) -> SQL:
        return _named(self._values, "held", field, _value)

    def order_key(self, field: str) -> SQL:
        return _named(self._made, "order", field, self._scalar_key)

    def _scalar_key(self, field: str) -> SQL:
        """Return the key of a value that filters can order; a short key for all others (X-16).

        The key of an array or an object would take time for its whole content.
        """
        value, key = self._value(field), super().order_key(field)
        return SQL(
            f"CASE WHEN jsonb_typeof({value.text}) IN ('array', 'object') THEN '{ARRAY}'"
            f' ELSE {key.text} END COLLATE "C"',
            (*value.parameters, *key.parameters),
        )

    def _lowered(self, field: str) -> SQL:
        return _named(self._made, "lowered", field, super()._lowered)

    def within(self, condition: SQL) -> SQL:
        """Return the condition with the queries for its columns."""
        # The addition of an empty object changes nothing, but the result is unpacked.
        inner = SQL("(SELECT data || '{}'::jsonb AS data OFFSET 0) AS unpacked")
        for columns in (self._values, self._made):
            inner = _selected(columns, inner)
        return SQL(
            f"(SELECT {condition.text} FROM {inner.text})",
            (*condition.parameters, *inner.parameters),
        )


def _named(columns: dict[str, SQL], kind: str, field: str, expression: Callable[[str], SQL]) -> SQL:
    made = expression(field)
    for name, known in columns.items():
        if known == made:
            return SQL(name)
    name = f"{kind}_{len(columns)}"
    columns[name] = made
    return SQL(name)


def _selected(columns: Mapping[str, SQL], inner: SQL) -> SQL:
    listed = joined(
        ", ",
        [
            SQL("*"),
            *(SQL(f"{sql.text} AS {name}", sql.parameters) for name, sql in columns.items()),
        ],
    )
    return SQL(
        f"(SELECT {listed.text} FROM {inner.text} OFFSET 0) AS read",
        (*listed.parameters, *inner.parameters),
    )


def _like(pattern: Pattern) -> str:
    return "%".join(literal.translate(_ESCAPES) for literal in pattern.literals)


def _expression(pattern: Pattern) -> str:
    """Return a regular expression for a pattern, with only syntax that is certainly the same."""
    first, *others = pattern.literals
    # Several stars in a row mean the same as one.
    kept = [first, *(part for part in others[:-1] if part), *others[-1:]]
    return f"^{'.*'.join(part.translate(_EXPRESSION_ESCAPES) for part in kept)}$"


def _value(field: str, data: str = "data") -> SQL:
    """Return the value of a field; a key that contains the dots wins.

    ``->`` with a name finds nothing in arrays and other values, and the null of JSON differs from
    that of SQL. A chain of them would copy the result of each step, which may be most of the
    record.
    """
    if "." not in field:
        return SQL(f"({data}->%s)", (field,))
    # `#>` would also read names as places in arrays. A strict path does not, and does not look into
    # items.
    path = "strict $" + "".join(f".{jsonio.dumps(name).decode()}" for name in field.split("."))
    nested = f"jsonb_path_query_first({data}, %s::jsonpath, '{{}}', TRUE)"
    return SQL(f"coalesce({data}->%s, {nested})", (field, path))


def _one_of(expression: SQL, texts: list[str], kind: str) -> SQL:
    if len(texts) == 1:
        return SQL(f"{expression.text} = %s::{kind}", (*expression.parameters, texts[0]))
    return SQL(f"{expression.text} = ANY(%s::{kind}[])", (*expression.parameters, texts))
