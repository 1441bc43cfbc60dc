"""Migrations of plugins, which ``cliquet migrate`` runs after those of the backends (B-21.30)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError

__all__ = ["add_migrations", "run_migrations"]

# What the versions of the backends are recorded as.
_RESERVED = ("cache", "permission", "storage")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def add_migrations(config: Configurator, name: str, steps: Sequence[Callable[[Any], None]]) -> None:
    """Have ``cliquet migrate`` run migrations, each once in the life of a database.

    Called as ``config.add_migrations(...)``, by a plugin when it is included or by an application
    after :func:`cliquet.initialize`.

    .. versionadded:: 3.2

    Parameters
    ----------
    name : of the plugin, under which the storage records what was run: up to 64 lower-case
        letters, digits and underscores.
    steps : functions in order, each called with the storage. The first leads to version 1. Add to
        the end, and never change or remove those that were released.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : the name is not of that form, or is taken.
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
    """Run those that the storage has not seen yet, plugin by plugin in the order of their calls.

    Raises
    ------
    cliquet.storage.exceptions.BackendError : one failed, which the message names. Those before it
        remain, and those after it are not run.
    """
    for name, steps in getattr(registry, "migrations", {}).items():
        registry.storage.run_migrations(name, steps, dry_run=dry_run)
