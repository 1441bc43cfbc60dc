"""A library for HTTP APIs that synchronise: the names that applications use.

Names are imported at their first use, so that a program that only reads the version does not pay
for the rest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Pyramid, which every service imports after this package, would print its warning.
from cliquet.core import quiet_pkg_resources as _  # noqa: F401 - it is imported for that alone

if TYPE_CHECKING:
    from cliquet import authentication, errors, events
    from cliquet.initialization import (
        includeme,
        initialize,
        initialize_cliquet,
        install_middlewares,
    )
    from cliquet.monitoring.logs import logger
    from cliquet.settings import DEFAULT_SETTINGS, load_default_settings
    from cliquet.utils import current_resource_name, current_service
    from cliquet.web.requests import follow_subrequest
    from cliquet.web.service import Service

    __version__: str

__all__ = [
    "DEFAULT_SETTINGS",
    "PROTOCOL_VERSION",
    "Service",
    "__version__",
    "authentication",
    "current_resource_name",
    "current_service",
    "errors",
    "events",
    "follow_subrequest",
    "includeme",
    "initialize",
    "initialize_cliquet",
    "install_middlewares",
    "load_default_settings",
    "logger",
]

PROTOCOL_VERSION = "2"
"""Version of the protocol of every service (H-3.1)."""

_MODULES = {
    "DEFAULT_SETTINGS": "cliquet.settings",
    "Service": "cliquet.web.service",
    "current_resource_name": "cliquet.utils",
    "current_service": "cliquet.utils",
    "follow_subrequest": "cliquet.web.requests",
    "includeme": "cliquet.initialization",
    "initialize": "cliquet.initialization",
    "initialize_cliquet": "cliquet.initialization",
    "install_middlewares": "cliquet.initialization",
    "load_default_settings": "cliquet.settings",
    "logger": "cliquet.monitoring.logs",
}
_SUBMODULES = ("authentication", "errors", "events")


def __getattr__(name: str) -> Any:
    """Import a public name at its first use (PEP 562)."""
    if name in _MODULES:
        value = getattr(importlib.import_module(_MODULES[name]), name)
    elif name in _SUBMODULES:
        value = importlib.import_module(f"cliquet.{name}")
    elif name == "__version__":
        # This module reads archives, mails and tables, none of which a service needs.
        value = importlib.import_module("importlib.metadata").version("cliquet")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
