"""A service of buckets, which hold collections of records, and groups of users.

Written as applications of the library are, with its public names only.
"""

from typing import Any

from pyramid.config import Configurator

import cliquet

__version__ = "1.4.2"

DEFAULT_SETTINGS = {
    "id_generator": "sample.ids.NameGenerator",
    "multiauth.policies": "basicauth badge",
    "multiauth.policy.badge.use": "sample.authentication.BadgePolicy",
    "multiauth.authorization_policy": "sample.authorization.AuthorizationPolicy",
    "bucket_create_principals": "system.Authenticated",
    "includes": "sample.attachments sample.userinfo",
}


def main(global_config: Any = None, config: Any = None, **settings: Any) -> Any:
    """Return the WSGI application."""
    config = config or Configurator(settings=settings)
    cliquet.initialize(
        config, version=__version__, project_name="sample", default_settings=DEFAULT_SETTINGS
    )
    config.scan("sample.views")
    config.include("sample.subscribers")
    return config.make_wsgi_app()
