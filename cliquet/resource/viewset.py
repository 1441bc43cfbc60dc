"""URLs, methods and view arguments of a resource, which its registration may change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import colander

from cliquet import settings
from cliquet.resource import unknown_members
from cliquet.resource.schema import PermissionsSchema
from cliquet.security.authorization import DYNAMIC, RouteFactory
from cliquet.utils import DeprecatedMeta
from cliquet.web import validation

__all__ = ["CONTENT_TYPES", "ProtectedViewSet", "ShareableViewSet", "ViewSet"]

CONTENT_TYPES = ["application/json"]

_RECORD_HEADERS = ("Last-Modified", "ETag", "Cache-Control", "Expires", "Pragma")


class ViewSet:
    """The description of the services of a resource (P-15).

    Any class attribute below may be a keyword argument of :func:`cliquet.resource.register`.

    Attributes
    ----------
    service_name, collection_path, record_path : templates, with ``{resource_name}`` and
        ``{endpoint_type}``; variables of the URL are written with doubled braces.
    collection_methods, record_methods : HTTP methods of the two URLs.
    validate_schema_for : methods whose body is validated.
    readonly_methods : methods that remain if the setting ``readonly`` is on.
    shards : number of counters over which each collection is spread, instead of that of the class
        (:doc:`/explanation/spreading`).
    """

    service_name = "{resource_name}-{endpoint_type}"
    collection_path = "/{resource_name}s"
    record_path = "/{resource_name}s/{{id}}"

    collection_methods: tuple[str, ...] = ("GET", "POST", "DELETE")
    record_methods: tuple[str, ...] = ("GET", "PUT", "PATCH", "DELETE")
    validate_schema_for: tuple[str, ...] = ("POST", "PUT", "PATCH")
    readonly_methods: tuple[str, ...] = ("GET", "OPTIONS", "HEAD")

    service_arguments: dict[str, Any] = {"description": "Collection of {resource_name}"}

    default_arguments: dict[str, Any] = {"permission": "private", "accept": CONTENT_TYPES}
    default_post_arguments: dict[str, Any] = {"content_type": CONTENT_TYPES}
    default_put_arguments: dict[str, Any] = {"content_type": CONTENT_TYPES}
    default_patch_arguments: dict[str, Any] = {"content_type": CONTENT_TYPES}

    default_collection_arguments: dict[str, Any] = {}
    collection_get_arguments: dict[str, Any] = {
        "cors_headers": ("Next-Page", "Total-Records", *_RECORD_HEADERS)
    }
    default_record_arguments: dict[str, Any] = {}
    record_get_arguments: dict[str, Any] = {"cors_headers": _RECORD_HEADERS}

    # A name of the resource, or a number of shards, here or as a keyword, wins over that of the
    # class.
    name: str
    shards: int

    def __init__(self, **kwargs: Any) -> None:
        self.update(**kwargs)

    def update(self, **kwargs: Any) -> None:
        """Set attributes of the instance."""
        self.__dict__.update(**kwargs)

    def collection_arguments(self, resource_cls: type, method: str) -> dict[str, Any]:
        """Return the arguments of a view of the collection (P-15.4)."""
        return self.get_view_arguments("collection", resource_cls, method)

    def record_arguments(self, resource_cls: type, method: str) -> dict[str, Any]:
        """Return the arguments of a view of the record (P-15.4)."""
        return self.get_view_arguments("record", resource_cls, method)

    def get_view_arguments(
        self, endpoint_type: str, resource_cls: type, method: str
    ) -> dict[str, Any]:
        """Return the arguments of one view (P-15.3).

        Parameters
        ----------
        endpoint_type : ``collection`` or ``record``.
        method : HTTP method, in upper or lower case.
        """
        method = method.lower()
        arguments: dict[str, Any] = {}
        for attribute in (
            "default_arguments",
            f"default_{endpoint_type}_arguments",
            f"default_{method}_arguments",
            f"{endpoint_type}_{method}_arguments",
        ):
            arguments.update(getattr(self, attribute, {}))
        arguments["schema"] = self.get_record_schema(resource_cls, method)
        return arguments

    def get_record_schema(self, resource_cls: Any, method: str) -> colander.SchemaNode:
        """Return the schema of the requests of one method (P-15.5)."""
        if method.upper() not in self.validate_schema_for:
            return colander.MappingSchema(typ=colander.Mapping(unknown="preserve"))
        if method.upper() == "PATCH":
            # Its fields are validated after they are merged into the stored record.
            data = colander.SchemaNode(colander.Mapping(unknown="preserve"))
        else:
            data = record_node(resource_cls.mapping)
            if unknown_members.refuses(resource_cls.mapping):
                data._reserved = unknown_members.reserved_names(resource_cls.default_model)
        data.name = "data"
        # Null is not a record, even if the body needs none (H-8.3).
        data.refuse_null = True
        payload = colander.MappingSchema(typ=colander.Mapping(unknown="raise"))
        payload.add(data)
        return payload

    def get_view(self, endpoint_type: str, method: str) -> str:
        """Return the name of the method of the resource that serves an HTTP method (P-15.7)."""
        if endpoint_type == "record":
            return method.lower()
        return f"{endpoint_type}_{method.lower()}"

    def get_name(self, resource_cls: type) -> str:
        """Return the name of the resource: given, declared, or made from its class (P-15.10)."""
        name = getattr(self, "name", None) or getattr(resource_cls, "name", None)
        return name if isinstance(name, str) else resource_cls.__name__.lower()

    def get_service_name(self, endpoint_type: str, resource_cls: type) -> str:
        """Return the name of a service, which is also that of its route (P-35.14)."""
        return self.service_name.format(
            resource_name=self.get_name(resource_cls), endpoint_type=endpoint_type
        )

    def get_service_arguments(self) -> dict[str, Any]:
        """Return the arguments of the services."""
        return dict(self.service_arguments)

    def is_endpoint_enabled(
        self,
        endpoint_type: str,
        resource_name: str,
        method: str,
        settings_mapping: Mapping[str, Any],
    ) -> bool:
        """Return whether the settings leave an endpoint on (S-7).

        Parameters
        ----------
        method : HTTP method, in lower case.
        """
        if settings.read(settings_mapping, "readonly") and (
            method.upper() not in self.readonly_methods
        ):
            return False
        enabled: bool = settings.read(
            settings_mapping, f"{endpoint_type}_{resource_name}_{method.lower()}_enabled"
        )
        return enabled


class ShareableViewSet(ViewSet):
    """The description of the services of a resource with permissions (P-16)."""

    def get_record_schema(self, resource_cls: Any, method: str) -> colander.SchemaNode:
        """Return the schema of the requests of one method, with their permissions (P-16.3)."""
        schema = super().get_record_schema(resource_cls, method)
        if method.upper() not in self.validate_schema_for:
            return schema
        if method.upper() == "PATCH":
            schema["data"].missing = colander.drop
        elif method.upper() == "PUT":
            # If a client only sends permissions, the record stays.
            schema["data"].dispensed_by = "permissions"
        schema.add(
            PermissionsSchema(
                name="permissions",
                missing=colander.drop,
                permissions=resource_cls.permissions,
            )
        )
        return schema

    def get_view_arguments(
        self, endpoint_type: str, resource_cls: type, method: str
    ) -> dict[str, Any]:
        """Return the arguments of one view, whose permission depends on the request (P-16.1)."""
        arguments = super().get_view_arguments(endpoint_type, resource_cls, method)
        arguments["permission"] = DYNAMIC
        return arguments

    def get_service_arguments(self) -> dict[str, Any]:
        """Return the arguments of the services, with the context of their routes (P-16.2)."""
        return {**super().get_service_arguments(), "factory": RouteFactory}


class ProtectedViewSet(ShareableViewSet, metaclass=DeprecatedMeta):
    """Deprecated: use :class:`ShareableViewSet` (P-32)."""

    __deprecation_warning__ = "ProtectedViewSet is deprecated. Use ShareableViewSet instead."


def record_node(mapping: colander.SchemaNode) -> colander.SchemaNode:
    """Return a copy of the schema of a resource, for the ``data`` of its requests.

    It is a copy, because other code shares the instance.
    """
    data = mapping.clone()
    if validation.needs_binding(mapping):
        # The request may decide whether a member is required.
        data.may_be_absent = True
        return data
    try:
        mapping.deserialize({})
    except colander.Invalid:
        pass
    else:
        # No member is required, and therefore `data` is not either (H-8.8). Defaults are computed
        # for each request, because some depend on the time.
        data.missing = {}
        data.defaults_when_absent = True
    return data
