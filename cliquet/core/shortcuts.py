"""Finds out whether an application has replaced methods for which there is a shortcut."""

from __future__ import annotations

import functools
import inspect
from itertools import repeat
from operator import attrgetter
from types import FunctionType
from typing import Any, Final, NamedTuple

__all__ = ["Shortcut", "bound_to"]

_ABSENT = object()
_LIBRARY: Final = __name__.partition(".")[0]


def bound_to(function: Any) -> Any:
    """Return the object whose method a function is, or decorates; ``None`` if there is none."""
    method = _method_in(function)
    return None if method is None else method.__self__


def _method_in(function: Any) -> Any:
    """Return the method that a function is, or decorates; ``None`` if there is none."""
    # The function of the method may itself be a decorated one.
    while function is not None and not inspect.ismethod(function):
        function = getattr(function, "__wrapped__", None)
    return function


def _is_method(function: Any, target: Any, name: str) -> bool:
    """Return whether a function is, or decorates, the method of the class of an object."""
    method = _method_in(function)
    return (
        method is not None
        and method.__self__ is target
        and method.__func__ is getattr(type(target), name, None)
    )


def _is_of_library(module: object) -> bool:
    return isinstance(module, str) and module.partition(".")[0] == _LIBRARY


def _is_patched(cls: type, name: str) -> bool:
    """Return whether a class of the library has got a method of somebody else.

    Tests of applications replace methods there too, and so do applications that want to change all
    of their resources at once. A mock, or a decorated method, is no function of the library.
    """
    base = next(base for base in cls.__mro__ if name in vars(base))
    if not _is_of_library(base.__module__):
        return False
    given: Any = vars(base)[name]
    if isinstance(given, property):
        given = given.fget
    elif isinstance(given, functools.cached_property):
        given = given.func
    elif isinstance(given, staticmethod | classmethod):
        given = given.__func__
    if isinstance(given, FunctionType):
        # Decorators copy the name of a module, but not its variables.
        return not _is_of_library(given.__globals__.get("__name__"))
    return callable(given) and not isinstance(given, type)


class _Decision(NamedTuple):
    """The result for a class, or for an object with attributes of its own.

    Attributes
    ----------
    attributes : attributes that it had at that time under the names of the shortcut.
    """

    attributes: tuple[Any, ...]
    is_open: bool


class Shortcut:
    """A method, or a flag, that does the work of several methods of its class at once.

    The shortcut was written for these methods. If a subclass replaces one of them, and not the
    shortcut too, the shortcut would ignore the change of the application.

    Parameters
    ----------
    name : name of the method or the flag.
    others : names of the methods that it replaces.
    stands_alone : whether the shortcut may still be taken if a subclass replaces only the shortcut.
    """

    def __init__(self, name: str, *others: str, stands_alone: bool = True) -> None:
        self._names = (name, *others)
        self._stands_alone = stands_alone
        self._attributes_of = attrgetter(*self._names)
        self._key = f"_cliquet_shortcut_{' '.join(self._names)}{stands_alone:d}"

    def is_open(self, instance: Any) -> bool:
        """Return whether the shortcut of an object does the same as the methods that it replaces.

        The answer for a class is kept on the class until one of these attributes is replaced there,
        as tests do. Attributes that are only replaced on the instance are noticed at each call.
        """
        target = instance
        # Observers wrap an instance without changing its behaviour.
        while (wrapped := getattr(target, "__wrapped__", None)) is not None:
            target = wrapped
        cls = type(target)
        decision: _Decision | None = cls.__dict__.get(self._key)
        try:
            is_known = decision is not None and decision.attributes == self._attributes_of(cls)
        except AttributeError:
            return False
        if not (decision.is_open if decision is not None and is_known else self.is_open_in(cls)):
            return False
        own = getattr(target, "__dict__", {})
        # Nearly no instance has such attributes.
        return (own.keys().isdisjoint(self._names) or not self._is_replaced(target, target)) and (
            instance is target or not self._is_replaced(instance, target)
        )

    def is_open_in(self, cls: type) -> bool:
        """Return the same for the instances of a class that have no attributes of their own."""
        try:
            attributes = self._attributes_of(cls)
        except AttributeError:
            # The object passes the calls on, like a proxy, and their effect there is unknown.
            return False
        decision: _Decision | None = cls.__dict__.get(self._key)
        if decision is None or decision.attributes != attributes:
            decision = self._decide(cls, attributes)
        return decision.is_open

    def _decide(self, cls: type, attributes: tuple[Any, ...]) -> _Decision:
        own, *others = (self._rank(cls, name) for name in self._names)
        is_open = (
            own <= min(others)
            and (self._stands_alone or own == min(others))
            and not any(_is_patched(cls, name) for name in self._names[1:])
        )
        decision = _Decision(attributes, is_open)
        # It is stored on the class, because a table in this module would keep the class alive.
        setattr(cls, self._key, decision)
        return decision

    @staticmethod
    def _rank(cls: type, name: str) -> int:
        """Return the position of an attribute in the base classes; a lower one is newer."""
        return next(rank for rank, base in enumerate(cls.__mro__) if name in vars(base))

    def _is_replaced(self, holder: Any, target: Any) -> bool:
        """Return whether an object has its own method, other than a timed one of its class.

        The answer is kept on the object, as that for a class, until it has other attributes.
        """
        own = getattr(holder, "__dict__", {})
        if own.keys().isdisjoint(self._names):
            return False
        attributes = tuple(map(own.get, self._names, repeat(_ABSENT)))
        known: _Decision | None = own.get(self._key)
        if known is None or known.attributes != attributes:
            are_same = (_is_method(own[name], target, name) for name in self._names if name in own)
            known = own[self._key] = _Decision(attributes, all(are_same))
        return not known.is_open
