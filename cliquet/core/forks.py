"""What an object does in the child of a fork, which has its state, and neither threads nor locks.

Servers load an application and fork their workers afterwards (``gunicorn --preload``).
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import TypeVar

__all__ = ["in_child", "renew_locks"]

Owner = TypeVar("Owner")


def in_child(owner: Owner, forget: Callable[[Owner], object]) -> None:
    """Call a function with an object in each child that is forked while the object lives.

    Parameters
    ----------
    forget : makes the object forget what has stayed in the parent. It is called in the only thread
        of the child, before anything else.
    """
    reference = weakref.ref(owner)

    def tell() -> None:
        known = reference()
        if known is not None:
            forget(known)

    os.register_at_fork(after_in_child=tell)


def renew_locks(owner: object, *names: str) -> None:
    """Give an object new locks in each child: a thread of the parent may hold those that it has.

    Parameters
    ----------
    names : attributes with a lock that nobody holds for longer than it takes to change something.
    """

    def renew(owner: object) -> None:
        for name in names:
            setattr(owner, name, threading.Lock())

    in_child(owner, renew)
