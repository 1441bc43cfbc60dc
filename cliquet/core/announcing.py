"""Tells the subscribers of an application what happens, by one lookup in its registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from zope.interface import providedBy

__all__ = [
    "is_told_again",
    "is_told_once",
    "passed_on",
    "passes_on",
    "subscribe",
    "tell",
    "tells_in_its_own_way",
    "told_again",
    "told_once",
]

Subscriber = TypeVar("Subscriber", bound=Callable[[Any], Any])

_TOLD_ONCE = "_cliquet_told_once"
_TOLD_AGAIN = "_cliquet_told_again"
_PASSES_ON = "_cliquet_passes_on"


def told_once(subscriber: Subscriber) -> Subscriber:
    """Mark a subscriber that has nothing to do for a request that only differs in its body.

    Some requests of a batch are answered as the one before them, and no event tells of them.
    """
    setattr(subscriber, _TOLD_ONCE, True)
    return subscriber


def told_again(subscriber: Subscriber) -> Subscriber:
    """Mark a subscriber to ``NewResponse`` that only counts, whatever is in the bodies.

    For a request that is answered as the one before it, it gets the event of that one again.
    """
    setattr(subscriber, _TOLD_AGAIN, True)
    return subscriber


def is_told_again(subscriber: Callable[..., Any]) -> bool:
    """Return whether a subscriber is marked by :func:`told_again`."""
    return hasattr(subscriber, _TOLD_AGAIN)


def is_told_once(subscriber: Callable[..., Any]) -> bool:
    """Return whether a subscriber is marked by :func:`told_once`."""
    return hasattr(subscriber, _TOLD_ONCE)


def passes_on(*event_classes: type) -> Callable[[Subscriber], Subscriber]:
    """Mark a subscriber that has nothing to do if nobody has subscribed to some other events."""

    def mark(subscriber: Subscriber) -> Subscriber:
        setattr(subscriber, _PASSES_ON, event_classes)
        return subscriber

    return mark


def passed_on(subscriber: Callable[..., Any]) -> tuple[type, ...] | None:
    """Return the classes of these events for a subscriber that is so marked."""
    classes: tuple[type, ...] | None = getattr(subscriber, _PASSES_ON, None)
    return classes


def subscribe(config: Any, subscriber: Callable[[Any], Any], event_class: type) -> None:
    """Add a subscriber that is called directly, at the place where ``add_subscriber`` would be.

    Pyramid puts a function around each subscriber, for those with predicates.
    """
    config.action(None, lambda: config.registry.registerHandler(subscriber, (event_class,)))


def tell(registry: Any, event: object) -> None:
    """Call the subscribers of an event in their order, as ``registry.notify`` does.

    The registry of Pyramid asks three others for each event, most of which nobody has subscribed
    to. Another registry, such as that of a test of an application, is told by its own method.
    """
    # This is `tells_in_its_own_way`: it is asked in each request.
    if type(registry).__module__ != "pyramid.registry" or "notify" in registry.__dict__:
        registry.notify(event)
        return
    for subscriber in registry.adapters.subscriptions((providedBy(event),), None):
        subscriber(event)


def tells_in_its_own_way(registry: Any) -> bool:
    """Return whether a registry may tell others than those who have subscribed."""
    return type(registry).__module__ != "pyramid.registry" or "notify" in vars(registry)
