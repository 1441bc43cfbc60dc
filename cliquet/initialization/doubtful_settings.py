"""Settings that have an effect nobody can want, or none: told at the start, and not refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cliquet import settings
from cliquet.core.mistakes import did_you_mean, differs_by, listed
from cliquet.settings.families import find

__all__ = ["find_doubtful"]

_SYSTEM: Final = ("system.Authenticated", "system.Everyone")
_MOST_LETTERS: Final = 2
# Bare names belong to everybody: only one that is long and nearly one of ours was meant for us.
_SHORTEST_NAME: Final = 8
_ALIKE: Final = 4
_PRINCIPALS: Final = "_principals"
_LISTENERS: Final = "event_listeners."
_OF_LISTENERS: Final = ("actions", "before_commit", "pool_size", "resources", "url", "use")


def find_doubtful(registry: Any) -> Iterator[str]:
    """Yield what is doubtful in the settings of an application that has been made, in words."""
    configured = registry.settings
    yield from _of_urls(configured)
    for origin in settings.read(configured, "cors_origins"):
        if "://" not in origin and "*" not in origin and origin != "null":
            yield (
                f"cors_origins has {origin!r}, which no browser sends; allowed: an origin with its "
                f"scheme, such as https://{origin}."
            )
    yield from _of_principals(registry)
    yield from _of_listeners(configured)
    yield from _of_subscribers(registry)
    yield from _bare_names(registry)


def _of_urls(configured: Any) -> Iterator[str]:
    scheme = settings.read(configured, "http_scheme")
    if scheme and scheme not in ("http", "https"):
        yield f"http_scheme is {scheme!r}; allowed: http or https."
    host = settings.read(configured, "http_host")
    if host and "/" in host:
        yield f"http_host is {host!r}; allowed: a host, or host:port, without a scheme."
    version = settings.read(configured, "http_api_version")
    if version and not version[:1].isdigit():
        yield (
            f"http_api_version is {version!r}, so that URLs begin with /v{version.split('.')[0]}; "
            "allowed: MAJOR.MINOR, such as 1.0."
        )


def _of_principals(registry: Any) -> Iterator[str]:
    """Find principals and permissions that are nearly known ones, and that nobody has."""
    resources = getattr(registry, "resource_names", ())
    for name, value in registry.settings.items():
        row = find(name) if name.endswith(_PRINCIPALS) else None
        if row is None or not row.is_family:
            continue
        for principal in settings.read(registry.settings, name):
            for known in _SYSTEM:
                if principal != known and differs_by(principal, known, _MOST_LETTERS):
                    yield f"{name} is {value!r}; did you mean {known!r}?"
        resource = next((one for one in resources if name.startswith(f"{one}_")), None)
        if resource is None:
            continue
        permission = name.removeprefix(f"{resource}_").removesuffix(_PRINCIPALS)
        for known in ("create", "read", "write"):
            if permission != known and differs_by(permission, known, _MOST_LETTERS):
                yield (
                    f"{name} is of the permission {permission!r}; did you mean "
                    f"{f'{resource}_{known}{_PRINCIPALS}'!r}?"
                )


def _of_listeners(configured: Any) -> Iterator[str]:
    """Find settings of listeners that are not switched on, and misspelt ones."""
    names = settings.read(configured, "event_listeners")
    aliases = {name.rsplit(".", 1)[-1] for name in names} | set(names)
    for key in configured:
        if not key.startswith(_LISTENERS):
            continue
        alias, _, option = key.removeprefix(_LISTENERS).rpartition(".")
        if option == "use" and alias not in aliases:
            yield (
                f"{key} has no effect, since event_listeners is {' '.join(names)!r}; allowed: "
                f"event_listeners = {' '.join([*names, alias])}."
            )
        elif alias in aliases and option not in _OF_LISTENERS:
            # A listener of the application may have options of its own.
            meant = did_you_mean(option, _OF_LISTENERS, similarity=0.8)
            if meant:
                yield f"{key} is probably misspelt{meant}"


def _of_subscribers(registry: Any) -> Iterator[str]:
    known = getattr(registry, "resource_names", ())
    for name in getattr(registry, "subscribed_resources", ()):
        if known and name not in known:
            yield (
                f"A subscriber has for_resources={name!r}, which does not exist; allowed: "
                f"{listed(known)}{did_you_mean(name, known) or '.'}"
            )


def _bare_names(registry: Any) -> Iterator[str]:
    """Find names without the prefix that are nearly those of settings."""
    resolution = getattr(registry, "settings_resolution", None)
    if resolution is None:
        return
    for bare, spellings in resolution.spellings.items():
        if (
            bare in spellings
            and "." not in bare
            and len(bare) >= _SHORTEST_NAME
            and bare not in resolution.declared
            # Pyramid adds each of its own settings under both names.
            and f"pyramid.{bare}" not in registry.settings
            and find(bare) is None
        ):
            for known in settings.SETTINGS:
                # Most of the settings of others are refused by this alone, at no cost.
                is_like = known[:_ALIKE] == bare[:_ALIKE] or known[-_ALIKE:] == bare[-_ALIKE:]
                # Two letters make another word: a `http_port` is no misspelt `http_host`.
                if is_like and differs_by(bare, known, 1):
                    yield f"{bare} is unknown; did you mean {known!r}?"
