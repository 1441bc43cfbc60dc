"""Settings: one typed table, the function that reads their values, and their loading.

``table`` and ``families`` hold the rows, ``parsers`` the types, ``loading`` the precedence of
environment, file and defaults. This package does not know what a setting is used for.
"""

from __future__ import annotations

from cliquet.settings.families import SETTINGS, find, read, validate
from cliquet.settings.loading import (
    ConflictError,
    Resolution,
    environment_names,
    load_default_settings,
    load_settings_of_resource,
    resolve,
    resolve_project_name,
)
from cliquet.settings.model import Parser, Setting, SettingError
from cliquet.settings.synchronising import (
    has_any_sync_tokens,
    has_bookmarks,
    has_sync_tokens,
    keeps_any_track,
    keeps_track,
    shows_departures,
)
from cliquet.settings.table import DEFAULT_SETTINGS

__all__ = [
    "DEFAULT_SETTINGS",
    "SETTINGS",
    "ConflictError",
    "Parser",
    "Resolution",
    "Setting",
    "SettingError",
    "environment_names",
    "find",
    "has_any_sync_tokens",
    "has_bookmarks",
    "has_sync_tokens",
    "keeps_any_track",
    "keeps_track",
    "load_default_settings",
    "load_settings_of_resource",
    "read",
    "resolve",
    "resolve_project_name",
    "shows_departures",
    "validate",
]
