"""Observes the calls of an object from outside: the object is wrapped, and never changed.

An *observer* decorates one function. That of metrics times a call once, and tells all *meters* the
duration. This module knows neither the observed objects nor the use of the observations.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FunctionType, MethodType
from typing import Any, Protocol

__all__ = [
    "Function",
    "Meter",
    "Observer",
    "Recorder",
    "bound_methods",
    "observe",
    "observe_object",
    "timing_for",
]

Function = Callable[..., Any]

Recorder = Callable[[float], None]
"""Takes the duration of a call in seconds."""

Observer = Callable[[str, str, str, Function], Function]
"""Takes a function and its origin, and returns the function to call in its place.

The arguments are the kind (``storage``, ``cache``, ``permission``, ``authentication``,
``listeners``), the name of the owner, the name of the method (empty for a listener) and the
function. The returned function passes arguments, results and exceptions on as they are.
"""


def bound_methods(target: Any) -> Iterator[tuple[str, Any]]:
    """Yield the public methods of an object with their names, without evaluating anything else."""
    for name in dir(target):
        if name.startswith("_"):
            continue
        # The lookup is static, because reading a property would run it (P-34.25).
        declared = inspect.getattr_static(target, name)
        is_own = name in getattr(target, "__dict__", ())
        if isinstance(declared, MethodType if is_own else (FunctionType, classmethod)):
            yield name, getattr(target, name)


def observe(
    function: Function, observers: Iterable[Observer], *, kind: str, owner: str, method: str = ""
) -> Function:
    """Return a function decorated by all the observers."""
    for observer in observers:
        function = observer(kind, owner, method, function)
    return function


def observe_object(target: Any, observers: Iterable[Observer], *, kind: str, owner: str) -> Any:
    """Return a stand-in for an object, with which observers see the calls of its public methods.

    The stand-in passes for an instance of the same class, and passes everything else on to the
    object. Calls that the object makes on itself are not observed.
    """
    observers = tuple(observers)
    methods = {
        name: observe(method, observers, kind=kind, owner=owner, method=name)
        for name, method in bound_methods(target)
    }
    return _Observed(target, methods)


class _Observed:
    """The stand-in for an object; its attributes are the decorated methods, for a fast lookup."""

    def __init__(self, target: Any, methods: dict[str, Function]) -> None:
        # `inspect.unwrap()` finds the wrapped object by this name.
        vars(self).update(methods, __wrapped__=target)

    @property  # type: ignore[misc]  # an object's class is an attribute
    def __class__(self) -> Any:
        # `isinstance()` reads this attribute.
        return self.__wrapped__.__class__

    def __getattr__(self, name: str) -> Any:
        # Python calls it only for attributes that are not found otherwise. While a copy is made, it
        # has no target yet, hence the careful lookup.
        return getattr(object.__getattribute__(self, "__wrapped__"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        # Tests replace methods here; any other attribute is set on the object.
        if name in vars(self):
            vars(self)[name] = value
        else:
            setattr(self.__wrapped__, name, value)

    def __delattr__(self, name: str) -> None:
        if name in vars(self):
            del vars(self)[name]
        else:
            delattr(self.__wrapped__, name)

    def __repr__(self) -> str:
        return f"<observed {self.__wrapped__!r}>"


class Meter(Protocol):
    """Keeps what calls have taken, and what a cache has found."""

    def recorder(self, kind: str, owner: str, method: str) -> Recorder:
        """Return what gets the duration of each call of a function of this origin."""

    def hit(self) -> None:
        """Count a value that was found in the cache."""

    def miss(self) -> None:
        """Count a value that was not found in the cache."""


def timing_for(meters: Sequence[Meter]) -> Observer:
    """Return an observer that times calls for several meters at once."""

    def observer(kind: str, owner: str, method: str, function: Function) -> Function:
        if (kind, method) == ("cache", "get"):
            function = _counting_hits(function, meters)
        recorders = [meter.recorder(kind, owner, method) for meter in meters]

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                seconds = time.perf_counter() - start
                for record in recorders:
                    record(seconds)

        return timed

    return observer


def _counting_hits(get: Function, meters: Sequence[Meter]) -> Function:
    """Decorate the ``get`` of a cache to count the calls that find a value and the others."""

    @functools.wraps(get)
    def counted(*args: Any, **kwargs: Any) -> Any:
        value = get(*args, **kwargs)
        for meter in meters:
            if value is None:
                meter.miss()
            else:
                meter.hit()
        return value

    return counted
