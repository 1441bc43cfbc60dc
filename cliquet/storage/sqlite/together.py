"""Many filters on the data of a record, evaluated in Python with one call for each record.

A call costs more than most comparisons, and a hundred filters would be a hundred calls. The filters
are one JSON text, in the form in which they are compared: keys, and patterns in lower case. They
mean the same as the conditions that :mod:`cliquet.storage.sqlite.dialect` makes for a few filters.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from cliquet.core import jsonio
from cliquet.core.globs import Pattern, compile_pattern
from cliquet.storage.listing.evaluation import compile_filter
from cliquet.storage.ordering import BOOLEAN, NUMBER, TEXT, resolve
from cliquet.storage.query import COMPARISON, MISSING, Filter
from cliquet.storage.relational.conditions import like_pattern
from cliquet.storage.relational.order_key import exact_key, order_key
from cliquet.storage.selection import Names
from cliquet.types import JSONValue

__all__ = ["Test", "Together", "plan_of"]

Made = dict[Callable[[Any], Any], Any]
"""Results for the value of a field, which may be long, and which several filters may need."""

Test = Callable[[Any, Made], bool]

# Filters on the reserved fields are never evaluated here.
_NO_NAMES: Final = Names("", "", "")

_ABSENT: Final = exact_key(MISSING)
_ORDERED: Final = tuple(str(rank) for rank in (TEXT, NUMBER, BOOLEAN))
_SIGNS: Final = {
    COMPARISON.LT.value: operator.lt,
    COMPARISON.MAX.value: operator.le,
    COMPARISON.MIN.value: operator.ge,
    COMPARISON.GT.value: operator.gt,
}


def plan_of(filters: Sequence[Filter]) -> str:
    """Return the text from which :class:`Together` makes tests.

    Raises
    ------
    ValueError : a value does not fit its operator.
    TypeError : a value is not JSON.
    """
    for item in filters:
        # It refuses wrong values, as everywhere, before anything is sent.
        compile_filter(item, _NO_NAMES, in_rule=False)
    return jsonio.dumps([(item.field, *_step(item)) for item in filters]).decode()


def _step(item: Filter) -> tuple[str, Any]:
    """Return the name of a test, and its operand."""
    value, comparison = item.value, item.operator
    if comparison in (COMPARISON.EQ, COMPARISON.IN):
        return "in", _exact_keys(item, COMPARISON.EQ)
    if comparison in (COMPARISON.NOT, COMPARISON.EXCLUDE):
        return "not in", _exact_keys(item, COMPARISON.NOT)
    if comparison is COMPARISON.HAS:
        return "not in" if value else "in", [_ABSENT]
    if comparison is COMPARISON.LIKE:
        return "like", [literal.lower() for literal in like_pattern(value).literals]
    if comparison in (COMPARISON.CONTAINS, COMPARISON.CONTAINS_ANY):
        return comparison.value, list(map(exact_key, value))
    key = order_key(value)
    # A value without a place in the order is neither greater nor smaller than another.
    return (comparison.value, key) if key[0] in _ORDERED and value == value else ("in", [])


def _exact_keys(item: Filter, of_one: COMPARISON) -> list[str]:
    return list(map(exact_key, [item.value] if item.operator is of_one else item.value))


class Together:
    """The tests of a plan."""

    def __init__(self, plan: str) -> None:
        tests: dict[str, list[Test]] = {}
        for field, kind, operand in jsonio.loads(plan):
            tests.setdefault(field, []).append(_TESTS[kind](kind, operand))
        self._tests = list(tests.items())

    def accepts(self, text: str) -> bool:
        """Return whether the data of a record, as JSON, passes all tests."""
        data: Mapping[str, JSONValue] = orjson.loads(text)
        for field, tests in self._tests:
            value = resolve(data, field)
            made: Made = {}
            for test in tests:
                if not test(value, made):
                    return False
        return True


def _once(value: Any, made: Made, make: Callable[[Any], Any]) -> Any:
    if make not in made:
        made[make] = make(value)
    return made[make]


def _membership(kind: str, keys: list[str]) -> Test:
    is_wanted = kind == "in"
    accepted = frozenset(keys)
    is_absence_accepted = (_ABSENT in accepted) is is_wanted

    def test(value: Any, made: Made) -> bool:
        if value is MISSING:
            # Most records have this result for a filter on a field that few records have.
            return is_absence_accepted
        return (_once(value, made, exact_key) in accepted) is is_wanted

    return test


def _order(kind: str, operand: str) -> Test:
    compare, rank = _SIGNS[kind], operand[0]

    def test(value: Any, made: Made) -> bool:
        if value is MISSING:
            return False
        key: str = _once(value, made, order_key)
        return key[0] == rank and compare(key, operand)

    return test


def _likeness(kind: str, literals: list[str]) -> Test:
    matches = compile_pattern(Pattern.of(*literals))

    def test(value: Any, made: Made) -> bool:
        return isinstance(value, str) and matches(_once(value, made, str.lower))

    return test


def _content(kind: str, keys: list[str]) -> Test:
    wanted, is_any = frozenset(keys), kind == COMPARISON.CONTAINS_ANY.value

    def test(value: Any, made: Made) -> bool:
        if not isinstance(value, list):
            return False
        held = _once(value, made, _member_keys)
        return not wanted.isdisjoint(held) if is_any else wanted <= held

    return test


def _member_keys(value: list[Any]) -> frozenset[str]:
    return frozenset(map(exact_key, value))


_TESTS: Final[Mapping[str, Callable[[str, Any], Test]]] = {
    "in": _membership,
    "not in": _membership,
    COMPARISON.LIKE.value: _likeness,
    COMPARISON.CONTAINS.value: _content,
    COMPARISON.CONTAINS_ANY.value: _content,
    **dict.fromkeys(_SIGNS, _order),
}
