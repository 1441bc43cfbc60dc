"""``cliquet settings``: show the settings of a service, and where each value comes from."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pyramid.scripts.common import get_config_loader

from cliquet.scripts.command import (
    Command,
    CommandError,
    application,
    explained,
    require_file,
    variables,
)
from cliquet.settings import SETTINGS, Resolution, find
from cliquet.settings.parsers import Anything
from cliquet.settings.secrets import MASK, is_secret_name, masked, text_of
from cliquet.settings.unknown import find_unknown, nearest_name

__all__ = ["COMMAND", "MASK", "Effective", "effective_settings", "shown"]

_MISSING = object()


class Effective(NamedTuple):
    """The value that a setting has.

    Attributes
    ----------
    name : bare name, without prefix.
    source : ``environment VARIABLE``, ``file``, ``application``, ``application default`` or
        ``default``.
    """

    name: str
    value: Any
    source: str


def effective_settings(
    settings: Mapping[str, Any], resolution: Resolution, in_file: set[str]
) -> list[Effective]:
    """Return the settings of an application by name, without the mere defaults of Pyramid.

    Parameters
    ----------
    settings : settings of the registry, which code may have changed after they were resolved.
    in_file : names in the file, as they are written there.
    """
    found = []
    fixed = {name for name, row in SETTINGS.items() if not row.is_family}
    for name in sorted(fixed | set(resolution.values)):
        is_in_file = not in_file.isdisjoint(resolution.spellings.get(name, ()))
        source = resolution.sources.get(name, "default")
        row = find(name)
        value = settings.get(name, row.default if row else None)
        if name in resolution.values and value != resolution.values[name]:
            source = "application"
        elif source == "settings":
            source = "file" if is_in_file else "application"
        if row is not None or is_in_file or source not in ("application", "default"):
            found.append(Effective(name, value, source))
    return found


def shown(name: str, value: Any) -> str:
    """Return the value of a setting in one line, in a form that may be shown to anybody.

    Parameters
    ----------
    name : bare name.
    """
    text = text_of(value)
    row = find(name)
    # The table does not describe the settings of plugins and applications: only the name says
    # whether such a value is a secret.
    is_described = row is not None and not isinstance(row.parse, Anything)
    is_secret = row.is_secret if row is not None and is_described else is_secret_name(name)
    if text and is_secret and not isinstance(value, bool):
        return MASK
    return masked(text)


def _names_in_file(ini: str) -> set[str]:
    """Return the names in the section of the application and in the sections of its pipeline."""
    with explained(ini):
        loader = get_config_loader(ini)
        names = set(loader.get_wsgi_app_settings(None, variables()))
        for section in loader.get_sections():
            if section.partition(":")[0] in ("app", "application"):
                names.update(loader.get_settings(section, variables()))
    return names


def _chosen(found: Sequence[Effective], names: Sequence[str], resolution: Resolution) -> list[Any]:
    """Return the settings with these names, in this order; a name may have any spelling.

    Raises
    ------
    CommandError : there is no such setting.
    """
    by_name = {setting.name: setting for setting in found}
    chosen = []
    for name in names:
        bare = next((b for b, spellings in resolution.spellings.items() if name in spellings), name)
        for prefix in ("cliquet.", f"{resolution.project_name}."):
            if bare not in by_name:
                bare = bare.removeprefix(prefix)
        row = find(bare)
        if bare in by_name:
            chosen.append(by_name[bare])
        elif row is not None:
            chosen.append(Effective(bare, row.default, "default"))
        else:
            nearest = nearest_name(bare)
            hint = f"; did you mean {nearest}?" if nearest else ""
            raise CommandError(f"there is no setting {name}{hint}")
    return chosen


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="only these settings, with or without prefix"
    )


def _run(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    ini = require_file(arguments, parser)
    with application(ini) as registry:
        resolution = getattr(registry, "settings_resolution", None)
        if resolution is None:
            raise CommandError(f"{ini}: the application is not a service of cliquet")
        found = effective_settings(registry.settings, resolution, _names_in_file(ini))
    chosen = _chosen(found, arguments.names, resolution) if arguments.names else found
    for setting in chosen:
        print(f"{setting.name} = {shown(setting.name, setting.value)}  # {setting.source}")
    for unknown in find_unknown(resolution):
        print(f"cliquet settings: {ini}: {unknown}", file=sys.stderr)


COMMAND = Command("settings", "print the settings and where they come from", _add_arguments, _run)
