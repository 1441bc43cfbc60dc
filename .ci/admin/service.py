"""A service to test the admin page with: ``service.py PORT READ_ONLY_PORT FOLDER``.

It is served twice on one database, the second time read only.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import colander
import waitress
from pyramid.config import Configurator

import cliquet
from cliquet import resource


class Address(colander.MappingSchema):
    street = colander.SchemaNode(colander.String(), missing=colander.drop)
    city = colander.SchemaNode(colander.String(), missing=colander.drop)


class Visit(colander.MappingSchema):
    on = colander.SchemaNode(colander.Date())
    note = colander.SchemaNode(colander.String(), missing=colander.drop)


class Visits(colander.SequenceSchema):
    visit = Visit()


class Tags(colander.SequenceSchema):
    tag = colander.SchemaNode(colander.String())


class PersonSchema(resource.ResourceSchema):
    """Each kind of input that a form can have."""

    class Options:
        unique_fields = ("email",)

    name = colander.SchemaNode(colander.String(), description="The <b>full</b> name.")
    email = colander.SchemaNode(colander.String(), missing=colander.drop)
    role = colander.SchemaNode(
        colander.String(), validator=colander.OneOf(["guest", "editor"]), missing="guest"
    )
    born = colander.SchemaNode(colander.Date(), missing=colander.drop)
    seen = colander.SchemaNode(colander.DateTime(), missing=colander.drop)
    score = colander.SchemaNode(
        colander.Integer(), validator=colander.Range(max=2**60), missing=colander.drop
    )
    active = colander.SchemaNode(colander.Boolean(), missing=colander.drop)
    address = Address(missing=colander.drop)
    visits = Visits(missing=colander.drop)
    tags = Tags(missing=colander.drop)


@resource.register(collection_path="/people", record_path="/people/{{id}}")
class Person(resource.UserResource):
    mapping = PersonSchema()


class PageSchema(resource.ResourceSchema):
    class Options:
        preserve_unknown = True

    title = colander.SchemaNode(colander.String())


@resource.register()
class Page(resource.ShareableResource):
    mapping = PageSchema()


class CommentSchema(resource.ResourceSchema):
    text = colander.SchemaNode(colander.String())


@resource.register(
    collection_path="/pages/{{page_id}}/comments", record_path="/pages/{{page_id}}/comments/{{id}}"
)
class Comment(resource.UserResource):
    mapping = CommentSchema()

    def get_parent_id(self, request: Any) -> str:
        return f"{super().get_parent_id(request)}/{request.matchdict['page_id']}"


def make(folder: str, **more: str) -> Any:
    """Return an application on the database of a folder."""
    own = {
        "userid_hmac_secret": "a secret",
        "paginate_by": "100",
        "sync_enabled": "true",
        "admin_enabled": "true",
        "page_create_principals": "system.Authenticated",
        **{
            f"{name}_backend": f"cliquet.{name}.sqlite"
            for name in ("storage", "permission", "cache")
        },
        **{
            f"{name}_url": f"sqlite:///{folder}/admin.db"
            for name in ("storage", "permission", "cache")
        },
        **more,
    }
    config = Configurator(settings={f"cliquet.{name}": value for name, value in own.items()})
    cliquet.initialize(config, version="1.0", project_name="people & <i>pages</i>")
    config.scan(__name__)
    return config.make_wsgi_app()


if __name__ == "__main__":
    port, read_only_port, folder = sys.argv[1:]
    serve = {"host": "localhost", "threads": 24, "channel_timeout": 20}
    read_only = make(folder, readonly="true")
    threading.Thread(
        target=waitress.serve,
        args=(read_only,),
        kwargs={**serve, "port": read_only_port},
        daemon=True,
    ).start()
    waitress.serve(make(folder), **serve, port=port)
