"""The example service: mushrooms that each user picked.

``config/example.ini`` serves it, and the README shows a session with it.
"""

from __future__ import annotations

from typing import Any

import colander
from pyramid.config import Configurator

import cliquet
from cliquet import resource

VERSION = "1.0"


class MushroomSchema(resource.ResourceSchema):
    """What is known of a mushroom: its name at least."""

    name = colander.SchemaNode(colander.String())
    habitat = colander.SchemaNode(colander.String(), missing=colander.drop)
    cap_mm = colander.SchemaNode(
        colander.Integer(), validator=colander.Range(min=1), missing=colander.drop
    )
    edible = colander.SchemaNode(colander.Boolean(), missing=colander.drop)


@resource.register()
class Mushroom(resource.UserResource):
    """Served as ``/v1/mushrooms`` and ``/v1/mushrooms/{id}``."""

    mapping = MushroomSchema()


def main(global_config: dict[str, str], **settings: Any) -> Any:
    """Return the WSGI application that the .ini file describes."""
    config = Configurator(settings=settings)
    cliquet.initialize(config, version=VERSION, project_name="mushrooms")
    config.scan("mushrooms")
    return cliquet.install_middlewares(config.make_wsgi_app(), settings)
