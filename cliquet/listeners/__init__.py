"""Listeners: what the deployer has called about each change of a record (S-15)."""

from cliquet.listeners.base import ListenerBase

__all__ = ["ListenerBase"]
