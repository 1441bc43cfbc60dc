"""Where an object has its methods from: what an application has replaced, and what it has not."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["definition_rank"]


def definition_rank(instance: Any, name: str) -> int:
    """Return how far an attribute is looked for: 0 for the instance, then its classes from 1 on.

    The lower one of two attributes was written by who knew, or could know, the other one. What
    nobody defines, as the attributes that a proxy hands over, has rank 0.
    """
    # Observers wrap an instance, and timers its methods, without changing what they do.
    target: Any = inspect.unwrap(instance)
    for holder in (instance, target):
        own: Any = getattr(holder, "__dict__", {}).get(name)
        if own is not None and getattr(inspect.unwrap(own), "__self__", None) is not target:
            return 0
    for rank, cls in enumerate(type(target).__mro__, 1):
        if name in vars(cls):
            return rank
    return 0
