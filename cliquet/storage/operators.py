"""The operators of filters: their names, what they take, and what they mean in Python.

A new operator is a member of :class:`COMPARISON`, and a condition in
``cliquet/storage/relational/operators.py``, which is what it means in SQL. Nothing else knows
single operators: a query string is read by what an operator takes.

The meanings know no record. They read what they judge by a ``Field``, so that the same code
filters entries of a collection, and the records that SQLite hands to Python.
"""

from __future__ import annotations

import abc
import enum
import operator
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Final, Generic, NamedTuple, TypeVar

from cliquet.core.globs import WILDCARD, Pattern, compile_pattern
from cliquet.storage.ordering import BOOLEAN, MISSING, NUMBER, TEXT, sort_key

__all__ = ["COMPARISON", "EQUALITY_WITH_SEVERAL", "Field", "Keys", "Takes", "like_pattern"]

Held = TypeVar("Held")
Made = TypeVar("Made")

# Texts and numbers are compared themselves where only values of their type matter: to make a key of
# each value takes longer than all the rest. A boolean, which is a number for Python, is none.
_COMPARED_THEMSELVES: Final[dict[int, tuple[type, ...]]] = {TEXT: (str,), NUMBER: (int, float)}
# Filters with an order only compare values of these types, and not arrays, objects and null.
_ORDERED_TYPES: Final = (TEXT, NUMBER, BOOLEAN)


class Keys(NamedTuple):
    """The functions for what is compared instead of JSON values.

    Parameters
    ----------
    exact : returns a key that only equal values have.
    place : returns a key that compares like the value. Its first item is the rank of the type.
    """

    exact: Callable[[Any], Hashable]
    place: Callable[[Any], Any]

    def each(self, values: Iterable[Any]) -> frozenset[Hashable]:
        """Return the exact keys of values."""
        return frozenset(map(self.exact, values))

    def members(self, value: Any) -> frozenset[Hashable] | None:
        """Return the exact keys of the items of an array; ``None`` for any other value."""
        return self.each(value) if isinstance(value, list) else None


class Field(abc.ABC, Generic[Held]):
    """A field, as the meaning of an operator reads it.

    Attributes
    ----------
    keys : functions for the keys that its values are compared by.
    """

    keys: Keys

    @abc.abstractmethod
    def value(self) -> Callable[[Held], Any]:
        """Return a function that reads the value; it gives ``MISSING`` for an absent field."""

    @abc.abstractmethod
    def made(self, make: Callable[[Any], Made]) -> Callable[[Held], Made]:
        """Return a function that reads the value, and gives what `make` makes of it."""


class Meaning(abc.ABC):
    """What an operator means: an operand is made of the value of a filter, and a test of it.

    The two are apart because an operand can travel as JSON, with sets as arrays.

    Attributes
    ----------
    takes_absence : whether the value may be ``MISSING`` in a pagination rule.
    """

    takes_absence: bool = False

    @abc.abstractmethod
    def operand(self, keys: Keys, value: Any, *, in_rule: bool) -> Any:
        """Return the form of `value` that is compared.

        Raises
        ------
        TypeError : it is not a JSON value.
        """

    @abc.abstractmethod
    def test(self, field: Field[Held], operand: Any, *, in_rule: bool) -> Callable[[Held], bool]:
        """Return a function that says whether the relation is true."""


def _types_of(operand: Any) -> tuple[type, ...]:
    """Return the types of the values that are compared themselves with that of an operand.

    Parameters
    ----------
    operand : key of a value; that of a text or a number has its value in the second place.
    """
    return _COMPARED_THEMSELVES.get(operand[0], ()) if type(operand) is tuple else ()


class _Equality(Meaning):
    """The field has this value, or it has not; values are compared with their types."""

    def __init__(self, *, is_wanted: bool) -> None:
        self.is_wanted = self.takes_absence = is_wanted

    def operand(self, keys: Keys, value: Any, *, in_rule: bool) -> Any:
        return keys.exact(value)

    def test(self, field: Field[Held], operand: Any, *, in_rule: bool) -> Callable[[Held], bool]:
        if self.is_wanted and _types_of(operand):
            value, own = field.value(), operand[1]
            # Nothing but a boolean equals a value of another type.
            return lambda held: (found := value(held)) == own and found.__class__ is not bool
        read = field.made(field.keys.exact)
        if self.is_wanted:
            return lambda held: read(held) == operand
        return lambda held: read(held) != operand


class _Membership(Meaning):
    """The field has one of several values, or none of them."""

    def __init__(self, *, is_wanted: bool) -> None:
        self.is_wanted = is_wanted

    def operand(self, keys: Keys, value: Any, *, in_rule: bool) -> Any:
        return keys.each(value)

    def test(self, field: Field[Held], operand: Any, *, in_rule: bool) -> Callable[[Held], bool]:
        read, accepted, is_wanted = field.made(field.keys.exact), frozenset(operand), self.is_wanted
        return lambda held: (read(held) in accepted) is is_wanted


class _Order(Meaning):
    """The field comes before or after the value.

    In a pagination rule all values and an absent field have an order. Elsewhere only values of the
    same type are compared (X-16).
    """

    takes_absence = True

    def __init__(self, compare: Callable[[Any, Any], bool]) -> None:
        self.compare = compare

    def operand(self, keys: Keys, value: Any, *, in_rule: bool) -> Any:
        # A value without a place in the order is neither greater nor smaller than another.
        has_place = in_rule or (sort_key(value)[0] in _ORDERED_TYPES and value == value)
        return keys.place(value) if has_place else None

    def test(self, field: Field[Held], operand: Any, *, in_rule: bool) -> Callable[[Held], bool]:
        if operand is None:
            return lambda held: False
        types, compare = _types_of(operand), self.compare
        if types and not in_rule:
            value, own = field.value(), operand[1]

            def is_itself_in_order(held: Held) -> bool:
                found = value(held)
                is_of_type = isinstance(found, types) and found.__class__ is not bool
                return is_of_type and compare(found, own)

            return is_itself_in_order
        read = field.made(field.keys.place)
        if in_rule:
            return lambda held: compare(read(held), operand)
        rank = operand[0]

        def is_in_order(held: Held) -> bool:
            place = read(held)
            return bool(place[0] == rank) and compare(place, operand)

        return is_in_order


class _Likeness(Meaning):
    """The field is a text that matches the pattern, in any case."""

    def operand(self, keys: Keys, value: Any, *, in_rule: bool) -> Any:
        return [literal.lower() for literal in like_pattern(value).literals]

    def test(self, field: Field[Held], operand: Any, *, in_rule: bool) -> Callable[[Held], bool]:
        read, matches = field.made(_lowered), compile_pattern(Pattern.of(*operand))

        def is_like(held: Held) -> bool:
            text = read(held)
            return text is not None and matches(text)

        return is_like


class _Presence(Meaning):
    """The field is there, or it is not."""

    def operand(self, keys: Keys, value: Any, *, in_rule: bool) -> Any:
        return value

    def test(self, field: Field[Held], operand: Any, *, in_rule: bool) -> Callable[[Held], bool]:
        read = field.value()
        return lambda held: (read(held) is not MISSING) is operand


class _Content(Meaning):
    """The field is an array with all of several items, or with any of them."""

    def __init__(self, *, is_any: bool) -> None:
        self.is_any = is_any

    def operand(self, keys: Keys, value: Any, *, in_rule: bool) -> Any:
        return keys.each(value)

    def test(self, field: Field[Held], operand: Any, *, in_rule: bool) -> Callable[[Held], bool]:
        read, wanted, is_any = field.made(field.keys.members), frozenset(operand), self.is_any

        def contains(held: Held) -> bool:
            members = read(held)
            if members is None:
                return False
            return not wanted.isdisjoint(members) if is_any else wanted <= members

        return contains


def _lowered(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) else None


def like_pattern(value: str) -> Pattern:
    """Return the pattern of a ``like_`` filter; without a star, the text may be anywhere."""
    return Pattern(value) if WILDCARD in value else Pattern.of("", value, "")


class Takes(enum.Enum):
    """The kinds of operands of an operator, which decide how a query string is read."""

    VALUE = "one value"
    VALUES = "several values, of which the field is one or none"
    MEMBERS = "several values, which the field is an array of"
    PATTERN = "a text with wildcards"
    PRESENCE = "whether the field is to be there"


class COMPARISON(enum.Enum):
    """Operators of a :class:`~cliquet.storage.query.Filter`.

    The name of each, in lower case, is its prefix in a query string; ``EQ`` has none.

    Attributes
    ----------
    takes : kind of its operand.
    meaning : what it means in Python.
    words : what a field is that it is true for, in words for clients.
    """

    # A member equals itself alone, as any object. Filters are compared and looked up all the time,
    # and the hash of other enumerations is computed in Python.
    __hash__ = object.__hash__

    _value_: str
    takes: Takes
    meaning: Meaning
    words: str

    def __new__(cls, sign: str, takes: Takes, meaning: Meaning, words: str) -> COMPARISON:
        member = object.__new__(cls)
        member._value_ = sign
        member.takes, member.meaning, member.words = takes, meaning, words
        return member

    LT = "<", Takes.VALUE, _Order(operator.lt), "is less than this value"
    MIN = ">=", Takes.VALUE, _Order(operator.ge), "is this value, or greater"
    MAX = "<=", Takes.VALUE, _Order(operator.le), "is this value, or less"
    NOT = "!=", Takes.VALUE, _Equality(is_wanted=False), "does not equal this value"
    EQ = "==", Takes.VALUE, _Equality(is_wanted=True), "equals this value"
    GT = ">", Takes.VALUE, _Order(operator.gt), "is greater than this value"
    IN = "in", Takes.VALUES, _Membership(is_wanted=True), "is one of these values"
    EXCLUDE = "exclude", Takes.VALUES, _Membership(is_wanted=False), "is none of these values"
    LIKE = "like", Takes.PATTERN, _Likeness(), "is like this text; `*` stands for any characters"
    HAS = "has", Takes.PRESENCE, _Presence(), "is there (`true`), or is not (`false`)"
    CONTAINS = (
        "contains",
        Takes.MEMBERS,
        _Content(is_any=False),
        "is an array with all of these items",
    )
    CONTAINS_ANY = (
        "contains_any",
        Takes.MEMBERS,
        _Content(is_any=True),
        "is an array with any of these items",
    )

    def check(self, field: str, value: Any, *, in_rule: bool) -> None:
        """Refuse a value that does not fit.

        Parameters
        ----------
        in_rule : whether it is for a pagination rule, where `MISSING` may be a normal value.

        Raises
        ------
        ValueError : the operator does not take this value.
        """
        wanted = None
        if self.takes is Takes.VALUE:
            if value is MISSING and not (in_rule and self.meaning.takes_absence):
                wanted = "a JSON value"
        elif self.takes is Takes.PATTERN:
            wanted = None if isinstance(value, str) else "a text"
        elif self.takes is Takes.PRESENCE:
            wanted = None if isinstance(value, bool) else "a boolean"
        elif self.takes is Takes.VALUES:
            wanted = None if isinstance(value, (list, tuple, set, frozenset)) else "a list"
        elif not isinstance(value, (list, tuple)):
            wanted = "a list"
        elif any(member is MISSING for member in value):
            wanted = "JSON values"
        if wanted is not None:
            raise ValueError(f"{self.name} of the field {field!r} needs {wanted}, not {value!r}.")


EQUALITY_WITH_SEVERAL: Final = {
    COMPARISON.EQ: COMPARISON.IN,
    COMPARISON.NOT: COMPARISON.EXCLUDE,
    COMPARISON.IN: COMPARISON.IN,
    COMPARISON.EXCLUDE: COMPARISON.EXCLUDE,
}
"""The operators of equality, with those that mean the same for several values."""
