"""An example of a rule that depends on the stored record."""

from __future__ import annotations

from typing import Any

import colander
from pyramid.config import Configurator

import cliquet
from cliquet import errors, resource
from cliquet.types import Record


class PuffballSchema(resource.ResourceSchema):
    """What is known of a puffball."""

    grams = colander.SchemaNode(colander.Integer())


@resource.register()
class Puffball(resource.UserResource):
    """Served as ``/v1/puffballs`` and ``/v1/puffballs/{id}``."""

    mapping = PuffballSchema()

    def process_record(self, new: Record, old: Record | None = None) -> Record:
        """Refuse a weight below the stored one; `old` is absent in a creation."""
        if old is not None and new["grams"] < old["grams"]:
            errors.raise_invalid(self.request, name="data.grams", description="Puffballs only grow")
        return super().process_record(new, old)


def main(global_config: dict[str, str], **settings: Any) -> Any:
    """Return the WSGI application."""
    config = Configurator(settings=settings)
    cliquet.initialize(config, version="1.0", project_name="guarded")
    config.scan("guarded")
    return config.make_wsgi_app()
