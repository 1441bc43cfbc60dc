"""Backends and clients as settings describe them, without an application."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


def config_of(settings: dict[str, Any]) -> Any:
    """Return what stands for the configurator of an application with these settings."""
    return SimpleNamespace(get_settings=lambda: settings)


def loading(module: Any, kind: str) -> Callable[..., Any]:
    """Return a function that loads the backend of a module.

    Parameters
    ----------
    module : has `load_from_config`.
    kind : how the names of its settings begin: "storage", "permission" or "cache". The function
        takes the value of the setting which says where the backend is, and others by name.
    """
    where = "cache_hosts" if module.__name__.endswith("memcached") else f"{kind}_url"

    def load(url: Any, **settings: Any) -> Any:
        return module.load_from_config(config_of({where: url, **settings}))

    return load
