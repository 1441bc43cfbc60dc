"""References of a JSON Schema, which are followed once for each place of a value.

The package ``jsonschema`` follows a reference each time that it meets one. A schema that refers to
itself on two ways, as the nodes of many trees do, so doubles the work with each level of a value: a
client would stop a thread with a body of a few hundred bytes.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

__all__ = ["Rule", "following_once", "rules"]

Rule = Callable[[Any, Any, Any, Any], Iterator[Any]]
"""Gives the faults of a value by one keyword: validator, value of the keyword, value, schema."""

_Seen = dict[tuple[int, int], list[Any]]

_SEEN: Final[contextvars.ContextVar[_Seen]] = contextvars.ContextVar("seen")


@contextlib.contextmanager
def following_once() -> Iterator[None]:
    """Remember within the block what references said; the values must live as long."""
    token = _SEEN.set({})
    try:
        yield
    finally:
        _SEEN.reset(token)


def rules(validators: Mapping[str, Rule]) -> dict[str, Rule]:
    """Return the rules of references, for ``jsonschema.validators.extend``.

    They are to be applied within ``following_once``. A second look at the same value tells the
    first fault alone, because all of them were told before.

    Parameters
    ----------
    validators : those of the library, by their keywords.
    """
    return {name: _once(validators[name]) for name in ("$ref", "$dynamicRef")}


def _once(follow: Rule) -> Rule:
    def judge(validator: Any, reference: Any, value: Any, schema: Any) -> Iterator[Any]:
        if not isinstance(value, (dict, list)):
            yield from follow(validator, reference, value, schema)
            return
        seen, key = _SEEN.get(), (id(value), id(schema))
        known = seen.get(key)
        if known is None:
            faults = [*follow(validator, reference, value, schema)]
            # The library puts the way to the value before the path of each fault that it is given.
            seen[key] = [fault.create_from(fault) for fault in faults[:1]]
            yield from faults
        else:
            for fault in known:
                yield fault.create_from(fault)

    return judge
