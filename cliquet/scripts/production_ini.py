"""The text of ``config/production.ini``: the choices of production, then all settings and defaults.

The settings come from the table, so that no setting is missing in the file of a new service, nor in
``config/production.ini`` of this repository, which is written for the example service by::

    python -m cliquet.scripts.production_ini mushrooms mushroom > config/production.ini
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from cliquet.scripts.templating import render
from cliquet.settings import SETTINGS, Setting

__all__ = ["assignment_of", "production_ini"]

_WIDTH: Final = 98

# These settings are published without the prefix of the library.
_UNPREFIXED: Final = ("multiauth.", "tm.", "retry.")


class _Choice(NamedTuple):
    """A setting to which the file gives a value, and an explanation that the table lacks."""

    value: str
    hint: str = ""


_CHOICES: Final[Mapping[str, _Choice]] = {
    "userid_hmac_secret": _Choice(
        "",
        "Without one, anyone could compute user ids. It is best given in the environment, as "
        "CLIQUET_USERID_HMAC_SECRET; `openssl rand -hex 32` makes one.",
    ),
    "storage_backend": _Choice("cliquet.storage.postgresql"),
    "storage_url": _Choice(
        "postgresql://localhost/{module}",
        "An address with a password is best given in the environment, as CLIQUET_STORAGE_URL.",
    ),
    "permission_backend": _Choice("cliquet.permission.postgresql"),
    "permission_url": _Choice(
        "postgresql://localhost/{module}",
        "With the same address as the storage, both are changed in one transaction.",
    ),
    "cache_backend": _Choice("cliquet.cache.redis"),
    "cache_url": _Choice("redis://localhost:6379/0"),
    "sync_enabled": _Choice(
        "true",
        "Departures are recorded from then on: what happened before cannot be told. The default is "
        "false.",
    ),
    "logging_renderer": _Choice(
        "json",
        "json is one JSON object per line; classic, the default, text for people; heka, the JSON "
        "of Mozilla.",
    ),
}

# Each heading is written above the setting of this name.
_HEADINGS: Final = {
    "project_name": "Name and version",
    "initialization_sequence": "Start-up",
    "batch_max_requests": "Features",
    "backoff": "HTTP",
    "storage_backend": "Storage, cache, permissions",
    "multiauth.policies": "Users and what they may do",
    "newrelic_config": "Monitoring",
    "{endpoint_type}_{resource_name}_{method}_enabled": (
        "Families of names, each shown by an example"
    ),
}

# For each family: the name of a member, and a value if the default would not show anything.
_EXAMPLES: Final[Mapping[str, tuple[str, str | None]]] = {
    "{endpoint_type}_{resource_name}_{method}_enabled": (
        "collection_{resource}_delete_enabled",
        "false",
    ),
    "{resource_name}_cache_expires_seconds": ("{resource}_cache_expires_seconds", "3600"),
    "{resource_name}_total_records": ("{resource}_total_records", None),
    "{resource_name}_shards": ("{resource}_shards", "8"),
    "{resource_name}_strict_filters": ("{resource}_strict_filters", "true"),
    "{resource_name}_sync_enabled": ("{resource}_sync_enabled", None),
    "{resource_name}_sync_departures": ("{resource}_sync_departures", None),
    "{resource_name}_{permission}_principals": (
        "{resource}_create_principals",
        "system.Authenticated",
    ),
    "event_listeners.{name}.use": ("event_listeners.redis.use", "cliquet.listeners.redis"),
    "event_listeners.{name}.url": ("event_listeners.redis.url", "redis://localhost:6379/0"),
    "event_listeners.{name}.pool_size": ("event_listeners.redis.pool_size", None),
    "event_listeners.{name}.listname": ("event_listeners.redis.listname", None),
    "event_listeners.{name}.listmaxsize": ("event_listeners.redis.listmaxsize", None),
    "event_listeners.{name}.timeout_seconds": ("event_listeners.redis.timeout_seconds", None),
    "event_listeners.{name}.actions": ("event_listeners.redis.actions", None),
    "event_listeners.{name}.resources": ("event_listeners.redis.resources", "{resource}"),
    "event_listeners.{name}.before_commit": ("event_listeners.redis.before_commit", None),
    "event_listeners.{name}.{option}": ("event_listeners.journal.folder", "/var/lib/{module}"),
    "multiauth.policy.{name}.use": (
        "multiauth.policy.ipauth.use",
        "cliquet.authentication.IPAuthenticationPolicy",
    ),
    "multiauth.policy.{name}.{option}": ("multiauth.policy.ipauth.ipaddrs", "192.168.0.*"),
    "tm.{option}": ("tm.commit_veto", "pyramid_tm.default_commit_veto"),
    "retry.attempts": ("retry.attempts", None),
    "{component}_max_overflow": ("storage_max_overflow", None),
    "{component}_max_backlog": ("storage_max_backlog", None),
    "{component}_pool_recycle": ("storage_pool_recycle", None),
    "{component}_pool_timeout": ("storage_pool_timeout", None),
    "{component}_poolclass": ("storage_poolclass", None),
}


def production_ini(module: str, resource: str) -> str:
    """Return the text of the file for a service in production.

    Parameters
    ----------
    module : name of the Python module that has ``main()``; the database gets the same name.
    resource : name of one of the resources of the service, for the examples.
    """
    names = {"module": module, "resource": resource}
    return render(
        "production.ini.txt",
        {"module": module, "choices": _choices(names), "defaults": _defaults(names)},
    )


def _choices(names: Mapping[str, str]) -> str:
    lines: list[str] = []
    for name, choice in _CHOICES.items():
        sentence = f"{SETTINGS[name].sentence} {choice.hint}".strip()
        lines += [*_comment(sentence), *_assignment(name, choice.value.format(**names)), ""]
    return "\n".join(lines).rstrip()


def _defaults(names: Mapping[str, str]) -> str:
    lines: list[str] = []
    heading = ""
    for name, row in SETTINGS.items():
        heading = _HEADINGS.get(name, heading)
        if name in _CHOICES:
            continue
        if heading:
            lines += [f"# --- {heading} ---", ""]
            heading = ""
        lines += _comment(_described(row))
        lines += [f"# {line}" for line in assignment_of(row, names)]
        lines.append("")
    return "\n".join(lines).rstrip()


def _described(row: Setting) -> str:
    sentence = row.sentence
    if row.unit and row.unit not in sentence.lower():
        sentence += f" In {row.unit}."
    return f"{row.name}: {sentence}" if row.is_family else sentence


def assignment_of(row: Setting, names: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of a file that give a setting its default, or a family an example.

    Parameters
    ----------
    row : the setting.
    names : the ``module`` and the ``resource`` of a service, for the examples.
    """
    # `retry.attempts` is in the list of families although it is a single name.
    name, value = _EXAMPLES.get(row.name, (row.name, None))
    value = _text(row.default) if value is None else value.format(**names)
    return _assignment(name.format(**names), value)


def _text(value: Any) -> str:
    """Return a default in the form that it has in an .ini file."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "\n".join(["", *value])
    return str(value)


def _assignment(name: str, value: str) -> Iterator[str]:
    prefix = "" if name.startswith(_UNPREFIXED) else "cliquet."
    first, *others = value.split("\n")
    yield f"{prefix}{name} = {first}".rstrip()
    for line in others:
        yield f"    {line}"


def _comment(text: str) -> list[str]:
    lines = textwrap.wrap(text, _WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return [f"# {line}" for line in lines]


if __name__ == "__main__":  # pragma: no cover - the test compares the file with the function
    sys.stdout.write(production_ini(*sys.argv[1:]))
