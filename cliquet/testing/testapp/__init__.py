"""A small service for the tests of plugins, with a user resource and four shareable ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyramid.config import Configurator

from cliquet.initialization import initialize

__all__ = ["main"]


def main(
    settings: Mapping[str, Any] | None = None,
    config: Configurator | None = None,
    *args: Any,
    **additional_settings: Any,
) -> Any:
    """Return the WSGI application.

    Parameters
    ----------
    settings, additional_settings : settings as in the file of an application.
    config : configurator to use, with the additions of a test; the settings that it already has win
        over the others.
    """
    given = {**(settings or {}), **additional_settings}
    if config is None:
        config = Configurator(settings=given)
    else:
        present = config.get_settings() or {}
        config.add_settings({name: given[name] for name in given if name not in present})
    initialize(config, version="0.0.1", project_name="testapp")
    config.scan("cliquet.testing.testapp.views")
    return config.make_wsgi_app()
