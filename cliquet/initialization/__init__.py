"""The set-up of an application: entry points, and the steps of ``initialization_sequence``."""

import functools
import importlib
from typing import Any

from cliquet.initialization.application import includeme, initialize, initialize_cliquet
from cliquet.initialization.backends import setup_cache, setup_permission, setup_storage
from cliquet.initialization.listeners import (
    EventActionFilter,
    EventResourceFilter,
    setup_listeners,
)
from cliquet.initialization.metrics import setup_statsd
from cliquet.initialization.middlewares import install_middlewares
from cliquet.initialization.monitoring import setup_logging
from cliquet.initialization.security import setup_authentication
from cliquet.initialization.web import (
    setup_backoff,
    setup_deprecation,
    setup_json_serializer,
    setup_request_bound_data,
    setup_requests_scheme,
    setup_vary_headers,
    setup_version_redirection,
)
from cliquet.monitoring.profiler import Profiler
from cliquet.settings import load_default_settings

__all__ = [
    "EventActionFilter",
    "EventResourceFilter",
    "includeme",
    "initialize",
    "initialize_cliquet",
    "install_middlewares",
    "load_default_settings",
    "setup_authentication",
    "setup_backoff",
    "setup_cache",
    "setup_deprecation",
    "setup_json_serializer",
    "setup_listeners",
    "setup_logging",
    "setup_permission",
    "setup_request_bound_data",
    "setup_requests_scheme",
    "setup_statsd",
    "setup_storage",
    "setup_vary_headers",
    "setup_version_redirection",
]


def __getattr__(name: str) -> Any:
    """Import the packages of the middlewares at their first use, because both are optional."""
    try:
        if name == "newrelic":
            import newrelic.agent

            return newrelic
        if name == "ProfilerMiddleware":
            werkzeug = importlib.import_module("werkzeug.middleware.profiler")
            return functools.partial(Profiler, werkzeug.ProfilerMiddleware)
    except ImportError:
        return None
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
