"""Tells the subscribers of an application what happens, by one lookup in its registry."""

from __future__ import annotations

from typing import Any

from zope.interface import providedBy

__all__ = ["tell"]


def tell(registry: Any, event: object) -> None:
    """Call the subscribers of an event in their order, as ``registry.notify`` does.

    The registry of Pyramid asks three others for each event, most of which nobody has subscribed
    to. Another registry, such as that of a test of an application, is told by its own method.
    """
    kind = type(registry)
    if kind.__module__ != "pyramid.registry" or "notify" in vars(registry):
        registry.notify(event)
        return
    for subscriber in registry.adapters.subscriptions((providedBy(event),), None):
        subscriber(event)
