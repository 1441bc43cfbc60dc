"""Bookmarks of each user, in a service that uses the storage of this example."""

from __future__ import annotations

from typing import Any

import cliquet
import colander
from cliquet import resource
from pyramid.config import Configurator

__version__ = "1.0.0"


class BookmarkSchema(resource.ResourceSchema):
    """A bookmark; each address is there once."""

    class Options:
        unique_fields = ("url",)

    url = colander.SchemaNode(colander.String(), validator=colander.url)
    title = colander.SchemaNode(colander.String(), missing=colander.drop)


@resource.register()
class Bookmark(resource.UserResource):
    """Bookmarks at ``/v1/bookmarks`` and ``/v1/bookmarks/{id}``."""

    mapping = BookmarkSchema()


def main(global_config: dict[str, Any], **settings: Any) -> Any:
    """Return the WSGI application that the .ini file describes."""
    config = Configurator(settings=settings)
    cliquet.initialize(config, version=__version__, project_name="bookmarks")
    config.scan("bookmarks")
    return cliquet.install_middlewares(config.make_wsgi_app(), settings)
