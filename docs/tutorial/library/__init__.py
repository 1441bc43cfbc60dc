"""Shelves that users share, served over HTTP for clients that synchronise."""

from __future__ import annotations

from typing import Any

import cliquet
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError

__version__ = "1.0.0"

DEFAULTS = {
    "shelf_create_principals": "system.Authenticated",
    "multiauth.authorization_policy": "library.authorization.AuthorizationPolicy",
}


def main(global_config: dict[str, Any], **settings: Any) -> Any:
    """Return the WSGI application that an .ini file describes."""
    config = Configurator(settings=settings)
    cliquet.initialize(
        config, version=__version__, project_name="library", default_settings=DEFAULTS
    )
    if not config.get_settings()["userid_hmac_secret"]:
        # Anyone could compute the ids of users.
        raise ConfigurationError(
            "A secret is required: set cliquet.userid_hmac_secret, "
            "or CLIQUET_USERID_HMAC_SECRET in the environment."
        )
    config.scan("library.resources")
    return cliquet.install_middlewares(config.make_wsgi_app(), settings)
