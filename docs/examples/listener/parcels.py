"""Parcels and where they are. Shops are told when one moves, by the listener in ``webhook.py``."""

from __future__ import annotations

from typing import Any

import cliquet
import colander
from cliquet import resource
from pyramid.config import Configurator

__version__ = "1.0.0"

STATES = ("packed", "on its way", "delivered")


class ParcelSchema(resource.ResourceSchema):
    """A parcel."""

    address = colander.SchemaNode(colander.String(), validator=colander.Length(1, 500))
    state = colander.SchemaNode(
        colander.String(), validator=colander.OneOf(STATES), missing=STATES[0]
    )


@resource.register()
class Parcel(resource.UserResource):
    """Parcels at ``/v1/parcels`` and ``/v1/parcels/{id}``."""

    mapping = ParcelSchema()


def main(global_config: dict[str, Any], **settings: Any) -> Any:
    """Return the WSGI application that the .ini file describes."""
    config = Configurator(settings=settings)
    cliquet.initialize(config, version=__version__, project_name="parcels")
    config.scan("parcels")
    return cliquet.install_middlewares(config.make_wsgi_app(), settings)
