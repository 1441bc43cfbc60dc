"""Shelves that users share, and the books on them."""

from __future__ import annotations

from cliquet import resource
from pydantic import BaseModel, Field


class ShelfFields(BaseModel):
    name: str = Field(min_length=1, max_length=100)


class BookFields(BaseModel):
    title: str = Field(min_length=1, max_length=200)
    author: str | None = None
    year: int | None = Field(None, ge=1450)
    is_read: bool = False


@resource.register(name="shelf", collection_path="/shelves", record_path="/shelves/{{id}}")
class Shelf(resource.ShareableResource):
    """Shelves at ``/v1/shelves``; the people who make them decide who sees them."""

    mapping = resource.PydanticSchema(ShelfFields, indexed_fields=("name",))


@resource.register(
    name="book",
    collection_path="/shelves/{{shelf_id}}/books",
    record_path="/shelves/{{shelf_id}}/books/{{id}}",
)
class Book(resource.ShareableResource):
    """Books at ``/v1/shelves/{shelf_id}/books``; each shelf has a collection of its own."""

    mapping = resource.PydanticSchema(BookFields, indexed_fields=("title",))

    def get_parent_id(self, request: resource.Request) -> str:
        return f"/shelves/{request.matchdict['shelf_id']}"
