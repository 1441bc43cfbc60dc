"""Whether a method that stands for others does what they do, or an application has its own."""

from __future__ import annotations

import inspect
from operator import attrgetter
from typing import Any, NamedTuple

__all__ = ["Shortcut"]


class _Decision(NamedTuple):
    """What was found out about a class.

    Attributes
    ----------
    attributes : what the class had then under the names of the shortcut.
    """

    attributes: tuple[Any, ...]
    is_open: bool


class Shortcut:
    """A method, or a flag, that stands for what several methods of its class do one by one.

    Whoever wrote it knew these methods. Where a subclass replaces one of them, and does not renew
    the shortcut, the shortcut would pass over what the application has changed.

    Parameters
    ----------
    name : of the method, or of the flag.
    others : names of the methods that it stands for.
    stands_alone : whether it still does where a subclass has a new one and leaves the others alone.
    """

    def __init__(self, name: str, *others: str, stands_alone: bool = True) -> None:
        self._names = (name, *others)
        self._stands_alone = stands_alone
        self._attributes_of = attrgetter(*self._names)
        self._key = f"_cliquet_shortcut_{' '.join(self._names)}{stands_alone:d}"

    def is_open(self, instance: Any) -> bool:
        """Whether an object has the shortcut, and the methods of its class that it stands for.

        The answer of a class is kept on the class, until one of these attributes is replaced there,
        as tests do. What is replaced on the instance alone is seen at each call.
        """
        target = instance
        # Observers wrap an instance without changing what it does.
        while (wrapped := getattr(target, "__wrapped__", None)) is not None:
            target = wrapped
        cls = type(target)
        try:
            attributes = self._attributes_of(cls)
        except AttributeError:
            # The object hands them over, as a proxy does: what becomes of them there is unknown.
            return False
        decision = cls.__dict__.get(self._key)
        if decision is None or decision.attributes != attributes:
            decision = self._decide(cls, attributes)
        return decision.is_open and not (
            self._is_replaced(target, target)
            or (instance is not target and self._is_replaced(instance, target))
        )

    def _decide(self, cls: type, attributes: tuple[Any, ...]) -> _Decision:
        own, *others = (self._rank(cls, name) for name in self._names)
        is_open = own <= min(others) and (self._stands_alone or own == min(others))
        decision = _Decision(attributes, is_open)
        # Not in a table of ours, which would keep the class alive.
        setattr(cls, self._key, decision)
        return decision

    @staticmethod
    def _rank(cls: type, name: str) -> int:
        """Return how far an attribute is looked for: the lower one was written later."""
        return next(rank for rank, base in enumerate(cls.__mro__) if name in vars(base))

    def _is_replaced(self, holder: Any, target: Any) -> bool:
        """Whether an object has a method of its own, other than one that times its class's."""
        own = getattr(holder, "__dict__", {})
        if own.keys().isdisjoint(self._names):
            return False
        return any(
            getattr(inspect.unwrap(own[name]), "__self__", None) is not target
            for name in self._names
            if name in own
        )
