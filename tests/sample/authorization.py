"""Who may do what: permissions on an object hold for what is below it."""

from typing import Any

from pyramid.settings import aslist

from cliquet import authorization

# What may be created below an object, by the number of segments in its URI.
LEVELS = {2: "bucket", 4: "collection", 6: "record"}


def ancestors(object_uri: Any) -> list[Any]:
    """Return the URIs of an object and of those above it, the object first.

    The URI of a list stands for the object that it belongs to.
    """
    segments = object_uri.strip("/").split("/")
    whole = len(segments) - len(segments) % 2
    return ["/" + "/".join(segments[:end]) for end in range(whole, 0, -2)]


class AuthorizationPolicy(authorization.AuthorizationPolicy):
    """``write`` gives every permission on the object and below it; ``read``, that of reading."""

    def get_bound_permissions(self, object_uri: Any, permission: Any) -> Any:
        pairs = [(object_uri, permission), (object_uri, "write")]
        for uri in ancestors(object_uri):
            pairs += [(uri, permission), (uri, "write")]
        return pairs


class RouteFactory(authorization.RouteFactory):
    """Whoever may write all buckets, by the settings, may do anything below them."""

    def __init__(self, request: Any) -> None:
        super().__init__(request)
        if self.resource_name is None:
            return
        administrators = aslist(request.registry.settings.get("bucket_write_principals") or "")
        self.allowed_principals = [*(self.allowed_principals or ()), *administrators]
        above = ancestors(self.permission_object_id)
        if self.required_permission == "create" and above:
            # It is asked on the object that will hold the new one.
            self.permission_object_id = above[0]


class BucketContext(RouteFactory):
    """The context of services about one bucket that are no resource."""

    def __init__(self, request: Any) -> None:
        super().__init__(request)
        self.resource_name = "bucket"
        self.required_permission = "read"
        self.permission_object_id = f"/buckets/{request.matchdict['bucket_id']}"


class RecordContext(RouteFactory):
    """The context of services about one record that are no resource."""

    def __init__(self, request: Any) -> None:
        super().__init__(request)
        self.resource_name = "record"
        self.required_permission = "write"
        self.permission_object_id = record_uri(request)


def record_uri(request: Any) -> Any:
    uri = "/buckets/{bucket_id}/collections/{collection_id}/records/{id}"
    return uri.format(**request.matchdict)
