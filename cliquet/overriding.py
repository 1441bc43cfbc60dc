"""Where an object has its methods from: what an application has replaced, and what it has not."""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["definition_rank"]


def definition_rank(instance: object, name: str) -> int:
    """Return how far an attribute is looked for: 0 for the instance, then its classes from 1 on.

    The lower one of two attributes was written by who knew, or could know, the other one. What
    nobody defines, as the attributes that a proxy hands over, has rank 0.
    """
    own: Any = getattr(instance, "__dict__", {}).get(name)
    # Timers wrap the methods of an instance without changing what they do.
    if own is not None and getattr(inspect.unwrap(own), "__self__", None) is not instance:
        return 0
    for rank, cls in enumerate(type(instance).__mro__, 1):
        if name in vars(cls):
            return rank
    return 0
