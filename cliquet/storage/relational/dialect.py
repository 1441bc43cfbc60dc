"""The differences between databases in the conditions of lists, and common comparisons."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from cliquet.core.globs import Pattern
from cliquet.storage.query import Filter
from cliquet.storage.relational.text import FALSE, SQL, TRUE

__all__ = ["DESCENDING", "ListingDialect", "Sign", "compared"]

Sign = Literal["<", "<=", ">=", ">", "=", "<>"]
"""A comparison of two values that SQL has."""

DESCENDING: Final = ("<", "<=")


class ListingDialect(abc.ABC):
    """The differences between databases.

    Conditions on a field only get names for which :meth:`can_hold` is true, and values from
    :meth:`as_stored`.
    """

    @abc.abstractmethod
    def can_hold(self, text: str) -> bool:
        """Return whether a record may contain this text, also as the name of a field."""

    @abc.abstractmethod
    def as_stored(self, value: Any) -> Any:
        """Return a JSON value in the form in which it is read after it was stored."""

    @abc.abstractmethod
    def raw(self, text: str) -> str:
        """Return the expression of a text, as bytes in UTF-8 if that costs the database nothing."""

    concatenation: str
    """The function that joins texts in the order of its rows."""

    keeps_texts: bool
    """Whether the JSON of a record is read as the text that the library has written."""

    has_lateral_joins: bool
    """Whether a joined query may use the columns of the table before it."""

    compares_sets: bool
    """Whether it is faster to compare two sets of ids than to look up those of one in the other."""

    compares_keys: bool
    """Whether the condition for a value of a field compares the key that indexes have."""

    @abc.abstractmethod
    def entry(self, id_name: str, modified_name: str, *, tombstone: str) -> SQL:
        """Return the JSON text of a record or tombstone, from the columns of its row.

        Parameters
        ----------
        id_name, modified_name : texts before the values of these members.
        tombstone : text before these members in a tombstone.
        """

    @abc.abstractmethod
    def text(self, text: str) -> SQL:
        """Return an operand for a comparison with a column."""

    @abc.abstractmethod
    def text_is_in(self, column: SQL, texts: Sequence[str]) -> SQL:
        """Return the condition that a column has one of several texts."""

    @abc.abstractmethod
    def is_among(self, texts: Sequence[str]) -> SQL:
        """Return the condition after a column that it has one of any number of texts."""

    @abc.abstractmethod
    def integer_is_in(self, column: SQL, numbers: Sequence[int]) -> SQL:
        """Return the condition that a column has one of several integers of 64 bits."""

    @abc.abstractmethod
    def text_matches(self, column: SQL, pattern: Pattern) -> SQL:
        """Return the condition that the text of a column matches a pattern."""

    @abc.abstractmethod
    def text_is_like(self, column: SQL, pattern: Pattern) -> SQL:
        """Return the condition that the text of a column matches a pattern in any case."""

    @abc.abstractmethod
    def order_key(self, field: str) -> SQL:
        """Return the key of a field or its absence (`cliquet.storage.relational.order_key`)."""

    @abc.abstractmethod
    def key(self, key: str) -> SQL:
        """Return an operand for a comparison with :meth:`order_key`."""

    @abc.abstractmethod
    def equality_key(self, field: str) -> SQL:
        """Return an expression with the same value for equal values of a field.

        It takes little room before the key of another field in an index.
        """

    @abc.abstractmethod
    def has_equality_key(self, field: str, value: Any) -> SQL:
        """Return the condition that a field has the :meth:`equality_key` of a value.

        It is only needed to find an index, besides the condition that the values are equal.
        """

    @abc.abstractmethod
    def is_in(
        self, field: str, values: Sequence[Any], *, or_missing: bool, is_indexed: bool
    ) -> SQL:
        """Return the condition that a field has one of several values.

        Parameters
        ----------
        or_missing : whether the field may also be absent.
        is_indexed : whether there is an index on its keys (:func:`index`).
        """

    @abc.abstractmethod
    def is_like(self, field: str, pattern: Pattern) -> SQL:
        """Return the condition that the text of a field matches a pattern in any case."""

    @abc.abstractmethod
    def is_there(self, field: str) -> SQL:
        """Return the condition that a field exists."""

    @abc.abstractmethod
    def contains(self, field: str, values: Sequence[Any], *, is_any: bool) -> SQL:
        """Return the condition that an array contains all of several values, or any of them."""

    def array_index(self, field: str) -> SQL | None:
        """Return the method and the key of an index on the values within the arrays of a field.

        Returns
        -------
        ``None`` if the database has no such indexes.
        """
        return None

    def may_contain(self, field: str, values: Sequence[Any], *, is_any: bool) -> SQL | None:
        """Return a condition that is true wherever :meth:`contains` is.

        It is only needed to find the :meth:`array_index`, besides the exact condition.
        """
        return None

    @abc.abstractmethod
    def reading_once(
        self, filters: Sequence[Filter], build: Callable[[ListingDialect], SQL]
    ) -> SQL:
        """Return the condition of filters on fields that reads the data of a record only once.

        Otherwise each field unpacks the whole data, which stays in memory until the next record: a
        hundred filters on a record of 10 MB took two gigabytes.

        Parameters
        ----------
        filters : filters whose fields are not reserved ones.
        build : function that makes their condition with a given dialect.
        """

    @abc.abstractmethod
    def unpacking(self, selection: SQL) -> tuple[ListingDialect, SQL]:
        """Return a table with the columns of a query, and a dialect for this table.

        The table unpacks the data of a record once, whatever the number of fields in an order is,
        and however often a page needs them.
        """

    @abc.abstractmethod
    def literal(self, text: str) -> SQL:
        """Return a literal for the definition of an index, where SQLite allows no parameters."""


def compared(
    dialect: ListingDialect,
    expression: SQL,
    sign: Sign,
    text: str,
    *,
    is_key: bool = False,
) -> SQL:
    """Compare a column or a key with a text, in the order of code points."""
    if not dialect.can_hold(text):
        if sign == "=":
            return FALSE
        if sign == "<>":
            return TRUE
        text, sign = _nearest(dialect, text, sign)
    operand = dialect.key(text) if is_key else dialect.text(text)
    return SQL(
        f"{expression.text} {sign} {operand.text}",
        (*expression.parameters, *operand.parameters),
    )


def _nearest(dialect: ListingDialect, text: str, sign: Sign) -> tuple[str, Sign]:
    """Replace a text that the database cannot store, in a comparison with stored texts.

    These are texts with NUL, which comes before all characters, or with surrogates, after which
    U+E000 is the next character.
    """
    place = next(n for n, character in enumerate(text) if not dialect.can_hold(character))
    before = sign in DESCENDING
    if text[place] == "\0":
        return text[:place], "<=" if before else ">"
    return text[:place] + "\ue000", "<" if before else ">="
