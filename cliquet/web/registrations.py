"""What an application has registered that every request would have to look up, or to be given.

Pyramid asks the registry of the application for the subscribers of each event, for the renderer and
for the class of responses, once or several times in each request. The answers only change when
something is registered. It also adds the methods and properties of the application to each request
again, and makes a class for it, which is half of the cost of a short request. Here each class of
requests gets them only once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import isdatadescriptor
from types import CodeType, FunctionType
from typing import Any

from cornice.pyramidhook import wrap_request
from pyramid.config import Configurator
from pyramid.decorator import reify
from pyramid.events import (
    ApplicationCreated,
    BeforeRender,
    BeforeTraversal,
    ContextFound,
    NewRequest,
    NewResponse,
)
from pyramid.interfaces import IRendererFactory, IResponse, IResponseFactory
from pyramid.registry import Registry
from pyramid.request import Request, apply_request_extensions
from pyramid.util import InstancePropertyHelper
from pyramid_multiauth import MultiAuthPolicySelected
from zope.interface import implementedBy

from cliquet import settings
from cliquet.core import announcing
from cliquet.web import root_again
from cliquet.web.plain_responses import new_response

__all__ = [
    "PLAIN_RESPONSE",
    "Registrations",
    "SharedExtensions",
    "are_endpoints_compiled",
    "extend",
    "includeme",
    "of",
]

Subscriber = Callable[[Any], Any]
Subscribers = tuple[Subscriber, ...]

# The number is limited, because an application may make a new class of requests at any time.
_MAX_CLASSES = 32
# The functions that Pyramid puts around subscribers without predicates.
_DECORATIONS = frozenset(
    code
    for code in Configurator._derive_subscriber.__code__.co_consts
    if type(code) is CodeType and code.co_name == "derived_subscriber"
)
# The functions that Pyramid puts around those that compute a property.
_PROPERTIES = frozenset(
    code
    for code in InstancePropertyHelper.make_property.__func__.__code__.co_consts
    if type(code) is CodeType and code.co_name == "<lambda>"
)
# The attributes of a class where zope.interface keeps what it has found out.
_INTERFACES = ("__implemented__", "__provides__")
# The events of each request of a batch.
_OF_SUBREQUESTS = (NewRequest, BeforeTraversal, ContextFound, MultiAuthPolicySelected, NewResponse)


def includeme(config: Configurator) -> None:
    """Let the application know what it has registered, and make its requests share classes."""
    config.registry.registrations = Registrations(config.registry)
    config.add_subscriber(_share_classes, ApplicationCreated)


def of(registry: Any) -> Registrations:
    """Return what an application has registered until now."""
    known: Registrations = registry.registrations
    known.bring_up_to_date()
    return known


def are_endpoints_compiled(registry: Any) -> bool:
    """Return whether requests go the short way, where only the library takes part."""
    return (
        settings.read(registry.settings, "compiled_endpoints")
        # A registry that inherits from another one changes without knowing it, and an application
        # may have a class of its own, which tells subscribers in its own way.
        and not registry.__bases__
        and getattr(registry.notify, "__func__", None) is Registry.notify
    )


class Registrations:
    """What the registry of an application holds, in the form in which requests need it.

    Parameters
    ----------
    registry : registry of the application; whatever is registered later counts too.

    Attributes
    ----------
    generation : changes with each registration.
    on_new_request, on_traversal, on_context, on_new_response : the subscribers of ``NewRequest``,
        ``BeforeTraversal``, ``ContextFound`` and ``NewResponse``.
    renderer : the factory of the renderer ``json``, if a dictionary becomes a plain response with
        its text, and nobody looks at either; otherwise ``None``.
    tells_once : whether nobody expects events of requests that only differ in their bodies, but
        those who are `told_again`.
    told_again : the subscribers of ``NewResponse`` that count each response.
    """

    generation: tuple[int, int] = (-1, -1)
    on_new_request: Subscribers = ()
    on_traversal: Subscribers = ()
    on_context: Subscribers = ()
    on_new_response: Subscribers = ()
    renderer: Any = None
    tells_once = False
    told_again: Subscribers = ()

    def __init__(self, registry: Any) -> None:
        self._registry = registry
        # This number is how the lookups of zope.interface themselves notice changes.
        self._adapters, self._utilities = registry.adapters, registry.utilities
        # A test or a tool may replace `registry.notify` to see all events of a running application.
        self._attributes = vars(registry)
        self._own_notify: Any = None
        self._heard: dict[tuple[type, ...], frozenset[type]] = {}
        self._listeners: dict[type, Subscribers | None] = {}
        self._replaced: dict[Any, Subscriber] = {}

    def replace(self, subscriber: Subscriber, by: Subscriber) -> None:
        """Call another function, which does the same in less time, in place of a subscriber."""
        self._replaced[subscriber] = by
        self.generation = (-1, -1)

    def bring_up_to_date(self) -> None:
        """Read the registry again if something was registered since the last time."""
        adapters, utilities = self.generation
        if (
            adapters != self._adapters._generation
            or utilities != self._utilities._generation
            or self._attributes.get("notify") is not self._own_notify
        ):
            self._read()

    def listeners(self, event_class: type) -> Subscribers | None:
        """Return the subscribers of an event that have something to do.

        Returns
        -------
        ``None`` if the registry may tell others.
        """
        self.bring_up_to_date()
        if event_class not in self._listeners:
            listeners = None
            if not announcing.tells_in_its_own_way(self._registry):
                listeners = tuple(filter(self._is_needed, self._subscribers(event_class)))
            self._listeners[event_class] = listeners
        return self._listeners[event_class]

    def _is_needed(self, subscriber: Subscriber) -> bool:
        passed_on = announcing.passed_on(subscriber)
        return passed_on is None or any(map(self._subscribers, passed_on))

    def heard(self, event_classes: tuple[type, ...]) -> frozenset[type]:
        """Return those of some classes of events that somebody has subscribed to.

        Parameters
        ----------
        event_classes : one of few such values, since the answer to each is kept.
        """
        self.bring_up_to_date()
        found = self._heard.get(event_classes)
        if found is None:
            found = frozenset(filter(self._subscribers, event_classes))
            self._heard[event_classes] = found
        return found

    def _read(self) -> None:
        registry = self._registry
        self._heard.clear()
        self._listeners.clear()
        generation = self._adapters._generation, self._utilities._generation
        self._own_notify = self._attributes.get("notify")
        self.on_new_request = self._subscribers(NewRequest)
        self.on_traversal = self._subscribers(BeforeTraversal)
        self.on_context = self._subscribers(ContextFound)
        self.on_new_response = self._subscribers(NewResponse)
        is_plain = (
            not self._subscribers(BeforeRender)
            and registry.queryUtility(IResponseFactory) is None
            and self._adapters.lookup1(implementedBy(dict), IResponse) is None
        )
        self.renderer = registry.queryUtility(IRendererFactory, name="json") if is_plain else None
        self.told_again = tuple(filter(announcing.is_told_again, self.on_new_response))
        told = {one for event in _OF_SUBREQUESTS for one in self._subscribers(event)}
        self.tells_once = all(
            # That of Cornice prepares what belongs to the request.
            announcing.is_told_once(one) or one in (wrap_request, *self._replaced.values())
            for one in told.difference(self.told_again)
        )
        self.generation = generation

    def _subscribers(self, event_class: type) -> Subscribers:
        if self._own_notify is not None:
            return (self._own_notify,)
        found = self._adapters.subscriptions((implementedBy(event_class),), None)
        return tuple(self._replaced.get(one, one) for one in map(_undecorated, found))


def _undecorated(subscriber: Subscriber) -> Subscriber:
    """Return the function that an application has given to Pyramid as a subscriber.

    Pyramid puts a function around each that calls it with the event alone, if it has no predicates.
    """
    if type(subscriber) is not FunctionType or subscriber.__code__ not in _DECORATIONS:
        return subscriber
    given: Subscriber = inspect.getclosurevars(subscriber).nonlocals["subscriber"]
    # Some objects with a method `__call__` cannot be compared in sets.
    return subscriber if given.__hash__ is None else given


class _MadeResponse(reify):  # type: ignore[misc]  # Pyramid has no types
    """The response of a request, as Pyramid makes it, with fewer questions."""

    def __get__(self, request: Any, owner: Any = None) -> Any:
        if request is None:
            return self
        known: Registrations | None = getattr(request.registry, "registrations", None)
        if known is None or known.renderer is None:
            response = self.wrapped(request)
        else:
            headers = [("Content-Type", "text/html; charset=UTF-8"), ("Content-Length", "0")]
            response = new_response(headers, [b""])
        request.__dict__["response"] = response
        return response


_PYRAMID_RESPONSE = Request.response
PLAIN_RESPONSE = _MadeResponse(_PYRAMID_RESPONSE.wrapped)
"""The attribute ``response`` of the requests of an application."""


class SharedExtensions:
    """Request extensions of Pyramid that belong to the class of a request instead of the request.

    A request becomes an instance of a subclass of its own class, whatever this class is. Additions
    to one request (``request.set_property``) stay with that request.

    Parameters
    ----------
    extensions : the extensions of the application (``IRequestExtensions``), which may grow at any
        time.

    Attributes
    ----------
    classes : the class that requests of another class get, if it was made already.
    """

    def __init__(self, extensions: Any) -> None:
        self._extensions = extensions
        self.classes: dict[type, type] = {}
        extensions.descriptors = _Watched(extensions.descriptors, self.classes.clear)
        extensions.methods = _Watched(extensions.methods, self.classes.clear)
        # Pyramid binds each method to the request and sets it as an attribute. This one becomes the
        # class of the request.
        self.methods = {"__class__": self}
        self.descriptors: dict[str, Any] = {}

    def __get__(self, request: Any, owner: type) -> type:
        return self.class_of(owner)

    def class_of(self, owner: type) -> type:
        """Return the class that requests of another class get."""
        return self.classes.get(owner) or self._extended(owner)

    def _extended(self, owner: type) -> type:
        attributes = {
            name: _Once(name, descriptor) if type(descriptor) is reify else descriptor
            for name, descriptor in self._extensions.descriptors.items()
        }
        for name, method in self._extensions.methods.items():
            # The method behaves like an attribute of the request itself.
            if not isdatadescriptor(attributes.get(name)):
                attributes[name] = method
        attributes.setdefault("__module__", owner.__module__)
        if getattr(owner, "response", None) is _PYRAMID_RESPONSE:
            attributes.setdefault("response", PLAIN_RESPONSE)
        attributes |= {
            name: root_again.FormerRoot(name)
            for name in root_again.NAMES
            if name not in attributes and not hasattr(owner, name)
        }
        extended = type(owner.__name__, (owner,), attributes)
        # As in Pyramid, the interfaces of a class are not worked out anew for its subclass. Their
        # registry would keep it for ever, and an application may make a class for each request.
        for name in _INTERFACES:
            if hasattr(owner, name):
                setattr(extended, name, getattr(owner, name))
        if len(self.classes) >= _MAX_CLASSES:
            self.classes.clear()
        # The extensions may be applied twice to a request within another one.
        self.classes[owner] = self.classes[extended] = extended
        return extended


class _Once(reify):  # type: ignore[misc]  # Pyramid has no types
    """A property of requests that is computed once, with one function less around it.

    Attributes
    ----------
    function : computes it.
    """

    def __init__(self, name: str, property_: Any) -> None:
        super().__init__(property_.wrapped)
        function = self.wrapped
        if type(function) is FunctionType and function.__code__ in _PROPERTIES:
            function = inspect.getclosurevars(function).nonlocals["callable"]
        self._name, self.function = name, function

    def __get__(self, request: Any, owner: Any = None) -> Any:
        if request is None:
            return self
        value = self.function(request)
        setattr(request, self._name, value)
        return value


class _Watched(dict[str, Any]):
    """A dictionary that calls a function when something is added."""

    def __init__(self, items: dict[str, Any], on_change: Callable[[], None]) -> None:
        super().__init__(items)
        self._on_change = on_change

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self._on_change()


def _share_classes(event: ApplicationCreated) -> None:
    router = event.app
    extensions = getattr(router, "request_extensions", None)
    if extensions is not None:
        router.request_extensions = router.registry.shared_extensions = SharedExtensions(extensions)


def extend(request: Request) -> None:
    """Give a request that code has made itself the extensions of its application."""
    apply_request_extensions(request, getattr(request.registry, "shared_extensions", None))
