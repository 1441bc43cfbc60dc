"""kinto.core: a service of one shared resource on its PostgreSQL or memory backends."""

from __future__ import annotations

from typing import Any

import colander
import kinto.core
from kinto.core import resource
from operations import Peer
from pyramid.config import Configurator

PEER = Peer(
    root="/v1/",
    collection="/v1/mushrooms",
    page_of_100="_limit=100",
    sorted_page="size=3&_sort=-name&_limit=20",
    batch="/v1/batch",
)
BACKENDS = ("postgresql", "memory")


class MushroomSchema(resource.ResourceSchema):
    name = colander.SchemaNode(colander.String())
    size = colander.SchemaNode(colander.Integer())
    edible = colander.SchemaNode(colander.Boolean())
    notes = colander.SchemaNode(colander.String())
    tags = colander.SchemaNode(colander.List())
    place = colander.SchemaNode(colander.Mapping(unknown="preserve"))


@resource.register()
class Mushroom(resource.Resource):
    schema = MushroomSchema


def application(backend: str, url: str) -> Any:
    """Return the WSGI application."""
    settings = {
        "project_name": "bench",
        "userid_hmac_secret": "b4c96a8692291d88fe5a97dd91846eb4",
        "mushroom_create_principals": "system.Authenticated",
        "mushroom_read_principals": "system.Authenticated",
        "mushroom_write_principals": "system.Authenticated",
        "multiauth.policies": "basicauth",
        "experimental_collection_schema_validation": "false",
    }
    for kind in ("storage", "permission", "cache"):
        settings[f"{kind}_backend"] = f"kinto.core.{kind}.{backend}"
        settings[f"{kind}_url"] = url
    config = Configurator(settings=settings)
    kinto.core.initialize(config, version="1.0", default_settings={"http_api_version": "1.0"})
    config.scan(__name__)
    app = config.make_wsgi_app()
    for kind in ("storage", "permission", "cache"):
        getattr(app.registry, kind).initialize_schema()
    return app
