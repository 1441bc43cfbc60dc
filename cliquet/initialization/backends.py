"""The steps that load the backends, with one loader for the three kinds."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError

from cliquet import cache, permission, settings, storage
from cliquet.initialization import references

__all__ = [
    "is_built_in",
    "is_in_memory",
    "module_of",
    "setup_cache",
    "setup_permission",
    "setup_storage",
]


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
    allowed = f"a module such as cliquet.{kind}.memory"
    module = references.resolve(config, setting, allowed=allowed)
    if not hasattr(module, "load_from_config"):
        raise ConfigurationError(
            f"Setting '{setting}' is {name!r}, which has no load_from_config(); allowed: {allowed}."
        )
    backend = module.load_from_config(config)
    if not isinstance(backend, base):
        raise ConfigurationError(f"Invalid {kind} backend: {backend}")
    return backend


def setup_storage(config: Configurator) -> None:
    """Set ``registry.id_generator`` and, if configured, ``registry.storage``."""
    # It is also set without a storage, because plugins for authentication use it (P-4.4).
    config.registry.id_generator = references.resolve(config, "id_generator")()
    backend = _load(config, "storage", storage.StorageBase)
    if backend is not None:
        config.registry.storage = backend
        config.registry.heartbeats["storage"] = storage.heartbeat(backend)


def setup_permission(config: Configurator) -> None:
    """Set ``registry.permission``, if it is configured."""
    backend = _load(config, "permission", permission.PermissionBase)
    if backend is not None:
        config.registry.permission = backend
        config.registry.heartbeats["permission"] = permission.heartbeat(backend)


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
