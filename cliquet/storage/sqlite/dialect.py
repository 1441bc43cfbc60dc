"""Lists in the SQL of SQLite.

The functions of ``functions.py`` do for JSON what SQL cannot do. Keys are blobs, which are compared
byte by byte whatever they contain.

An index cannot be used for an expression with a parameter, so that the names of fields are a part
of the statement: as blobs, whose hexadecimal digits cannot contain any SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from cliquet.core import jsonio
from cliquet.core.globs import Pattern
from cliquet.storage.query import MISSING, Filter
from cliquet.storage.relational.dialect import ListingDialect
from cliquet.storage.relational.order_key import MAX_EXACT_CHARACTERS, exact_key, order_key
from cliquet.storage.relational.text import SQL, TRUE, all_of
from cliquet.storage.sqlite.together import plan_of
from cliquet.utils import is_storable

__all__ = ["SQLiteDialect"]

# Each operand of a list makes the compiled statement larger by at least a hundred bytes. A longer
# list is one parameter, from which the database makes a table.
_MAX_LISTED: Final = 20

# Names that a path of SQLite has as they are, and that are not paths of ours.
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_KEPT_INTEGER: Final = 10**9


class SQLiteDialect(ListingDialect):
    """The dialect of SQLite: JSON is text, and functions are those of Python.

    Parameters
    ----------
    data : expression of the data of a record, for the functions that read fields.
    """

    def __init__(self, data: str = "data") -> None:
        self._data = data

    def raw(self, text: str) -> str:
        return f"CAST({text} AS BLOB)"

    concatenation = "group_concat"
    keeps_texts = True
    has_lateral_joins = False
    compares_sets = False
    compares_keys = True

    def entry(self, id_name: str, modified_name: str, *, tombstone: str) -> SQL:
        # As text, the data would be searched for its end twice, character by character.
        start = "substr(CAST(data AS BLOB), 1, length(CAST(data AS BLOB)) - 1) || %s"
        return SQL(
            f"CASE WHEN deleted THEN %s WHEN data = '{{}}' THEN %s ELSE {start} END"
            " || (json_quote(id) || %s || last_modified || '}')",
            (f"{tombstone},{id_name}", f"{{{id_name}", f",{id_name}", f",{modified_name}"),
        )

    def can_hold(self, text: str) -> bool:
        return True

    def as_stored(self, value: Any) -> Any:
        return value

    def text(self, text: str) -> SQL:
        try:
            text.encode()
        except UnicodeEncodeError:
            # The driver would refuse half of a surrogate pair in a text.
            return SQL("CAST(%s AS TEXT)", (_blob(text),))
        return SQL("%s", (str.__str__(text),))

    def text_is_in(self, column: SQL, texts: Sequence[str]) -> SQL:
        if len(texts) > _MAX_LISTED:
            return _in_table(column, "CAST(cliquet_unhex(value) AS TEXT)", _hexadecimal(texts))
        return _listed(column, [self.text(text) for text in texts])

    def is_among(self, texts: Sequence[str]) -> SQL:
        # All values are one parameter, because SQLite limits the number of parameters.
        return SQL("IN (SELECT value FROM json_each(%s))", (_json(list(texts)),))

    def integer_is_in(self, column: SQL, numbers: Sequence[int]) -> SQL:
        if len(numbers) > _MAX_LISTED:
            return _in_table(column, "value", list(numbers))
        return _listed(column, [SQL("%s", (number,)) for number in numbers])

    def text_matches(self, column: SQL, pattern: Pattern) -> SQL:
        return SQL(f"cliquet_matches({column.text}, %s)", (_pattern(pattern.literals),))

    def text_is_like(self, column: SQL, pattern: Pattern) -> SQL:
        return SQL(f"cliquet_matches_lower({column.text}, %s)", (_lowered(pattern),))

    def order_key(self, field: str) -> SQL:
        return SQL(f"cliquet_order_key({self._data}, {_path(field)})")

    def key(self, key: str) -> SQL:
        return SQL("%s", (_blob(key),))

    def equality_key(self, field: str) -> SQL:
        return self.order_key(field)

    def has_equality_key(self, field: str, value: Any) -> SQL:
        # The condition for equal values already has the key.
        return TRUE

    def is_in(
        self, field: str, values: Sequence[Any], *, or_missing: bool, is_indexed: bool
    ) -> SQL:
        members = [*values, MISSING] if or_missing else values
        keys = [order_key(member) for member in members]
        key = self.order_key(field)
        if len(keys) > _MAX_LISTED:
            is_one = _in_table(key, "cliquet_unhex(value)", _hexadecimal(keys))
        else:
            is_one = _listed(key, [self.key(text) for text in keys])
            if not (or_missing or is_indexed):
                is_one = all_of([*self._seems_one(field, values), is_one])
        if all(len(text) <= MAX_EXACT_CHARACTERS for text in keys):
            return is_one
        exact_keys = _json([exact_key(member) for member in members])
        is_exact = SQL(f"cliquet_is_in({self._data}, {_path(field)}, %s)", (exact_keys,))
        return all_of([is_one, is_exact])

    def _seems_one(self, field: str, values: Sequence[Any]) -> list[SQL]:
        """Return what the database itself can say of records that have one of several values.

        It spares most records a call of Python. The condition is also true of a few others, and
        there is none for values that SQLite could take for different from equal ones.
        """
        if self._data != "data" or not _PLAIN_NAME.fullmatch(field):
            return []
        if not all(map(_is_kept_by_sqlite, values)):
            return []
        value = f"json_extract(data, '$.{field}')"
        if len(values) == 1:
            return [SQL(f"{value} IS %s", (values[0],))]
        # A missing field must not make it unknown, which would ask Python.
        listed = _listed(SQL(value), [SQL("%s", (one,)) for one in values])
        return [SQL(f"coalesce({listed.text}, FALSE)", listed.parameters)]

    def is_like(self, field: str, pattern: Pattern) -> SQL:
        return SQL(f"cliquet_is_like({self._data}, {_path(field)}, %s)", (_lowered(pattern),))

    def is_there(self, field: str) -> SQL:
        return SQL(
            f"cliquet_order_key({self._data}, {_path(field)}) <> %s", (_blob(order_key(MISSING)),)
        )

    def contains(self, field: str, values: Sequence[Any], *, is_any: bool) -> SQL:
        function = "cliquet_contains_any" if is_any else "cliquet_contains"
        exact_keys = _json(list(dict.fromkeys(map(exact_key, values))))
        return SQL(f"{function}({self._data}, {_path(field)}, %s)", (exact_keys,))

    def reading_once(
        self, filters: Sequence[Filter], build: Callable[[ListingDialect], SQL]
    ) -> SQL:
        return SQL("cliquet_accepts(data, %s)", (plan_of(filters),))

    def unpacking(self, selection: SQL) -> tuple[ListingDialect, SQL]:
        # It is the number of the open record for the functions. Because of the limit, SQLite does
        # not merge the query with the outer one, which would open the record for each field.
        opened = f"SELECT *, cliquet_opened(data) AS opened FROM ({selection.text})"
        table = SQL(f"({opened} LIMIT -1 OFFSET 0) AS records", selection.parameters)
        return SQLiteDialect("opened"), table

    def literal(self, text: str) -> SQL:
        return SQL(f"CAST(x'{_blob(text).hex()}' AS TEXT)")


def _is_kept_by_sqlite(value: Any) -> bool:
    if isinstance(value, str):
        return type(value) is str and is_storable(value)
    # The decimal digits of larger numbers are not always read as the same number.
    return isinstance(value, int) and abs(value) <= _MAX_KEPT_INTEGER


def _path(field: str) -> str:
    return f"x'{_blob(field).hex()}'"


def _blob(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _pattern(literals: Iterable[str]) -> bytes:
    # No text in UTF-8 has this byte.
    return b"\xff".join(map(_blob, literals))


def _lowered(pattern: Pattern) -> bytes:
    return _pattern(literal.lower() for literal in pattern.literals)


def _json(value: list[Any]) -> str:
    return jsonio.dumps(value).decode()


def _hexadecimal(texts: Sequence[str]) -> list[str]:
    # The JSON functions of SQLite end a text at NUL.
    return [_blob(text).hex() for text in texts]


def _in_table(expression: SQL, member: str, values: list[Any]) -> SQL:
    """Return the condition that an expression is one of many values, with a single parameter."""
    return SQL(
        f"{expression.text} IN (SELECT {member} FROM json_each(%s))",
        (*expression.parameters, _json(values)),
    )


def _listed(expression: SQL, operands: list[SQL]) -> SQL:
    if len(operands) == 1:
        test = f"= {operands[0].text}"
    else:
        test = f"IN ({', '.join(operand.text for operand in operands)})"
    values = (value for operand in operands for value in operand.parameters)
    return SQL(f"{expression.text} {test}", (*expression.parameters, *values))
