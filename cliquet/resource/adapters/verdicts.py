"""The verdicts of the package ``jsonschema``, in the words that clients know from colander."""

from __future__ import annotations

import copy
import datetime
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from cliquet.core import jsonio
from cliquet.core.mistakes import did_you_mean
from cliquet.resource.adapters import references
from cliquet.storage.ordering import sort_key

__all__ = ["judge_of"]

Judge = Callable[[Any], Iterable[tuple[str, str]]]
"""Gives the dotted path and the text of each fault of a value."""

_MOST_HINTS: Final = 10
_LONGEST_HINTED: Final = 64
_LONGEST_SHOWN: Final = 100
# It is compiled at its first use, so that services without such schemas start as fast as before.
_DATE_TIME: Final = r"(?ai)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"
_NAMES: Final = {
    "string": "a text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "a boolean: true or false is expected",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def judge_of(library: Any, schema: Mapping[str, Any]) -> Judge:
    """Return the function that judges values by a schema.

    Parameters
    ----------
    library : the package ``jsonschema``.
    """
    from referencing import Registry

    base = library.Draft202012Validator
    checker = library.FormatChecker(formats=())
    known = base.FORMAT_CHECKER.checkers.items()
    # Whatever fails on a text of a client says that it does not have the format: the number in the
    # regular expression `a{99999999999}` is no error that the library thinks of.
    checker.checkers = {name: (judge_format, Exception) for name, (judge_format, _) in known}
    # Without further packages, the library does not know it.
    checker.checkers.setdefault("date-time", (_is_date_time, ValueError))
    rules = references.rules(base.VALIDATORS)
    rules["uniqueItems"] = _unique_items(library.ValidationError)
    kind = library.validators.extend(base, rules)
    # An empty registry fetches nothing.
    registry: Any = Registry()
    validator = kind(copy.deepcopy(dict(schema)), format_checker=checker, registry=registry)

    def judge(value: Any) -> Iterator[tuple[str, str]]:
        hints = iter(range(_MOST_HINTS))
        with references.following_once():
            errors = [*validator.iter_errors(value)]
        for error in errors:
            path = [str(part) for part in error.absolute_path]
            for more, text in _faults(error, hints):
                yield ".".join([*path, *more]), text

    return judge


def _is_date_time(value: Any) -> bool:
    """Return whether a text is a date and time of RFC 3339."""
    if not isinstance(value, str):
        return True
    if not re.fullmatch(_DATE_TIME, value):
        return False
    # Python 3.10 reads neither Z nor any number of digits.
    datetime.datetime.fromisoformat(value[:19])
    return True


def _unique_items(fault: Callable[[str], Any]) -> Callable[..., Iterator[Any]]:
    """Return the rule ``uniqueItems`` in linear time; the library compares all pairs of objects."""

    def judge(validator: Any, unique: Any, value: Any, schema: Any) -> Iterator[Any]:
        if unique and isinstance(value, list) and len(set(map(_frozen, value))) < len(value):
            yield fault("not unique")

    return judge


def _frozen(value: Any) -> Any:
    """Return a value that is equal and hashed alike for equal values of JSON."""
    if isinstance(value, dict):
        return ("object", frozenset((name, _frozen(item)) for name, item in value.items()))
    if isinstance(value, list):
        return ("array", tuple(map(_frozen, value)))
    return sort_key(value)


def _faults(error: Any, hints: Iterator[int]) -> Iterator[tuple[list[str], str]]:
    """Give the faults that one error of the library stands for, with the rest of their paths."""
    rule, value, allowed = error.validator, error.instance, error.validator_value
    if rule == "required":
        # The library has one error for each, and does not say for which.
        for name in allowed:
            if name not in value:
                yield [name], "Required"
    elif rule == "additionalProperties" and allowed is False:
        declared = error.schema.get("properties", {})
        patterns = [re.compile(one) for one in error.schema.get("patternProperties", {})]
        for name in value:
            if name not in declared and not any(one.search(name) for one in patterns):
                hint = ""
                if len(name) <= _LONGEST_HINTED and next(hints, None) is not None:
                    hint = did_you_mean(name, declared)
                yield [name], f"Unknown member{hint}"
    else:
        make = _WORDS.get(rule)
        yield [], make(value, allowed) if make else f"{_shown(value)} does not fit ({rule})"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else jsonio.dumps(value).decode()


def _shown(value: Any) -> str:
    text = _plain(value)
    return f'"{text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"}"'


def _type(value: Any, allowed: Any) -> str:
    types = [allowed] if isinstance(allowed, str) else allowed
    return f"{_shown(value)} is not {' or '.join(_NAMES[one] for one in types)}"


_WORDS: Final[dict[str, Callable[[Any, Any], str]]] = {
    "type": _type,
    "enum": lambda value, allowed: (
        f"{_shown(value)} is not one of {', '.join(map(_plain, allowed))}"
    ),
    "const": lambda value, allowed: f"{_shown(value)} is not {_shown(allowed)}",
    "minimum": lambda value, least: f"{value} is less than minimum value {least}",
    "maximum": lambda value, most: f"{value} is greater than maximum value {most}",
    "exclusiveMinimum": lambda value, least: f"{value} is not greater than {least}",
    "exclusiveMaximum": lambda value, most: f"{value} is not less than {most}",
    "multipleOf": lambda value, unit: f"{value} is not a multiple of {unit}",
    "minLength": lambda value, least: f"Shorter than minimum length {least}",
    "maxLength": lambda value, most: f"Longer than maximum length {most}",
    "minItems": lambda value, least: f"Fewer than {least} items",
    "maxItems": lambda value, most: f"More than {most} items",
    "minProperties": lambda value, least: f"Fewer than {least} members",
    "maxProperties": lambda value, most: f"More than {most} members",
    "uniqueItems": lambda value, unique: "Two items are equal",
    "pattern": lambda value, pattern: "String does not match expected pattern",
    "format": lambda value, name: f"{_shown(value)} is no {name}",
    "anyOf": lambda value, schemas: f"{_shown(value)} has none of the allowed forms",
    "oneOf": lambda value, schemas: f"{_shown(value)} does not have one of the allowed forms",
}
