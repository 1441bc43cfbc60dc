"""The settings whose names contain a name of the application, and the reader of all settings."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from cliquet.settings.model import Setting
from cliquet.settings.parsers import (
    Anything,
    Boolean,
    Choice,
    Integer,
    List,
    Number,
    Reference,
    Text,
)
from cliquet.settings.table import ROWS

__all__ = ["MAX_SHARDS", "SETTINGS", "find", "read", "validate"]

MAX_SHARDS: Final = 64
"""Greatest number of shards of a resource.

A list reads each of them, so that more would cost readers more than they give writers.
"""

_DOTTED: Final = {"name": ".+", "option": ".+"}
_COMPONENT: Final = {"component": "storage|cache|permission"}

# The order matters: the row of a name is the first one whose pattern it matches.
FAMILIES: Final = (
    Setting(
        "{endpoint_type}_{resource_name}_{method}_enabled",
        Boolean(),
        True,
        "Whether a resource offers a method, in lower case, on its collection or its records.",
        in_defaults=False,
        placeholders={
            "endpoint_type": "collection|record",
            "method": "get|head|options|post|put|patch|delete",
        },
    ),
    Setting(
        "{resource_name}_cache_expires_seconds",
        Integer(optional=True, zero_is_none=True),
        None,
        "How long anonymous users may keep what they read of a resource.",
        unit="seconds",
        in_defaults=False,
    ),
    Setting(
        "{resource_name}_total_records",
        Choice(("exact", "first-page", "head")),
        "exact",
        "Which lists have a total: all of a resource, their first pages, or answers to HEAD alone.",
        in_defaults=False,
        version_added="3.2",
    ),
    Setting(
        "{resource_name}_strict_filters",
        Boolean(),
        False,
        "The setting strict_filters for one resource, for which it wins.",
        in_defaults=False,
        version_added="3.2",
    ),
    Setting(
        "{resource_name}_sync_enabled",
        Boolean(),
        False,
        "Whether clients can synchronise a resource with tokens; by default sync_enabled.",
        in_defaults=False,
        version_added="3.2",
    ),
    Setting(
        "{resource_name}_sync_departures",
        Boolean(),
        False,
        "Whether lists with _since tell of all that a client can no longer read.",
        in_defaults=False,
        version_added="3.2",
    ),
    Setting(
        "{resource_name}_shards",
        Integer(minimum=1, maximum=MAX_SHARDS, optional=True),
        None,
        "Over how many counters the collections of a resource are spread; by default those of its "
        "registration or class. It changes with cliquet migrate.",
        unit="counters",
        in_defaults=False,
        version_added="3.2",
    ),
    Setting(
        "{resource_name}_{permission}_principals",
        List(commas=True, is_text=True),
        "",
        "Users and groups that have a permission on every record of a resource.",
        in_defaults=False,
        placeholders={"permission": "[^_]+"},
    ),
    Setting(
        "event_listeners.{name}.use",
        Reference(),
        "",
        "Module of the listener with this alias.",
        in_defaults=False,
        placeholders=_DOTTED,
    ),
    Setting(
        "event_listeners.{name}.url",
        Text(switchable=True),
        "",
        "Where the listener sends events.",
        in_defaults=False,
        placeholders=_DOTTED,
    ),
    Setting(
        "event_listeners.{name}.pool_size",
        Integer(minimum=1),
        25,
        "Connections that the listener may open.",
        unit="connections",
        in_defaults=False,
        placeholders=_DOTTED,
    ),
    Setting(
        "event_listeners.{name}.listname",
        Text(),
        "cliquet.events",
        "List that the Redis listener adds events to.",
        in_defaults=False,
        placeholders=_DOTTED,
    ),
    Setting(
        "event_listeners.{name}.listmaxsize",
        Integer(optional=True, zero_is_none=True),
        1_000_000,
        "Events that the list of the Redis listener keeps, the newest ones; nothing or 0 for all.",
        unit="events",
        in_defaults=False,
        version_added="3.2",
        placeholders=_DOTTED,
    ),
    Setting(
        "event_listeners.{name}.timeout_seconds",
        Number(),
        1,
        "How long the Redis listener waits for its server, before it gives an event up.",
        unit="seconds",
        in_defaults=False,
        version_added="3.2",
        placeholders=_DOTTED,
    ),
    Setting(
        "event_listeners.{name}.actions",
        List(),
        "create update delete",
        "Actions that the listener is told about.",
        in_defaults=False,
        placeholders=_DOTTED,
    ),
    Setting(
        "event_listeners.{name}.resources",
        List(),
        "",
        "Resources that the listener is told about; nothing for all.",
        in_defaults=False,
        placeholders=_DOTTED,
    ),
    Setting(
        "event_listeners.{name}.before_commit",
        Boolean(),
        False,
        "Whether a listener that acts outside the request's transaction, as the Redis one does, is "
        "told before the commit; if that fails, or the request is run again, it was told too much.",
        in_defaults=False,
        version_added="3.2",
        placeholders=_DOTTED,
    ),
    Setting(
        "event_listeners.{name}.{option}",
        Anything(),
        None,
        "Option of a listener.",
        in_defaults=False,
        placeholders=_DOTTED,
    ),
    Setting(
        "multiauth.policy.{name}.use",
        Reference(),
        "",
        "Class of the authentication policy with this name.",
        in_defaults=False,
        placeholders=_DOTTED,
    ),
    Setting(
        "multiauth.policy.{name}.{option}",
        Anything(),
        None,
        "Argument of an authentication policy.",
        in_defaults=False,
        placeholders=_DOTTED,
    ),
    Setting(
        "tm.{option}",
        Anything(),
        None,
        "Option of the transaction manager, pyramid_tm.",
        in_defaults=False,
        placeholders=_DOTTED,
    ),
    Setting(
        "retry.attempts",
        Integer(minimum=1),
        3,
        "How often a request is run that ends in a deadlock, until it is answered 503.",
        unit="attempts",
        in_defaults=False,
        version_added="3.2",
    ),
    Setting(
        "{component}_max_overflow",
        Integer(minimum=-1),
        10,
        "Connections opened beyond the pool when it is exhausted; -1 for no limit.",
        unit="connections",
        in_defaults=False,
        placeholders=_COMPONENT,
    ),
    Setting(
        "{component}_max_backlog",
        Integer(minimum=-1),
        -1,
        "Threads that may wait for a connection; -1 for no limit.",
        unit="threads",
        in_defaults=False,
        placeholders=_COMPONENT,
    ),
    Setting(
        "{component}_pool_recycle",
        Integer(minimum=-1),
        -1,
        "Age at which a connection is replaced; -1 for never.",
        unit="seconds",
        in_defaults=False,
        placeholders=_COMPONENT,
    ),
    Setting(
        "{component}_pool_timeout",
        Number(),
        30,
        "Time to wait for a connection of an exhausted pool.",
        unit="seconds",
        in_defaults=False,
        placeholders=_COMPONENT,
    ),
    Setting(
        "{component}_poolclass",
        Reference(),
        "cliquet.storage.postgresql.pool.QueuePoolWithMaxBacklog",
        "Class of the connection pool.",
        in_defaults=False,
        placeholders=_COMPONENT,
    ),
)

SETTINGS: Final[Mapping[str, Setting]] = MappingProxyType(
    {row.name: row for row in (*ROWS, *FAMILIES)}
)
"""Every setting by its bare name, every family by its pattern."""

_PATTERNS: Final = tuple((row.pattern(), row) for row in FAMILIES)


# The cache is bounded: the names come from settings and code, but plugins may have many.
@functools.lru_cache(maxsize=1024)
def find(name: str) -> Setting | None:
    """Return the row of a setting given by its bare name; ``None`` if there is none."""
    row = SETTINGS.get(name)
    if row is not None and not row.is_family:
        return row
    return next((row for pattern, row in _PATTERNS if pattern.fullmatch(name)), None)


_MISSING: Final = object()
# Values of these types cannot change, so that they are parsed once. A list may have got other items
# while it is still the same object.
_IMMUTABLE: Final = frozenset({str, int, float, bool, type(None), type(_MISSING)})
# For each name, the last value given and its parsed value. It is bounded, because plugins may have
# many names.
_last_read: Final[dict[str, tuple[Any, Any]]] = {}
_MAX_LAST_READ: Final = 1024


def read(settings: Mapping[str, Any], name: str) -> Any:
    """Return the typed value of a setting as it is now.

    This is the only reader of settings: no other code converts their values. Changes that tests and
    plugins make to the mapping after the start-up have an effect.

    Parameters
    ----------
    settings : mapping with bare names, such as ``registry.settings``.
    name : bare name.

    Raises
    ------
    KeyError : the table has no row for the name.
    SettingError : the value is not allowed.
    """
    given = settings.get(name, _MISSING)
    last = _last_read.get(name)
    # Most requests read the same objects again.
    if last is not None and last[0] is given:
        return last[1]
    row = find(name)
    if row is None:
        raise KeyError(name)
    value = row.value(row.default if given is _MISSING else given, name)
    if value == "" and isinstance(row.parse, Reference):
        # The published documentation has lines such as `id_generator =`, which mean the default.
        value = row.default
    if type(given) in _IMMUTABLE:
        if len(_last_read) >= _MAX_LAST_READ:
            _last_read.clear()
        _last_read[name] = (given, value)
    return value


def validate(settings: Mapping[str, Any]) -> None:
    """Read every known setting that is present, so that a bad value fails at start-up.

    Raises
    ------
    SettingError : the first value that is not allowed.
    """
    for name, value in settings.items():
        row = find(name)
        if row is not None:
            row.value(value, name)
