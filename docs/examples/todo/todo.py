"""Lists of things to do. Each user has their own, on every device."""

from __future__ import annotations

from typing import Any

import cliquet
import colander
from cliquet import resource
from cliquet.types import Record
from pyramid.config import Configurator

__version__ = "1.0.0"

PRIORITIES = ("low", "normal", "high")


class TodoSchema(resource.ResourceSchema):
    """What is known of a thing to do."""

    class Options:
        # The service sets it, and clients may send back what they have read.
        readonly_fields = ("done_at",)
        # A misspelt name is refused, where it would be lost otherwise.
        unknown = "raise"

    title = colander.SchemaNode(colander.String(), validator=colander.Length(1, 200))
    priority = colander.SchemaNode(
        colander.String(), validator=colander.OneOf(PRIORITIES), missing="normal"
    )
    due = colander.SchemaNode(colander.Date(), missing=colander.drop)
    is_done = colander.SchemaNode(colander.Boolean(), missing=False)
    done_at = colander.SchemaNode(colander.Integer(), missing=colander.drop)


@resource.register()
class Todo(resource.UserResource):
    """Things to do, at ``/v1/todos`` and ``/v1/todos/{id}``."""

    mapping = TodoSchema()

    def process_record(self, new: Record, old: Record | None = None) -> Record:
        """Note when something was done."""
        new = super().process_record(new, old)
        if not new["is_done"]:
            new.pop("done_at", None)
        elif old is None or not old["is_done"]:
            new["done_at"] = self.timestamp
        return new


def main(global_config: dict[str, Any], **settings: Any) -> Any:
    """Return the WSGI application that the .ini file describes."""
    config = Configurator(settings=settings)
    cliquet.initialize(config, version=__version__, project_name="todo")
    config.scan("todo")
    return cliquet.install_middlewares(config.make_wsgi_app(), settings)
