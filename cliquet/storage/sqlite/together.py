"""Many filters on the data of a record, evaluated in Python with one call for each record.

A call costs more than most comparisons, and a hundred filters would be a hundred calls. The filters
are one JSON text, in the form in which they are compared: keys, and patterns in lower case. They
mean the same as the conditions that :mod:`cliquet.storage.sqlite.dialect` makes for a few filters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, TypeVar

import orjson

from cliquet.core import jsonio
from cliquet.storage.operators import COMPARISON, Field, Keys
from cliquet.storage.ordering import MISSING, resolve
from cliquet.storage.query import Filter
from cliquet.storage.relational.order_key import exact_key, order_key
from cliquet.types import JSONValue

__all__ = ["Together", "plan_of"]

Made = TypeVar("Made")

_Held = dict[Callable[[Any], Any] | None, Any]
"""The value of a field, which may be long, and what functions that several filters need made of it.
"""

_KEYS: Final = Keys(exact=exact_key, place=order_key)


def plan_of(filters: Sequence[Filter]) -> str:
    """Return the text from which :class:`Together` makes tests.

    Raises
    ------
    ValueError : a value does not fit its operator.
    TypeError : a value is not JSON.
    """
    plan = []
    for field, value, operator in filters:
        # Wrong values are refused, as everywhere, before anything is sent.
        operator.check(field, value, in_rule=False)
        operand = operator.meaning.operand(_KEYS, value, in_rule=False)
        travels = list(operand) if isinstance(operand, frozenset) else operand
        plan.append((field, operator.name, travels))
    return jsonio.dumps(plan).decode()


class Together:
    """The tests of a plan."""

    def __init__(self, plan: str) -> None:
        tests: dict[str, list[Callable[[_Held], bool]]] = {}
        for field, name, operand in jsonio.loads(plan):
            test = COMPARISON[name].meaning.test(_FIELD, operand, in_rule=False)
            tests.setdefault(field, []).append(test)
        self._tests = list(tests.items())

    def accepts(self, text: str) -> bool:
        """Return whether the data of a record, as JSON, passes all tests."""
        data: Mapping[str, JSONValue] = orjson.loads(text)
        for field, tests in self._tests:
            held: _Held = {None: resolve(data, field)}
            for test in tests:
                if not test(held):
                    return False
        return True


class _HeldField(Field[_Held]):
    """The field whose value is held."""

    keys = _KEYS

    def value(self) -> Callable[[_Held], Any]:
        return itemgetter(None)

    def made(self, make: Callable[[Any], Made]) -> Callable[[_Held], Made]:
        # Most records lack a field that few records have.
        of_absent = make(MISSING)

        def read(held: _Held) -> Made:
            if held[None] is MISSING:
                return of_absent
            if make not in held:
                held[make] = make(held[None])
            result: Made = held[make]
            return result

        return read


_FIELD: Final = _HeldField()
