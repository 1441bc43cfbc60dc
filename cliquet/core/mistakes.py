"""The words of errors about code of an application: where it is, and which name was meant.

Source files are only read when a text is needed, so that a service without mistakes starts as fast
as before.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cliquet.core.lazy import LazyModule

if TYPE_CHECKING:
    import difflib
else:
    # It is needed for mistakes alone.
    difflib = LazyModule("difflib")

__all__ = [
    "Place",
    "did_you_mean",
    "differs_by",
    "is_async",
    "listed",
    "names_in",
    "names_used",
    "place_of",
    "why_not_callable",
]

_ASYNC: Final = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def place_of(thing: Any) -> str:
    """Return the file and the line of a class or a function, as ``file:line``.

    Without source, for example of a class that was made by ``exec``, it is the name of the module.
    """
    try:
        file = inspect.getsourcefile(thing) or inspect.getfile(thing)
        # Code that exec() made seems to come from the program of `python -c`, from Python 3.13 on.
        if not file.startswith("<"):
            return f"{file}:{inspect.getsourcelines(thing)[1]}"
    except (OSError, TypeError):
        pass
    return f"module {getattr(thing, '__module__', '?')}"


class Place:
    """A class of the application as Pyramid shows it in reports: file, line and name."""

    def __init__(self, cls: type) -> None:
        self.cls = cls

    def __str__(self) -> str:
        return f"{place_of(self.cls)}: class {self.cls.__qualname__}"


def is_async(found: Any) -> bool:
    """Return whether a call gives something that must be awaited before anything is done.

    A function, a method of an object, a partial function, or an object that can be called.
    """
    if type(found) is types.FunctionType and not found.__dict__:
        # Most are plain functions, of which a start asks about a thousand. Only an attribute could
        # mark another one as a coroutine function.
        return bool(found.__code__.co_flags & _ASYNC)
    if not callable(found) or isinstance(found, type):
        # The call of a class makes an instance, whatever the calls of that give.
        return False
    calls = (found, type(found).__call__)
    return any(inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one) for one in calls)


def why_not_callable(
    found: Any, positional: Sequence[Any], keywords: Iterable[str] = ()
) -> str | None:
    """Return why the library cannot call something of an application, in words for a message.

    Parameters
    ----------
    positional : values that the call has by position, of which only the number matters.
    keywords : names of the values that it has besides.

    Returns
    -------
    The words begin with a verb; they are ``None`` if the call works, or if nobody knows.
    """
    if not callable(found):
        return f"is {found!r}"
    if is_async(found):
        return "is async, and nothing would await it"
    try:
        # A decorator decides what it takes, and not the function within.
        signature = inspect.signature(found, follow_wrapped=False)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*positional, **dict.fromkeys(keywords))
    except TypeError as error:
        names = ", ".join(map(str, _without_types(signature)))
        return f"takes ({names}), and is called with other arguments: {error}"
    return None


def _without_types(signature: inspect.Signature) -> list[inspect.Parameter]:
    return [one.replace(annotation=one.empty) for one in signature.parameters.values()]


def did_you_mean(
    name: str,
    known: Iterable[str],
    *,
    similarity: float = 0.6,
    shown: Mapping[str, str] | None = None,
) -> str:
    """Return the end of a message that names the nearest known name; empty if none is near.

    Parameters
    ----------
    similarity : least similarity of the two names, from 0 to 1.
    shown : what the message has instead of a known name.
    """
    others = [one for one in known if one != name]
    found = difflib.get_close_matches(name, others, 1, similarity)
    return f"; did you mean {(shown or {}).get(found[0], found[0])!r}?" if found else ""


def listed(names: Iterable[str]) -> str:
    """Return names in one text, in the order of the alphabet."""
    return ", ".join(sorted(names))


def differs_by(one: str, other: str, most: int) -> int | None:
    """Return how many letters must be added, removed, changed or swapped to make two names equal.

    Parameters
    ----------
    most : greatest number of interest; ``None`` is returned beyond it.
    """
    if abs(len(one) - len(other)) > most:
        return None
    # One change makes two letters at most that only one of the names has. Most names are told
    # apart by that, in a tenth of the time.
    if len(set(one) ^ set(other)) > 2 * most:
        return None
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        two_before, before = before, row
        row = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, two_before[j - 2] + 1)
            row.append(cost)
    return row[-1] if row[-1] <= most else None


def names_used(classes: Iterable[type]) -> set[str]:
    """Return the names that the code of classes mentions, as an attribute or as a text."""
    found: set[str] = set()
    for cls in classes:
        for value in vars(cls).values():
            for part in _functions(value):
                _add_names(part.__code__, found)
    return found


def names_in(function: types.FunctionType) -> set[str]:
    """Return the names that the code of a function mentions, as an attribute or as a text."""
    found: set[str] = set()
    _add_names(function.__code__, found)
    return found


def _functions(value: Any) -> list[types.FunctionType]:
    value = getattr(value, "__func__", value)
    parts = [getattr(value, name, None) for name in ("fget", "fset", "__wrapped__", "func")]
    return [part for part in (value, *parts) if isinstance(part, types.FunctionType)]


def _add_names(code: types.CodeType, found: set[str]) -> None:
    found.update(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _add_names(constant, found)
        elif isinstance(constant, str):
            found.add(constant)
