"""The service of ``published.ini``: its ``main`` is the one of the published page."""

from typing import Any

from pyramid.authentication import BasicAuthAuthenticationPolicy
from pyramid.config import Configurator

import cliquet
from cliquet import resource
from cliquet.testing.web import add_resource

__version__ = "0.1"


class Article(resource.UserResource):
    """Its list cannot be deleted, and its creations are told to the listener."""


class Mushroom(resource.ShareableResource):
    """Its records cannot be patched; anonymous users may keep what they read."""


class Bucket(resource.ShareableResource):
    """Anybody who is known may create one."""


class BasicAuthPolicy(BasicAuthAuthenticationPolicy):
    """Another policy for the same credentials."""

    def __init__(self) -> None:
        super().__init__(lambda name, password, request: [])

    def unauthenticated_userid(self, request: Any) -> Any:
        found = super().unauthenticated_userid(request)
        return found and f"custom-{found}"

    authenticated_userid = unauthenticated_userid


def main(global_config: Any, **settings: Any) -> Any:
    config = Configurator(settings=settings)
    cliquet.initialize(config, __version__)
    for cls in (Article, Mushroom, Bucket):
        add_resource(config, cls)
    app = config.make_wsgi_app()
    return cliquet.install_middlewares(app, settings)
