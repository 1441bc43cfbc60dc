"""cliquet: a service of one shared resource, which settings open to whoever has logged in."""

from __future__ import annotations

from typing import Any

import colander
from operations import Peer
from pyramid.config import Configurator

import cliquet
from cliquet import resource

PEER = Peer(
    root="/v1/",
    collection="/v1/mushrooms",
    page_of_100="_limit=100",
    sorted_page="size=3&_sort=-name&_limit=20",
    batch="/v1/batch",
)
BACKENDS = ("postgresql", "sqlite", "memory")


class MushroomSchema(resource.ResourceSchema):
    name = colander.SchemaNode(colander.String())
    size = colander.SchemaNode(colander.Integer())
    edible = colander.SchemaNode(colander.Boolean())
    notes = colander.SchemaNode(colander.String())
    tags = colander.SchemaNode(colander.List())
    place = colander.SchemaNode(colander.Mapping(unknown="preserve"))

    class Options:
        # All peers have an index for the filtered list.
        indexed_fields = (("size", "name"),)


@resource.register()
class Mushroom(resource.ShareableResource):
    mapping = MushroomSchema()


def application(backend: str, url: str) -> Any:
    """Return the WSGI application."""
    settings = {
        "project_name": "bench",
        "userid_hmac_secret": "b4c96a8692291d88fe5a97dd91846eb4",
        "mushroom_create_principals": "system.Authenticated",
        "mushroom_read_principals": "system.Authenticated",
        "mushroom_write_principals": "system.Authenticated",
    }
    for kind in ("storage", "permission", "cache"):
        settings[f"{kind}_backend"] = f"cliquet.{kind}.{backend}"
        if url:
            # The cache has a file of its own where the database is a file.
            settings[f"{kind}_url"] = (
                f"{url}-cache" if (backend, kind) == ("sqlite", "cache") else url
            )
    config = Configurator(settings=settings)
    cliquet.initialize(config, version="1.0")
    config.scan(__name__)
    app = config.make_wsgi_app()
    for kind in ("storage", "permission", "cache"):
        getattr(app.registry, kind).initialize_schema()
    return app
