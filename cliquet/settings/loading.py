"""The loading of settings from the environment, the file and the defaults.

`resolve` is the rule, as a function of plain mappings; `load_default_settings` applies it to a
Pyramid configurator.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from cliquet import utils
from cliquet.settings.families import SETTINGS, find
from cliquet.settings.model import SettingError
from cliquet.settings.of_resources import names_as_registered, names_in_environment
from cliquet.settings.parsers import Text
from cliquet.settings.table import DEFAULT_SETTINGS

__all__ = [
    "ConflictError",
    "Resolution",
    "environment_names",
    "load_default_settings",
    "load_settings_of_resource",
    "resolve",
    "resolve_project_name",
]

_PREFIX: Final = "cliquet"
_FROM_ENVIRONMENT: Final = "environment "

# First components of names that are not the prefix of a project: `multiauth`, `event_listeners`,
# `tm`.
_OWN_COMPONENTS: Final = frozenset(name.split(".")[0] for name in SETTINGS if "." in name)

# Settings of plugins have no row in the table. With such a name, digits stay text.
_TEXT_NAME: Final = re.compile(r"secret|password|(?:^|[._-])(?:client_id|version)$")

_NAME: Final = re.compile(r"\w+(\.[\w-]+)+")


class ConflictError(ValueError):
    """Two spellings of a setting have different values (S-1.6)."""


class Resolution(NamedTuple):
    """Every setting under its bare name, and where each value came from.

    Parameters
    ----------
    project_name : the prefix that is accepted in files. The environment may give the setting
        ``project_name`` another value, which is only for display.
    values : value of each bare name.
    sources : source of each bare name: ``environment <VARIABLE>``, ``settings``, ``application
        default`` or ``default``.
    spellings : names under which the settings had each bare name.
    declared : bare names for which the library, the application or a plugin gave a default.
    """

    project_name: str
    values: dict[str, Any]
    sources: dict[str, str]
    spellings: dict[str, list[str]]
    declared: frozenset[str] = frozenset()


def resolve_project_name(settings: Mapping[str, Any], argument: str) -> str:
    """Return the name of the project before the environment is read.

    Parameters
    ----------
    settings : settings of the application, under the names that the deployer gave them.
    argument : name that the application gave; it is used when the settings have none.
    """
    key = f"{_PREFIX}.project_name"
    given = settings[key] if key in settings else settings.get("project_name")
    given = _coerce("project_name", given)
    return str(given).strip() if given else str(argument or "")


def environment_names(bare: str, project_name: str) -> tuple[str, ...]:
    """Return the environment variables of a setting, the strongest first.

    Without a project name, there are two.
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
    """Give every setting its value: environment, then settings, then defaults.

    Parameters
    ----------
    settings : settings of the application, in any spelling.
    defaults : values of settings that `settings` lacks, in any spelling. A prefixed name wins over
        a bare one: in a mapping merged from internal and application defaults, those of the
        application win.
    project_name : prefix that `settings` and `defaults` may use; empty for none.
    environment : environment variables.
    previous : result of an earlier call for the same settings. Its values are not checked or
        converted again: ``"10"`` between quotes stays text, and code may have changed a value since
        then.

    Raises
    ------
    ConflictError : two spellings of a setting have different values (S-1.6).
    SettingError : a value contains the line of another setting.
    """
    spellings: dict[str, list[str]] = {}
    for key, value in settings.items():
        if isinstance(value, str) and "\n" in value:
            _refuse_swallowed(key, value, project_name)
        spellings.setdefault(_bare_name(key, project_name), []).append(key)
    bare_defaults = _bare_defaults(defaults, project_name)

    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for bare in (*spellings, *(name for name in bare_defaults if name not in spellings)):
        values[bare], sources[bare] = _stored_value(
            bare, settings, spellings.get(bare, []), bare_defaults, previous
        )
        _take_from_environment(bare, project_name, environment, values, sources)
    for bare in names_in_environment(environment, project_name):
        # A setting whose name has a hyphen or capitals was given its value above.
        spelled = utils.environment_name(bare)
        if all(utils.environment_name(name) != spelled for name in values):
            _take_from_environment(bare, project_name, environment, values, sources)
    declared = frozenset(bare_defaults) | (previous.declared if previous else frozenset())
    return Resolution(project_name, values, sources, spellings, declared)


def load_default_settings(config: Any, default_settings: Mapping[str, Any]) -> None:
    """Complete and convert the settings of an application, in place.

    Plugins call it for their own defaults, after or before the set-up of the application; it may be
    called any number of times. If `config` has a registry, its attribute ``settings_sources`` says
    where each value came from.

    Parameters
    ----------
    config : object whose ``get_settings()`` returns a mutable mapping with ``project_name``.
    default_settings : defaults under bare or prefixed names; the mapping is not changed.

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
        # All spellings of a setting stay, with one value, so that no later call sees a conflict
        # between the file and the environment (S-1.7).
        for spelling in resolution.spellings.get(bare, []):
            settings[spelling] = value
    if registry is not None:
        registry.settings_resolution = resolution
        registry.settings_sources = resolution.sources


def load_settings_of_resource(registry: Any, resource_name: str) -> None:
    """Give a resource the settings that the environment has under another form of its name.

    The variable of a resource named ``my-thing`` says ``MY_THING``. Nothing that is in the settings
    under the name of the resource is changed.
    """
    resolution = getattr(registry, "settings_resolution", None)
    if not isinstance(resolution, Resolution):
        return
    given = {name: s for name, s in resolution.sources.items() if s.startswith(_FROM_ENVIRONMENT)}
    for name, spelled in names_as_registered(given, resource_name).items():
        if name not in registry.settings:
            registry.settings[name] = resolution.values[name] = resolution.values[spelled]
            resolution.sources[name] = given[spelled]


def _take_from_environment(
    bare: str,
    project_name: str,
    environment: Mapping[str, str],
    values: dict[str, Any],
    sources: dict[str, str],
) -> None:
    """Give a setting the value of its strongest variable, if it has any."""
    for variable in environment_names(bare, project_name):
        if variable in environment:
            values[bare] = _coerce(bare, environment[variable])
            sources[bare] = f"{_FROM_ENVIRONMENT}{variable}"
            return


def _bare_name(key: str, project_name: str) -> str:
    """Return the name of a setting without its prefix."""
    if key.split(".")[0] in _OWN_COMPONENTS:
        return key
    for prefix in (_PREFIX, project_name):
        if prefix and key.startswith(f"{prefix}.") and len(key) > len(prefix) + 1:
            return key[len(prefix) + 1 :]
    return key


def _bare_defaults(defaults: Mapping[str, Any], project_name: str) -> dict[str, Any]:
    names = {key: _bare_name(key, project_name) for key in defaults}
    # Prefixed names come last, so that they replace the bare ones.
    ordered = sorted(names, key=lambda key: key != names[key])
    return {names[key]: defaults[key] for key in ordered}


def _stored_value(
    bare: str,
    settings: Mapping[str, Any],
    spellings: list[str],
    bare_defaults: Mapping[str, Any],
    previous: Resolution | None,
) -> tuple[Any, str]:
    """Return the value of a setting, regardless of the environment, and its source."""
    if not spellings:
        default = bare_defaults[bare]
        if isinstance(default, (dict, list)):
            # It is a copy: a change of the setting must not change the defaults of the caller.
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


def _refuse_swallowed(key: str, value: str, project_name: str) -> None:
    """Refuse a value that has the next setting in it, because its line begins with white space.

    Raises
    ------
    SettingError : a line of the value looks like a setting with a prefix.
    """
    prefixes = {_PREFIX, *_OWN_COMPONENTS, *filter(None, [project_name])}
    for line in value.split("\n")[1:]:
        name, equals, _ = line.partition("=")
        name = name.strip()
        if equals and name.partition(".")[0] in prefixes and _NAME.fullmatch(name):
            # The lines below may be secrets.
            raise SettingError(
                key,
                value.partition("\n")[0],
                f"one value; the line of {name!r} begins with white space, so that it continues "
                "the line above it",
            )


def _check_conflict(bare: str, settings: Mapping[str, Any], spellings: list[str]) -> None:
    """Refuse spellings that differ as text, unless one is the converted form of the other.

    An earlier call leaves the converted form behind, and Python code may write it for the text of
    the file.
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
    """Convert the text of a setting, unless the setting is a text by its type or name."""
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
