"""Listeners: objects that the settings name, and that are called with each event."""

from cliquet.listeners.base import ListenerBase

__all__ = ["ListenerBase"]
