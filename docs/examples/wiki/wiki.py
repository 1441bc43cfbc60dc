"""Pages that users share with others, and see change while they read."""

from __future__ import annotations

import secrets
from typing import Any

import cliquet
import colander
from cliquet import resource
from cliquet.storage.generators import Generator
from cliquet.types import Record
from pyramid.config import Configurator

__version__ = "1.0.0"


class PageName(Generator):
    """Names of pages, such as ``house-rules``; one without a name gets any."""

    regexp = r"^[a-z0-9]+(-[a-z0-9]+)*$"

    def __call__(self) -> str:
        return secrets.token_hex(8)


class PageSchema(resource.ResourceSchema):
    """A page; who wrote it last is for the service to say."""

    class Options:
        readonly_fields = ("edited_by",)
        indexed_fields = ("title",)

    title = colander.SchemaNode(colander.String(), validator=colander.Length(1, 200))
    text = colander.SchemaNode(
        colander.String(), validator=colander.Length(max=100_000), missing=""
    )
    tags = colander.SchemaNode(
        colander.Sequence(), colander.SchemaNode(colander.String()), missing=()
    )
    edited_by = colander.SchemaNode(colander.String(), missing=colander.drop)


@resource.register()
class Page(resource.ShareableResource):
    """Pages at ``/v1/pages`` and ``/v1/pages/{name}``, each with readers and writers of its own."""

    mapping = PageSchema()

    def process_record(self, new: Record, old: Record | None = None) -> Record:
        """Note who has written it."""
        # The class above adds the permissions that the request gives.
        record = super().process_record(new, old)
        return {**record, "edited_by": self.request.prefixed_userid}


def main(global_config: dict[str, Any], **settings: Any) -> Any:
    """Return the WSGI application that the .ini file describes."""
    config = Configurator(settings=settings)
    cliquet.initialize(config, version=__version__, project_name="wiki")
    config.scan("wiki")
    return cliquet.install_middlewares(config.make_wsgi_app(), settings)
