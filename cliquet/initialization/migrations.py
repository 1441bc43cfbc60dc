"""Migrations of plugins, which ``cliquet migrate`` runs after those of the backends."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError

__all__ = ["add_migrations", "run_migrations"]

# The versions of the backends are recorded under these names.
_RESERVED = ("cache", "permission", "storage")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def add_migrations(config: Configurator, name: str, steps: Sequence[Callable[[Any], None]]) -> None:
    """Add migrations that ``cliquet migrate`` runs, each only once in a database (B-21.30).

    A plugin calls ``config.add_migrations(...)`` when it is included; an application calls it after
    :func:`cliquet.initialize`.

    .. versionadded:: 3.2

    Parameters
    ----------
    name : name of the plugin, under which the storage records the version: up to 64 lower-case
        letters, digits and underscores.
    steps : functions in their order, each of which is called with the storage. The first one leads
        to version 1. Add new ones at the end, and never change or remove released ones.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : the name does not have that form, or is already used.
    """
    migrations = config.registry.migrations
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise ConfigurationError(
            f"Invalid name of migrations: {name!r}; allowed: lower-case letters, digits and"
            f" underscores, other than {', '.join(_RESERVED)}."
        )
    if name in migrations:
        raise ConfigurationError(f"The migrations of {name!r} were added already.")
    migrations[name] = tuple(steps)


def run_migrations(registry: Any, *, dry_run: bool = False) -> None:
    """Run the migrations that are new for the storage, plugin by plugin in the order of calls.

    Raises
    ------
    cliquet.storage.exceptions.BackendError : a migration failed, and the message names it. Earlier
        ones stay, and later ones are not run.
    """
    for name, steps in getattr(registry, "migrations", {}).items():
        registry.storage.run_migrations(name, steps, dry_run=dry_run)
