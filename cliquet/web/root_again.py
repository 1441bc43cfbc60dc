"""The root of a request that is over, for code that keeps the request.

The root of the library refers to its request. It is therefore taken from the request at the end, so
that both vanish at once, and not when the garbage collector comes. A thread of the application may
still have the request then, and finds the root where Pyramid leaves it.
"""

from __future__ import annotations

from typing import Any, Final

from pyramid.interfaces import IRootFactory
from pyramid.traversal import DefaultRootFactory

__all__ = ["FORMER", "NAMES", "FormerRoot"]

NAMES: Final = ("root", "virtual_root")
"""The attributes of requests that are the root."""

FORMER: Final = "_cliquet_former_root"
"""The attribute of requests with a weak reference to the root that was taken from them."""


class FormerRoot:
    """An attribute of the class of requests, for those whose root was taken from them."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, request: Any, owner: Any = None) -> Any:
        if request is None:
            return self
        former = request.__dict__.get(FORMER)
        if former is None:
            raise AttributeError(self._name)
        root = former()
        if root is None:
            route = request.__dict__.get("matched_route")
            factory = getattr(route, "factory", None) or request.registry.queryUtility(
                IRootFactory, default=DefaultRootFactory
            )
            root = factory(request)
        # From here on it is as with Pyramid: who asks for it keeps the request alive.
        for name in NAMES:
            request.__dict__.setdefault(name, root)
        return root
