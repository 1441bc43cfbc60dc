"""What differs between databases in the conditions of a listing, and comparisons in any of them."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any, Final

from cliquet.core.globs import Pattern
from cliquet.storage.query import COMPARISON, Filter
from cliquet.storage.relational.text import FALSE, SQL, TRUE

__all__ = ["DESCENDING", "OPERATORS", "Dialect", "compared"]

OPERATORS: Final = {
    COMPARISON.LT: "<",
    COMPARISON.MAX: "<=",
    COMPARISON.MIN: ">=",
    COMPARISON.GT: ">",
    COMPARISON.EQ: "=",
    COMPARISON.NOT: "<>",
}
"""The operators between two values that SQL has as well."""

DESCENDING: Final = (COMPARISON.LT, COMPARISON.MAX)


class Dialect(abc.ABC):
    """What differs between databases.

    Conditions on a field are given a name of :meth:`can_hold`, and values of :meth:`as_stored`.
    """

    @abc.abstractmethod
    def can_hold(self, text: str) -> bool:
        """Whether a record may contain this text, be it as the name of a field."""

    @abc.abstractmethod
    def as_stored(self, value: Any) -> Any:
        """Return a JSON value as it is read back once it was stored."""

    @abc.abstractmethod
    def text(self, text: str) -> SQL:
        """Return an operand to be compared with a column."""

    @abc.abstractmethod
    def text_is_in(self, column: SQL, texts: Sequence[str]) -> SQL:
        """Whether a column holds one of several texts."""

    @abc.abstractmethod
    def is_among(self, texts: Sequence[str]) -> SQL:
        """Return what follows a column to say that it holds one of any number of texts."""

    @abc.abstractmethod
    def integer_is_in(self, column: SQL, numbers: Sequence[int]) -> SQL:
        """Whether a column holds one of several integers of 64 bits."""

    @abc.abstractmethod
    def text_matches(self, column: SQL, pattern: Pattern) -> SQL:
        """Whether the text of a column matches a pattern."""

    @abc.abstractmethod
    def text_is_like(self, column: SQL, pattern: Pattern) -> SQL:
        """Whether the text of a column matches a pattern, whatever the case."""

    @abc.abstractmethod
    def order_key(self, field: str) -> SQL:
        """Return the key of a value, or of its absence (`cliquet.storage.relational.order_key`)."""

    @abc.abstractmethod
    def key(self, key: str) -> SQL:
        """Return an operand to be compared with :meth:`order_key`."""

    @abc.abstractmethod
    def is_in(
        self, field: str, values: Sequence[Any], *, or_missing: bool, is_indexed: bool
    ) -> SQL:
        """Whether a field has one of several values.

        Parameters
        ----------
        or_missing : whether its absence is one of them.
        is_indexed : whether there is an index on its keys (:func:`index`).
        """

    @abc.abstractmethod
    def is_like(self, field: str, pattern: Pattern) -> SQL:
        """Whether a field has a text that matches a pattern, whatever the case."""

    @abc.abstractmethod
    def is_there(self, field: str) -> SQL:
        """Whether there is such a field."""

    @abc.abstractmethod
    def contains(self, field: str, values: Sequence[Any], *, is_any: bool) -> SQL:
        """Whether a field has an array which holds all of several values, or any of them."""

    @abc.abstractmethod
    def reading_once(self, filters: Sequence[Filter], build: Callable[[Dialect], SQL]) -> SQL:
        """Return the condition of filters on fields, for which the data of a record is read once.

        Else each field unpacks the whole of it, and what it has unpacked stays until the next
        record: a hundred filters on a record of 10 MB were two gigabytes.

        Parameters
        ----------
        filters : whose fields are none of the reserved ones.
        build : makes their condition, with the words of the dialect that it is given.
        """

    @abc.abstractmethod
    def unpacking(self, selection: SQL) -> tuple[Dialect, SQL]:
        """Return a table with the columns of a query, and a dialect whose words suit this table.

        The data of a record is unpacked once there, however many fields an order has, and however
        often a page asks for them.
        """

    @abc.abstractmethod
    def literal(self, text: str) -> SQL:
        """Return a text for a statement that defines something, which SQLite binds nothing to."""


def compared(
    dialect: Dialect, expression: SQL, operator: COMPARISON, text: str, *, is_key: bool = False
) -> SQL:
    """Compare a column or a key with a text, in the order of code points."""
    if not dialect.can_hold(text):
        if operator is COMPARISON.EQ:
            return FALSE
        if operator is COMPARISON.NOT:
            return TRUE
        text, operator = _nearest(dialect, text, operator)
    operand = dialect.key(text) if is_key else dialect.text(text)
    return SQL(
        f"{expression.text} {OPERATORS[operator]} {operand.text}",
        (*expression.parameters, *operand.parameters),
    )


def _nearest(dialect: Dialect, text: str, operator: COMPARISON) -> tuple[str, COMPARISON]:
    """Replace a text which the database cannot hold, in a comparison with those that it can.

    Such are NUL, which comes before all characters, and the surrogates, of which those that follow
    begin at U+E000.
    """
    place = next(n for n, character in enumerate(text) if not dialect.can_hold(character))
    before = operator in DESCENDING
    if text[place] == "\0":
        return text[:place], COMPARISON.MAX if before else COMPARISON.GT
    return text[:place] + "\ue000", COMPARISON.LT if before else COMPARISON.MIN
