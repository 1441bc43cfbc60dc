"""Where the values of settings come from: environment, file, defaults (S-1, S-2).

`resolve` is the rule, a function of plain mappings; `load_default_settings` applies it to a Pyramid
configurator.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cliquet import utils
from cliquet.settings.families import SETTINGS, find
from cliquet.settings.parsers import Text
from cliquet.settings.table import DEFAULT_SETTINGS

__all__ = [
    "ConflictError",
    "Resolution",
    "environment_names",
    "load_default_settings",
    "resolve",
    "resolve_project_name",
]

_PREFIX: Final = "cliquet"

# First components that are no prefix of a project: `multiauth`, `event_listeners`, `tm` (P-2.10).
_OWN_COMPONENTS: Final = frozenset(name.split(".")[0] for name in SETTINGS if "." in name)

# Settings of plugins, without a row, whose digits are no number (S-2.5, S-23.5).
_TEXT_NAME: Final = re.compile(r"secret|password|(?:^|[._-])(?:client_id|version)$")


class ConflictError(ValueError):
    """Two spellings of a setting have different values (S-1.6)."""


@dataclass(frozen=True)
class Resolution:
    """Every setting under its bare name, and where each value came from.

    Parameters
    ----------
    project_name : the prefix accepted in files; not what the environment may have put in the
        setting ``project_name``, which is for display (S-1.9, S-23.4).
    values : bare name to value.
    sources : bare name to ``environment <VARIABLE>``, ``settings``, ``application default`` or
        ``default``.
    spellings : bare name to the names under which the settings had it.
    declared : bare names for which the library, the application or a plugin gave a default.
    """

    project_name: str
    values: dict[str, Any]
    sources: dict[str, str]
    spellings: dict[str, list[str]]
    declared: frozenset[str] = frozenset()


def resolve_project_name(settings: Mapping[str, Any], argument: str) -> str:
    """Return the name of the project, before the environment is read (S-3.2).

    Parameters
    ----------
    settings : settings of the application, under the names that the deployer gave them.
    argument : name that the application gave; used when the settings have none.
    """
    key = f"{_PREFIX}.project_name"
    given = settings[key] if key in settings else settings.get("project_name")
    given = _coerce("project_name", given)
    return str(given).strip() if given else str(argument or "")


def environment_names(bare: str, project_name: str) -> tuple[str, ...]:
    """Return the environment variables of a setting, strongest first (S-1.4).

    Without project name there are two (S-1.8).
    """
    spellings = [f"{_PREFIX}.{bare}", bare]
    if project_name:
        spellings.insert(1, f"{project_name}.{bare}")
    return tuple(utils.environment_name(spelling) for spelling in spellings)


def resolve(
    settings: Mapping[str, Any],
    defaults: Mapping[str, Any],
    *,
    project_name: str,
    environment: Mapping[str, str],
    previous: Resolution | None = None,
) -> Resolution:
    """Give every setting its value: environment, then settings, then defaults (S-1.3).

    Parameters
    ----------
    settings : settings of the application, in any spelling (S-1.2).
    defaults : values of settings that `settings` lacks, in any spelling; a prefixed one wins
        over a bare one, so that a mapping merged from internal and application defaults gives
        the latter (S-23.1).
    project_name : prefix that `settings` and `defaults` may use; empty for none.
    environment : environment variables.
    previous : outcome of an earlier call for the same settings. What it settled is not judged or
        converted again: ``"10"`` between quotes stays text, and code may have changed a value
        since (S-1.12, S-23.3).

    Raises
    ------
    ConflictError : two spellings of a setting have different values (S-1.6).
    """
    spellings: dict[str, list[str]] = {}
    for key in settings:
        spellings.setdefault(_bare_name(key, project_name), []).append(key)
    bare_defaults = _bare_defaults(defaults, project_name)

    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for bare in (*spellings, *(name for name in bare_defaults if name not in spellings)):
        values[bare], sources[bare] = _stored_value(
            bare, settings, spellings.get(bare, []), bare_defaults, previous
        )
        for variable in environment_names(bare, project_name):
            if variable in environment:
                values[bare] = _coerce(bare, environment[variable])
                sources[bare] = f"environment {variable}"
                break
    declared = frozenset(bare_defaults) | (previous.declared if previous else frozenset())
    return Resolution(project_name, values, sources, spellings, declared)


def load_default_settings(config: Any, default_settings: Mapping[str, Any]) -> None:
    """Complete and convert the settings of an application, in place (P-2.9 to P-2.11).

    Plugins call it for defaults of their own, after or before the application's set-up; it may be
    called any number of times (S-1.12). Where each value came from is kept as
    ``registry.settings_sources`` (S-23.7), when `config` has a registry.

    Parameters
    ----------
    config : object whose ``get_settings()`` returns a mutable mapping with ``project_name``.
    default_settings : defaults under bare or prefixed names; not modified (P-2.7).

    Raises
    ------
    KeyError : the settings have no ``project_name``.
    ConflictError : two spellings of a setting have different values (S-1.6).
    """
    settings = config.get_settings()
    displayed_name = settings["project_name"]
    registry = getattr(config, "registry", None)
    previous = getattr(registry, "settings_resolution", None)
    if not isinstance(previous, Resolution):
        previous = None
    resolution = resolve(
        settings,
        default_settings,
        project_name=previous.project_name if previous else str(displayed_name or ""),
        environment=os.environ,
        previous=previous,
    )
    for bare, value in resolution.values.items():
        settings[bare] = value
        # All spellings are one setting: they stay there (S-1.7), with one value, so that no later
        # call sees a conflict between the file and the environment.
        for spelling in resolution.spellings.get(bare, []):
            settings[spelling] = value
    if registry is not None:
        registry.settings_resolution = resolution
        registry.settings_sources = resolution.sources


def _bare_name(key: str, project_name: str) -> str:
    """Return the name of a setting without prefix (S-1.2)."""
    if key.split(".")[0] in _OWN_COMPONENTS:
        return key
    for prefix in (_PREFIX, project_name):
        if prefix and key.startswith(f"{prefix}.") and len(key) > len(prefix) + 1:
            return key[len(prefix) + 1 :]
    return key


def _bare_defaults(defaults: Mapping[str, Any], project_name: str) -> dict[str, Any]:
    names = {key: _bare_name(key, project_name) for key in defaults}
    # Prefixed ones last: they replace the bare ones.
    ordered = sorted(names, key=lambda key: key != names[key])
    return {names[key]: defaults[key] for key in ordered}


def _stored_value(
    bare: str,
    settings: Mapping[str, Any],
    spellings: list[str],
    bare_defaults: Mapping[str, Any],
    previous: Resolution | None,
) -> tuple[Any, str]:
    """Return the value of a setting apart from the environment, and its source."""
    if not spellings:
        default = bare_defaults[bare]
        if isinstance(default, (dict, list)):
            # Whoever changes the setting must not change the caller's defaults.
            default = copy.deepcopy(default)
        is_internal = bare in DEFAULT_SETTINGS and default == DEFAULT_SETTINGS[bare]
        return _coerce(bare, default), "default" if is_internal else "application default"
    if previous is not None and bare in previous.values and bare in settings:
        value = settings[bare]
        if value is previous.values[bare]:
            return value, previous.sources[bare]
        return _coerce(bare, value), "settings"
    _check_conflict(bare, settings, spellings)
    return _coerce(bare, settings[spellings[0]]), "settings"


def _check_conflict(bare: str, settings: Mapping[str, Any], spellings: list[str]) -> None:
    """Refuse spellings that differ as text, unless one is the converted form of the other.

    The latter is what an earlier call left behind, or what Python code writes for the file's text
    (S-23.2).
    """
    raw = {str(settings[spelling]) for spelling in spellings}
    if len(raw) == 1:
        return
    coerced = {str(_coerce(bare, settings[spelling])) for spelling in spellings}
    if len(coerced) == 1 and coerced <= raw:
        return
    names = ", ".join(f"'{spelling}'" for spelling in spellings)
    raise ConflictError(f"Settings {names} are in conflict.")


def _coerce(bare: str, value: Any) -> Any:
    """Convert the text of a setting (S-2.1), but keep text what is text by nature (S-23.5)."""
    if not isinstance(value, str):
        return value
    native = utils.native_value(value)
    row = find(bare)
    is_text = row.parse.is_text if row else _TEXT_NAME.search(bare) is not None
    if not is_text or native is None or isinstance(native, str):
        return native
    if isinstance(native, bool) and row and isinstance(row.parse, Text) and row.parse.switchable:
        return native
    return value
