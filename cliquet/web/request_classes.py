"""Classes of requests with the methods and properties that an application adds to them.

Pyramid adds them to each request anew, and makes a class for it: half of what a short request
costs. Here each class of requests gets them once.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import isdatadescriptor
from typing import Any

from pyramid.config import Configurator
from pyramid.events import ApplicationCreated
from pyramid.request import Request, apply_request_extensions

__all__ = ["SharedExtensions", "extend", "includeme"]

# An application may make a class of requests whenever it likes.
_MAX_CLASSES = 32


class SharedExtensions:
    """Request extensions, as Pyramid applies them, that are a matter of the request's class.

    A request becomes an instance of a subclass of its own class, whoever made it and whatever that
    class is. What is added to one request alone (``request.set_property``) stays its own.

    Parameters
    ----------
    extensions : those of the application (``IRequestExtensions``), which it may add to at any time.
    """

    def __init__(self, extensions: Any) -> None:
        self._extensions = extensions
        self._classes: dict[type, type] = {}
        extensions.descriptors = _Watched(extensions.descriptors, self._classes.clear)
        extensions.methods = _Watched(extensions.methods, self._classes.clear)
        # Pyramid binds each method to the request, and sets it as an attribute: this one is the
        # class of the request.
        self.methods = {"__class__": self}
        self.descriptors: dict[str, Any] = {}

    def __get__(self, request: Any, owner: type) -> type:
        return self._classes.get(owner) or self._extended(owner)

    def _extended(self, owner: type) -> type:
        attributes = dict(self._extensions.descriptors)
        for name, method in self._extensions.methods.items():
            # As if the method were an attribute of the request itself.
            if not isdatadescriptor(attributes.get(name)):
                attributes[name] = method
        attributes.setdefault("__module__", owner.__module__)
        extended = type(owner.__name__, (owner,), attributes)
        if len(self._classes) >= _MAX_CLASSES:
            self._classes.clear()
        # A request within another is told twice what it is.
        self._classes[owner] = self._classes[extended] = extended
        return extended


class _Watched(dict[str, Any]):
    """A dictionary that tells when something is added."""

    def __init__(self, items: dict[str, Any], on_change: Callable[[], None]) -> None:
        super().__init__(items)
        self._on_change = on_change

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self._on_change()


def includeme(config: Configurator) -> None:
    """Have the requests of the application share their classes."""
    config.add_subscriber(_share, ApplicationCreated)


def _share(event: ApplicationCreated) -> None:
    router = event.app
    extensions = getattr(router, "request_extensions", None)
    if extensions is not None:
        router.request_extensions = router.registry.shared_extensions = SharedExtensions(extensions)


def extend(request: Request) -> None:
    """Give a request that was made by hand what those of its application have."""
    apply_request_extensions(request, getattr(request.registry, "shared_extensions", None))
