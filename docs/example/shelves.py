"""An example of nested resources: books on shelves that users share with each other."""

from __future__ import annotations

from typing import Any

import colander
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPNotFound

import cliquet
from cliquet import authorization, errors, resource
from cliquet.events import ResourceChanged
from cliquet.storage import Exact, Pattern
from cliquet.storage.exceptions import RecordNotFoundError


class ShelfSchema(resource.ResourceSchema):
    """What is known of a shelf."""

    name = colander.SchemaNode(colander.String())


class BookSchema(resource.ResourceSchema):
    """What is known of a book."""

    title = colander.SchemaNode(colander.String())


@resource.register(name="shelf", collection_path="/shelves", record_path="/shelves/{{id}}")
class Shelf(resource.ShareableResource):
    """Served as ``/v1/shelves`` and ``/v1/shelves/{id}``."""

    mapping = ShelfSchema()


@resource.register(
    name="book",
    collection_path="/shelves/{{shelf_id}}/books",
    record_path="/shelves/{{shelf_id}}/books/{{id}}",
)
class Book(resource.ShareableResource):
    """Served below its shelf, which must exist."""

    mapping = BookSchema()

    def get_parent_id(self, request: resource.Request) -> str:
        shelf_id = request.matchdict["shelf_id"]
        try:
            request.registry.storage.get("shelf", "", shelf_id)
        except RecordNotFoundError:
            raise errors.http_error(
                HTTPNotFound(), errno=errors.ERRORS.MISSING_RESOURCE, message="No such shelf"
            ) from None
        return f"/shelves/{shelf_id}"


class AuthorizationPolicy(authorization.AuthorizationPolicy):
    """Lets a permission on a shelf hold for its books."""

    def get_bound_permissions(self, object_uri: str, permission: str) -> list[tuple[str, str]]:
        shelf = "/".join(object_uri.split("/")[:3])
        return [(uri, name) for uri in (object_uri, shelf) for name in (permission, "write")]


def delete_books(event: ResourceChanged) -> None:
    """Delete the books of shelves that are deleted, and the permissions on them."""
    registry = event.request.registry
    for change in event.impacted_records:
        shelf = f"/shelves/{change['old']['id']}"
        registry.storage.delete_all("book", Exact(shelf))
        registry.permission.delete_object_permissions(Pattern.of(f"{shelf}/books/", ""))


def main(global_config: dict[str, str], **settings: Any) -> Any:
    """Return the WSGI application."""
    config = Configurator(settings=settings)
    defaults = {
        "shelf_create_principals": "system.Authenticated",
        "multiauth.authorization_policy": "shelves.AuthorizationPolicy",
    }
    cliquet.initialize(config, "1.0", project_name="shelves", default_settings=defaults)
    config.scan("shelves")
    config.add_subscriber(
        delete_books, ResourceChanged, for_resources=("shelf",), for_actions=("delete",)
    )
    return config.make_wsgi_app()
