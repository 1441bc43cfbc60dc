"""Classes of requests with the methods and properties that an application adds to them.

Pyramid adds them to each request again, and makes a class for it, which is half of the cost of a
short request. Here each class of requests gets them only once.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import isdatadescriptor
from typing import Any

from pyramid.config import Configurator
from pyramid.events import ApplicationCreated
from pyramid.request import Request, apply_request_extensions

__all__ = ["SharedExtensions", "extend", "includeme"]

# The number is limited, because an application may make a new class of requests at any time.
_MAX_CLASSES = 32
# The attributes of a class where zope.interface keeps what it has found out.
_INTERFACES = ("__implemented__", "__provides__")


class SharedExtensions:
    """Request extensions of Pyramid that belong to the class of a request instead of the request.

    A request becomes an instance of a subclass of its own class, whatever this class is. Additions
    to one request (``request.set_property``) stay with that request.

    Parameters
    ----------
    extensions : the extensions of the application (``IRequestExtensions``), which may grow at any
        time.
    """

    def __init__(self, extensions: Any) -> None:
        self._extensions = extensions
        self._classes: dict[type, type] = {}
        extensions.descriptors = _Watched(extensions.descriptors, self._classes.clear)
        extensions.methods = _Watched(extensions.methods, self._classes.clear)
        # Pyramid binds each method to the request and sets it as an attribute. This one becomes the
        # class of the request.
        self.methods = {"__class__": self}
        self.descriptors: dict[str, Any] = {}

    def __get__(self, request: Any, owner: type) -> type:
        return self._classes.get(owner) or self._extended(owner)

    def _extended(self, owner: type) -> type:
        attributes = dict(self._extensions.descriptors)
        for name, method in self._extensions.methods.items():
            # The method behaves like an attribute of the request itself.
            if not isdatadescriptor(attributes.get(name)):
                attributes[name] = method
        attributes.setdefault("__module__", owner.__module__)
        extended = type(owner.__name__, (owner,), attributes)
        # As in Pyramid, the interfaces of a class are not worked out anew for its subclass. Their
        # registry would keep it for ever, and an application may make a class for each request.
        for name in _INTERFACES:
            if hasattr(owner, name):
                setattr(extended, name, getattr(owner, name))
        if len(self._classes) >= _MAX_CLASSES:
            self._classes.clear()
        # The extensions may be applied twice to a request within another one.
        self._classes[owner] = self._classes[extended] = extended
        return extended


class _Watched(dict[str, Any]):
    """A dictionary that calls a function when something is added."""

    def __init__(self, items: dict[str, Any], on_change: Callable[[], None]) -> None:
        super().__init__(items)
        self._on_change = on_change

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self._on_change()


def includeme(config: Configurator) -> None:
    """Make the requests of the application share their classes."""
    config.add_subscriber(_share, ApplicationCreated)


def _share(event: ApplicationCreated) -> None:
    router = event.app
    extensions = getattr(router, "request_extensions", None)
    if extensions is not None:
        router.request_extensions = router.registry.shared_extensions = SharedExtensions(extensions)


def extend(request: Request) -> None:
    """Give a request that code has made itself the extensions of its application."""
    apply_request_extensions(request, getattr(request.registry, "shared_extensions", None))
