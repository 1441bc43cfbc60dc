"""The four resources, and a summary of a bucket."""

from typing import Any

import colander
from pyramid.httpexceptions import HTTPNotFound

from cliquet import Service, errors, resource
from cliquet.core.globs import Pattern
from cliquet.storage import exceptions

from .authorization import BucketContext, RouteFactory


class NestedViewSet(resource.ShareableViewSet):
    """Serves resources with the contexts of this application."""

    def get_service_arguments(self) -> dict[Any, Any]:
        return {**super().get_service_arguments(), "factory": RouteFactory}


def register(name: Any, path: str) -> Any:
    """Serve a resource class at `path`, in which variables are between double braces."""
    viewset = NestedViewSet(name=name, collection_path=path, record_path=path + "/{{id}}")
    return resource.register(viewset=viewset, depth=1)


def require_object(request: Any, name: Any, parent_id: Any, object_id: Any) -> Any:
    """Answer 404 if an object above the requested one does not exist, asking once a request."""
    known = request.bound_data.setdefault("objects", {})
    key = (name, parent_id, object_id)
    if key not in known:
        try:
            known[key] = request.registry.storage.get(
                collection_id=name, parent_id=parent_id, object_id=object_id
            )
        except exceptions.RecordNotFoundError:
            raise errors.http_error(
                HTTPNotFound(), errno=errors.ERRORS.MISSING_RESOURCE, message=f"No such {name}"
            ) from None
    return known[key]


class FreeSchema(resource.ResourceSchema):
    class Options:
        preserve_unknown = True


@register("bucket", "/buckets")
class Bucket(resource.ShareableResource):
    """Holds collections and groups."""

    permissions = ("read", "write", "collection:create", "group:create")
    mapping = FreeSchema()


class InBucket(resource.ShareableResource):
    """Belongs to a bucket that must exist."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        require_object(self.request, "bucket", "", self.request.matchdict["bucket_id"])

    def get_parent_id(self, request: Any) -> Any:
        return "/buckets/{bucket_id}".format(**request.matchdict)


@register("collection", "/buckets/{{bucket_id}}/collections")
class Collection(InBucket):
    """Holds records."""

    permissions = ("read", "write", "record:create")
    mapping = FreeSchema()


class GroupSchema(resource.ResourceSchema):
    members = colander.SchemaNode(
        colander.Sequence(), colander.SchemaNode(colander.String()), missing=colander.drop
    )


@register("group", "/buckets/{{bucket_id}}/groups")
class Group(InBucket):
    """Users; its URI is a principal of each of them."""

    mapping = GroupSchema()

    def process_record(self, new: Any, old: Any = None) -> Any:
        record = super().process_record(new, old=old)
        if any(member.startswith("/buckets/") for member in record.get("members", ())):
            errors.raise_invalid(
                self.request, name="data.members", description="Groups have no groups"
            )
        return record


@register("record", "/buckets/{{bucket_id}}/collections/{{collection_id}}/records")
class Record(InBucket):
    """Whatever the user of the collection wants."""

    mapping = FreeSchema()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        matchdict = self.request.matchdict
        require_object(
            self.request,
            "collection",
            super().get_parent_id(self.request),
            matchdict["collection_id"],
        )

    def get_parent_id(self, request: Any) -> str:
        return f"{super().get_parent_id(request)}/collections/{request.matchdict['collection_id']}"

    def is_known_field(self, field: Any) -> bool:
        return True


summary = Service(name="summary", path="/buckets/{bucket_id}/summary", factory=BucketContext)


@summary.get(permission="dynamic")
def get_summary(request: Any) -> dict[Any, Any]:
    """Count what a bucket holds."""
    bucket_id = request.matchdict["bucket_id"]
    require_object(request, "bucket", "", bucket_id)
    storage, uri = request.registry.storage, f"/buckets/{bucket_id}"
    return {
        name: storage.get_all(name, parent_id)[1]
        for name, parent_id in (
            ("collection", uri),
            ("group", uri),
            ("record", Pattern.of(f"{uri}/collections/", "")),
        )
    }
