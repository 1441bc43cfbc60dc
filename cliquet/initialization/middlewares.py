"""WSGI middlewares around the whole application."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from pyramid.exceptions import ConfigurationError

from cliquet import settings

__all__ = ["install_middlewares"]


def install_middlewares(app: Any, configured: Mapping[str, Any]) -> Any:
    """Return the application inside the middlewares that the settings ask for (S-21).

    Parameters
    ----------
    app : WSGI application. One of Pyramid knows the name of the project and the defaults that
        :func:`cliquet.initialize` got.
    configured : the settings that ``main()`` got; names may have a prefix.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : the package of a middleware is missing.
    """
    # Applications replace these names in the package (P-35.19).
    package = sys.modules["cliquet.initialization"]
    known = getattr(getattr(app, "registry", None), "settings_resolution", None)
    if not isinstance(known, settings.Resolution):
        # It is another WSGI application, or a mock.
        known = None
    resolved = settings.resolve(
        configured,
        {**settings.DEFAULT_SETTINGS, **(known.values if known else {})},
        project_name=settings.resolve_project_name(configured, known.project_name if known else ""),
        environment=os.environ,
    ).values

    newrelic_config = settings.read(resolved, "newrelic_config")
    if newrelic_config:
        newrelic = _required(package, "newrelic", "newrelic_config", "newrelic", "newrelic")
        newrelic.agent.initialize(newrelic_config, settings.read(resolved, "newrelic_env"))
        app = newrelic.agent.WSGIApplicationWrapper(app)

    if settings.read(resolved, "profiler_enabled"):
        profiler = _required(
            package, "ProfilerMiddleware", "profiler_enabled", "werkzeug", "profiler"
        )
        app = profiler(
            app,
            profile_dir=settings.read(resolved, "profiler_dir"),
            restrictions=("*cliquet*",),
        )
    return app


def _required(package: Any, attribute: str, setting: str, distribution: str, extra: str) -> Any:
    value = getattr(package, attribute)
    if value is None:
        raise ConfigurationError(
            f"The setting {setting} needs the package {distribution}: pip install cliquet[{extra}]"
        )
    return value
