"""An example of shared records: toadstools that users show to each other."""

from __future__ import annotations

from typing import Any

import colander
from pyramid.config import Configurator

import cliquet
from cliquet import resource


class ToadstoolSchema(resource.ResourceSchema):
    """What is known of a toadstool."""

    class Options:
        unique_fields = ("code",)

    name = colander.SchemaNode(colander.String())
    code = colander.SchemaNode(colander.String(), missing=colander.drop)


@resource.register()
class Toadstool(resource.ShareableResource):
    """Served as ``/v1/toadstools`` and ``/v1/toadstools/{id}``."""

    mapping = ToadstoolSchema()


def main(global_config: dict[str, str], **settings: Any) -> Any:
    """Return the WSGI application."""
    config = Configurator(settings=settings)
    cliquet.initialize(config, version="1.0", project_name="toadstools")
    config.scan("toadstools")
    return config.make_wsgi_app()
