"""What an application has registered that every request would have to look up.

Pyramid asks the registry of the application for the subscribers of each event, for the renderer and
for the class of responses, once or several times in each request. The answers only change when
something is registered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.config import Configurator
from pyramid.events import BeforeRender, BeforeTraversal, ContextFound, NewRequest
from pyramid.interfaces import IRendererFactory, IResponse, IResponseFactory
from pyramid.registry import Registry
from zope.interface import implementedBy

from cliquet import settings

__all__ = ["Registrations", "are_endpoints_compiled", "includeme", "of"]

Subscribers = tuple[Callable[[Any], Any], ...]


def includeme(config: Configurator) -> None:
    """Let the application know what it has registered."""
    config.registry.registrations = Registrations(config.registry)


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
    on_new_request, on_traversal, on_context : the subscribers of ``NewRequest``,
        ``BeforeTraversal`` and ``ContextFound``.
    renderer : the factory of the renderer ``json``, if a dictionary becomes a plain response with
        its text, and nobody looks at either; otherwise ``None``.
    """

    generation: tuple[int, int] = (-1, -1)
    on_new_request: Subscribers = ()
    on_traversal: Subscribers = ()
    on_context: Subscribers = ()
    renderer: Any = None

    def __init__(self, registry: Any) -> None:
        self._registry = registry
        # This number is how the lookups of zope.interface themselves notice changes.
        self._adapters, self._utilities = registry.adapters, registry.utilities

    def bring_up_to_date(self) -> None:
        """Read the registry again if something was registered since the last time."""
        adapters, utilities = self.generation
        if adapters != self._adapters._generation or utilities != self._utilities._generation:
            self._read()

    def _read(self) -> None:
        registry = self._registry
        generation = self._adapters._generation, self._utilities._generation
        self.on_new_request = self._subscribers(NewRequest)
        self.on_traversal = self._subscribers(BeforeTraversal)
        self.on_context = self._subscribers(ContextFound)
        is_plain = (
            not self._subscribers(BeforeRender)
            and registry.queryUtility(IResponseFactory) is None
            and self._adapters.lookup1(implementedBy(dict), IResponse) is None
        )
        self.renderer = registry.queryUtility(IRendererFactory, name="json") if is_plain else None
        self.generation = generation

    def _subscribers(self, event_class: type) -> Subscribers:
        return tuple(self._adapters.subscriptions((implementedBy(event_class),), None))
