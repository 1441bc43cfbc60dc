"""The steps that load the backends, with one loader for the three kinds."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError

from cliquet import cache, permission, settings, storage
from cliquet.core.mistakes import did_you_mean
from cliquet.initialization import references
from cliquet.initialization.replica_setup import setup_replica
from cliquet.resource.checks.attributes import misspelt_in
from cliquet.resource.direct_changes import DirectChanges
from cliquet.storage.generators import Generator

__all__ = [
    "BUILT_IN",
    "is_built_in",
    "is_in_memory",
    "module_of",
    "setup_cache",
    "setup_permission",
    "setup_storage",
]


BUILT_IN = {
    "storage": ("memory", "postgresql", "redis", "sqlite"),
    "cache": ("memcached", "memory", "postgresql", "redis", "sqlite"),
    "permission": ("memory", "postgresql", "redis", "sqlite"),
}
"""The backends of the library: names of modules in the package of each kind."""


def _load(config: Configurator, kind: str, base: type) -> Any:
    """Return the backend of the setting ``<kind>_backend``, or ``None``.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : the module is not that of a backend, or has returned
        another object.
    ImportError : there is no such module.
    """
    setting = f"{kind}_backend"
    name = settings.read(config.get_settings(), setting)
    if not name:
        return None
    modules = [f"cliquet.{kind}.{family}" for family in BUILT_IN[kind]]
    allowed = f"{', '.join(modules)}, or a module with load_from_config()"
    # A module that is listed is no mistake, and needs no comparison.
    meant = "" if name in modules else _meant(name, modules)
    if isinstance(name, str) and _is_of_another_kind(name, kind):
        raise ConfigurationError(
            f"Invalid {kind} backend: setting '{setting}' is {name!r}; allowed: {allowed}"
            f"{meant or '.'}"
        )
    module = references.resolve(config, setting, allowed=allowed, meant=lambda: meant)
    if not hasattr(module, "load_from_config"):
        raise ConfigurationError(
            f"Setting '{setting}' is {name!r}, which has no load_from_config(); allowed: {allowed}"
            f"{meant or '.'}"
        )
    backend = module.load_from_config(config)
    if not isinstance(backend, base):
        raise ConfigurationError(f"Invalid {kind} backend: {backend}")
    return backend


def _is_of_another_kind(name: str, kind: str) -> bool:
    return any(
        name == f"cliquet.{other}.{family}"
        for other, families in BUILT_IN.items()
        for family in families
        if other != kind
    )


def _meant(name: Any, modules: list[str]) -> str:
    """Return the end of an error that names the module which was probably meant."""
    families = {module.rpartition(".")[2]: module for module in modules}
    family = str(name).rpartition(".")[2]
    meant = f"; did you mean {families[family]!r}?" if family in families else ""
    return meant or did_you_mean(family, families, shown=families)


def _id_generator(config: Configurator) -> Any:
    """Return an instance of the class that makes the ids of records.

    Raises
    ------
    ImportError : there is no such class.
    pyramid.exceptions.ConfigurationError : its instances are no generators, or an attribute has
        nearly the name of one that has an effect.
    """
    setting = "id_generator"
    allowed = "a class such as cliquet.storage.generators.UUID4"
    generator = references.resolve_callable(config, setting, allowed=allowed)()
    value = settings.read(config.get_settings(), setting)
    if not callable(generator) or not hasattr(generator, "match"):
        raise ConfigurationError(
            f"Setting '{setting}' is {value!r}, which makes {generator!r}; allowed: {allowed}."
        )
    if isinstance(generator, Generator):
        for finding in misspelt_in(type(generator), ("regexp",)):
            raise ConfigurationError(f"Setting '{setting}' is {value!r}: {finding.text}")
    return generator


def setup_storage(config: Configurator) -> None:
    """Set ``registry.id_generator`` and, if configured, ``registry.storage``."""
    # It is also set without a storage, because plugins for authentication use it (P-4.4).
    config.registry.id_generator = _id_generator(config)
    backend = _load(config, "storage", storage.StorageBase)
    if backend is not None:
        config.registry.storage = backend
        config.registry.heartbeats["storage"] = storage.heartbeat(backend)
        setup_replica(config, "storage", backend)


def setup_permission(config: Configurator) -> None:
    """Set ``registry.permission``, if it is configured."""
    backend = _load(config, "permission", permission.PermissionBase)
    if backend is not None:
        config.registry.permission = backend
        config.registry.heartbeats["permission"] = permission.heartbeat(backend)
        setup_replica(config, "permission", backend)
        tell_of_late = getattr(backend, "tell_of_late", None)
        if tell_of_late is not None:
            tell_of_late(DirectChanges(config.registry).written_late)


def setup_cache(config: Configurator) -> None:
    """Set ``registry.cache``, if it is configured."""
    backend = _load(config, "cache", cache.CacheBase)
    if backend is not None:
        config.registry.cache = backend
        config.registry.heartbeats["cache"] = cache.heartbeat(backend)


def module_of(backend: Any) -> str:
    """Return the setting that names a backend of the library; else the module of its class."""
    # `type()` would give the stand-in of an observed backend.
    module = str(backend.__class__.__module__)
    return ".".join(module.split(".")[:3]) if module.startswith("cliquet.") else module


def is_built_in(backend: Any) -> bool:
    """Return whether a backend is one of the library."""
    return module_of(backend).startswith("cliquet.")


def is_in_memory(backend: Any) -> bool:
    """Return whether a backend keeps its data in its process, where commands cannot reach it."""
    return is_built_in(backend) and module_of(backend).endswith(".memory")
