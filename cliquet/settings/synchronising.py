"""Which resources clients synchronise, by the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cliquet.settings.families import read

__all__ = [
    "has_any_sync_tokens",
    "has_bookmarks",
    "has_sync_tokens",
    "keeps_any_track",
    "keeps_track",
    "shows_departures",
]


def has_sync_tokens(settings: Mapping[str, Any], resource_name: Any) -> bool:
    """Return whether the lists of a resource have tokens (E-11.1)."""
    if not isinstance(resource_name, str) or not resource_name:
        # There is no resource, or it is a mock of a test (P-31.1).
        return False
    own = f"{resource_name}_sync_enabled"
    return bool(read(settings, own if own in settings else "sync_enabled"))


def has_any_sync_tokens(settings: Mapping[str, Any]) -> bool:
    """Return whether the lists of some resource may have tokens."""
    # The settings are there with the prefix of the file, too.
    names = (name for name in settings if name.endswith("_sync_enabled") and "." not in name)
    return bool(read(settings, "sync_enabled")) or any(read(settings, name) for name in names)


def shows_departures(settings: Mapping[str, Any], resource_name: Any) -> bool:
    """Return whether lists with ``_since`` show departures (E-12.4)."""
    if not isinstance(resource_name, str) or not resource_name:
        return False
    return bool(read(settings, f"{resource_name}_sync_departures"))


def keeps_any_track(settings: Mapping[str, Any]) -> bool:
    """Return whether the changes of some resource may record departures."""
    names = (name for name in settings if name.endswith("_sync_departures") and "." not in name)
    return has_any_sync_tokens(settings) or any(read(settings, name) for name in names)


def keeps_track(settings: Mapping[str, Any], resource_name: Any) -> bool:
    """Return whether the changes of a resource record departures (E-12.1)."""
    return has_sync_tokens(settings, resource_name) or shows_departures(settings, resource_name)


def has_bookmarks(settings: Mapping[str, Any]) -> bool:
    """Return whether clients show what they wrote, since a replica may lack it (E-22.5)."""
    return bool(read(settings, "storage_read_url") or read(settings, "permission_read_url"))
