"""Watching the calls of an object from outside: it is wrapped, never changed.

Metrics and traces each give an *observer*, which decorates one function. Knows neither what is
observed nor what becomes of it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType, MethodType
from typing import Any

__all__ = ["Function", "Observer", "bound_methods", "counting_hits", "observe", "observe_object"]

Function = Callable[..., Any]

Observer = Callable[[str, str, str, Function], Function]
"""Takes what a function belongs to, and the function; returns what to call in its place.

It is told the kind (``storage``, ``cache``, ``permission``, ``authentication``, ``listeners``), the
name of the owner, and that of the method, empty for a listener. What it returns passes arguments,
results and exceptions on as they are.
"""


def bound_methods(target: Any) -> Iterator[tuple[str, Any]]:
    """Give the public methods of an object, with their names, and evaluate nothing else."""
    for name in dir(target):
        if name.startswith("_"):
            continue
        # Statically: asking a property for its value would run it (P-34.25).
        declared = inspect.getattr_static(target, name)
        is_own = name in getattr(target, "__dict__", ())
        if isinstance(declared, MethodType if is_own else (FunctionType, classmethod)):
            yield name, getattr(target, name)


def observe(
    function: Function, observers: Iterable[Observer], *, kind: str, owner: str, method: str = ""
) -> Function:
    """Return a function, as all the observers decorate it."""
    for observer in observers:
        function = observer(kind, owner, method, function)
    return function


def observe_object(target: Any, observers: Iterable[Observer], *, kind: str, owner: str) -> Any:
    """Return what stands for an object, and lets observers see the calls of its public methods.

    It passes for an instance of the same class, and hands over everything but these calls. What the
    object calls on itself is not observed.
    """
    observers = tuple(observers)
    methods = {
        name: observe(method, observers, kind=kind, owner=owner, method=name)
        for name, method in bound_methods(target)
    }
    return _Observed(target, methods)


class _Observed:
    """Stands for an object; its own attributes are the decorated methods, found at no cost."""

    def __init__(self, target: Any, methods: dict[str, Function]) -> None:
        # The name by which `inspect.unwrap()` finds what is wrapped.
        vars(self).update(methods, __wrapped__=target)

    @property  # type: ignore[misc]  # an object's class is an attribute
    def __class__(self) -> Any:
        # What `isinstance()` asks.
        return self.__wrapped__.__class__

    def __getattr__(self, name: str) -> Any:
        # Only for what is not found otherwise; a copy in the making has no target yet.
        return getattr(object.__getattribute__(self, "__wrapped__"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        # Tests replace methods here; what else is set is meant for the object.
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


def counting_hits(get: Function, hit: Callable[[], None], miss: Callable[[], None]) -> Function:
    """Decorate the ``get`` of a cache: tell what finds a value from what does not (B-21.31)."""

    @functools.wraps(get)
    def counted(*args: Any, **kwargs: Any) -> Any:
        value = get(*args, **kwargs)
        if value is None:
            miss()
        else:
            hit()
        return value

    return counted
